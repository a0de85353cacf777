"""Filters of the inventory's lists, for API and admin alike. Text filters take ``*`` and ``?``."""

from __future__ import annotations

import django_filters as filters

from inventory.models import (
    AuditEvent,
    Block,
    BlockReplica,
    Dataset,
    DatasetReplica,
    FactFeed,
    File,
    Group,
    Injection,
    Lock,
    Site,
)


class WildcardFilter(filters.CharFilter):
    """The whole text, where ``*`` and ``?`` are wildcards."""

    def __init__(self, field_name: str | None = None, **options: object) -> None:
        super().__init__(field_name=field_name, lookup_expr="wildcard", **options)


class SiteFilterSet(filters.FilterSet):
    name = WildcardFilter()

    class Meta:
        model = Site
        fields = ["name", "status", "storage_type"]


class GroupFilterSet(filters.FilterSet):
    name = WildcardFilter()

    class Meta:
        model = Group
        fields = ["name", "ownership_level"]


class DatasetFilterSet(filters.FilterSet):
    name = WildcardFilter()
    release = WildcardFilter()
    site = filters.CharFilter("replicas__site__name", help_text="Has a replica at this site.")
    min_size_bytes = filters.NumberFilter("size_bytes", "gte")
    max_size_bytes = filters.NumberFilter("size_bytes", "lte")
    updated_before = filters.IsoDateTimeFilter("last_update", "lt")
    updated_after = filters.IsoDateTimeFilter("last_update", "gt")

    class Meta:
        model = Dataset
        fields = ["name", "status", "data_type", "is_open", "release"]


class BlockFilterSet(filters.FilterSet):
    dataset = filters.CharFilter("dataset__name")
    name = WildcardFilter()

    class Meta:
        model = Block
        fields = ["dataset", "name", "is_open"]


class FileFilterSet(filters.FilterSet):
    dataset = filters.CharFilter("block__dataset__name")
    block = filters.CharFilter("block__name")
    lfn = WildcardFilter()

    class Meta:
        model = File
        fields = ["dataset", "block", "lfn"]


class DatasetReplicaFilterSet(filters.FilterSet):
    dataset = WildcardFilter("dataset__name")
    site = WildcardFilter("site__name")
    group = filters.CharFilter("group__name")

    class Meta:
        model = DatasetReplica
        fields = ["dataset", "site", "group", "is_growing"]


class BlockReplicaFilterSet(filters.FilterSet):
    dataset = WildcardFilter("block__dataset__name")
    block = filters.CharFilter("block__name")
    site = WildcardFilter("site__name")
    group = filters.CharFilter("group__name")

    class Meta:
        model = BlockReplica
        fields = ["dataset", "block", "site", "group", "is_custodial"]


class LockFilterSet(filters.FilterSet):
    dataset_pattern = WildcardFilter()
    is_released = filters.BooleanFilter("released_at", "isnull", exclude=True)

    class Meta:
        model = Lock
        fields = ["dataset_pattern", "owner", "source"]


class FactFeedFilterSet(filters.FilterSet):
    class Meta:
        model = FactFeed
        fields = ["name"]


class InjectionFilterSet(filters.FilterSet):
    class Meta:
        model = Injection
        fields = ["state", "started_by"]


class AuditEventFilterSet(filters.FilterSet):
    action = WildcardFilter()
    subject = WildcardFilter()
    since = filters.IsoDateTimeFilter("at", "gte")
    before = filters.IsoDateTimeFilter("at", "lt")

    class Meta:
        model = AuditEvent
        fields = ["actor", "action", "subject"]
