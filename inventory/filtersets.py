"""Filters of the inventory's lists, for API, admin and exports. Text filters take ``*`` and ``?``; bad values are refused."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import django_filters as filters
from django import forms
from django.db import models
from django.db.models import Q, QuerySet
from django.utils import timezone

from inventory.choices import DatasetStatus, FactFeedName, LockState, StorageType
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
from inventory.selectors import conditions, rare
from inventory.selectors.locks import on_dataset
from inventory.selectors.locks_in_force import in_force_at
from inventory.selectors.moments import MomentFilter
from inventory.selectors.wording import size_from_text

Rows = QuerySet[Any]

#: Days of an age, far beyond any data.
_MAX_DAYS = 36_500


class WildcardFilter(filters.CharFilter):
    """The whole text, where ``*`` and ``?`` are wildcards."""

    def __init__(self, field_name: str | None = None, **options: object) -> None:
        super().__init__(field_name=field_name, lookup_expr="wildcard", **options)


def _refusal(text: str) -> forms.ValidationError:
    """Return the error that says *text* as it stands: what somebody typed may hold a per cent sign."""
    return forms.ValidationError("%(problem)s", code="invalid", params={"problem": text})


class SizeField(forms.CharField):
    """Bytes, or a number with a decimal unit."""

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            return size_from_text(text)
        except ValueError as error:
            raise _refusal(str(error)) from error


class SizeFilter(filters.Filter):
    """A size, as ``1.5 TB``."""

    field_class = SizeField


class YesNoField(forms.NullBooleanField):
    """True or false; what is neither is refused, where Django's own field takes it for not given."""

    def to_python(self, value: Any) -> bool | None:
        known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": None, "unknown": None}
        word = str("" if value is None else value).strip().lower()
        if word not in known:
            raise _refusal(f"found {word[:40]!r}, expected true or false")
        return known[word]


class YesNoFilter(filters.BooleanFilter):
    """True or false, and nothing else."""

    field_class = YesNoField

    def __init__(self, *arguments: Any, **options: Any) -> None:
        options.setdefault("widget", forms.Select(choices=[("", "any"), ("true", "yes"), ("false", "no")]))
        super().__init__(*arguments, **options)


class _FilterSet(filters.FilterSet):
    """A filter set whose yes-or-no fields refuse other words."""

    class Meta:
        filter_overrides = {models.BooleanField: {"filter_class": YesNoFilter}}


def days(label: str, method: str) -> filters.NumberFilter:
    """Return the filter of an age in days."""
    return filters.NumberFilter(method=method, label=label, min_value=0, max_value=_MAX_DAYS)


class OfDatasetsFilter(filters.CharFilter):
    """A pattern of names or tiers of datasets on rows that belong to datasets.

    Whether any dataset fits at all is asked first: the database, which expects some, would read every replica to find none.
    """

    def __init__(self, path: str, column: str, **options: Any) -> None:
        super().__init__(**options)
        self.path, self.column = path, column

    def filter(self, rows: Rows, value: str) -> Rows:
        if not value:
            return rows
        if not Dataset.objects.filter(**{f"{self.column}__wildcard": value}).order_by().exists():
            return rows.none()
        return rows.filter(**{f"{self.path}__{self.column}__wildcard": value})


class _ByPlaceAndOwner(_FilterSet):
    """Rows that lie at a site in the hands of a group. What fits hardly anywhere is collected, not walked to."""

    #: Whether the group that is asked for is that of block replicas, of which it was counted how many there are.
    owns_blocks = False

    site = filters.CharFilter(method="at_site", help_text="Name of a site, or a pattern of names.")
    group = filters.CharFilter(method="of_group", help_text="Name of the owner, or a pattern; None: nobody.")

    def at_site(self, rows: Rows, _: str, pattern: str) -> Rows:
        return rows.filter(site_id__in=conditions.sites_named(pattern))

    def of_group(self, rows: Rows, _: str, pattern: str) -> Rows:
        return rows.filter(conditions.owned_by(pattern))

    def filter_queryset(self, queryset: Rows) -> Rows:
        rows = super().filter_queryset(queryset)
        asked = {name: value for name, value in self.form.cleaned_data.items() if value not in (None, "")}
        site_ids = _sites_asked(asked) if asked.keys() & {"site", "storage_type"} else None
        if not self._is_rare(asked, site_ids):
            return rows
        if self.owns_blocks and site_ids is not None and "group" not in asked:
            # So that it can be narrowed to its sites before the blocks come in; with an owner the index of owners does so.
            rows = rows.filter(dataset_replica__site_id__in=site_ids)
        return rare.collected(queryset, rows)

    def _is_rare(self, asked: dict[str, Any], site_ids: list[int] | None) -> bool:
        if asked.get("is_complete") is False and rare.incomplete_are_rare():
            return True
        # Of one column alone PostgreSQL knows itself how many there are.
        if len(asked.keys() & {"site", "group", "tier", "status", "storage_type"}) < 2:
            return False
        return rare.meet_rarely(
            condition=conditions.owned_by(asked["group"]) if self.owns_blocks and "group" in asked else Q(),
            site_ids=site_ids,
            tier=asked.get("tier", ""),
            status=asked.get("status", ""),
        )


def _sites_asked(asked: dict[str, Any]) -> list[int]:
    sites = Site.objects.order_by("pk").filter(name__wildcard=asked.get("site", "*"))
    if "storage_type" in asked:
        sites = sites.filter(storage_type=asked["storage_type"])
    return list(sites.values_list("pk", flat=True))


class SiteFilterSet(_FilterSet):
    name = WildcardFilter()
    is_paused = YesNoFilter("deletion_paused_at", "isnull", exclude=True, label="deletions paused")

    class Meta(_FilterSet.Meta):
        model = Site
        fields = ["name", "status", "storage_type"]


class GroupFilterSet(_FilterSet):
    name = WildcardFilter()

    class Meta(_FilterSet.Meta):
        model = Group
        fields = ["name", "ownership_level"]


class DatasetFilterSet(_FilterSet):
    name = WildcardFilter()
    tier = WildcardFilter(help_text="The last part of the name.")
    release = WildcardFilter()
    site = filters.CharFilter(method="at_site", help_text="Has a copy at this site; a name or a pattern.")
    group = filters.CharFilter(method="of_group", help_text="A block of it belongs to this group; None: nobody.")
    min_size = SizeFilter("size_bytes", "gte", label="size at least", help_text="Bytes, or with a unit: 1.5 TB.")
    max_size = SizeFilter("size_bytes", "lte", label="size at most")
    min_size_bytes = filters.NumberFilter("size_bytes", "gte")
    max_size_bytes = filters.NumberFilter("size_bytes", "lte")
    updated_before = MomentFilter("last_update", "lt")
    updated_after = MomentFilter("last_update", "gt")
    min_age_days = days("older than (days)", "older")
    max_age_days = days("younger than (days)", "younger")
    not_accessed_days = days("not accessed for (days)", "unused")
    accessed_after = MomentFilter("facts__last_access_at", "gt")
    min_accesses = filters.NumberFilter("facts__num_accesses", "gte")
    max_accesses = filters.NumberFilter(method="seldom")
    min_copies = filters.NumberFilter(method="many", label="copies at least", min_value=0, max_value=10_000)
    max_copies = filters.NumberFilter(method="few", label="copies at most", min_value=0, max_value=10_000)
    is_complete = YesNoFilter(method="complete", label="a complete copy", help_text="Has all blocks and files at one site.")
    is_locked = YesNoFilter(method="locked", label="locked", help_text="A lock in force names it.")
    is_on_tape = YesNoFilter(method="tape", label="on tape")

    class Meta(_FilterSet.Meta):
        model = Dataset
        fields = ["name", "tier", "status", "data_type", "is_open", "release"]

    def at_site(self, rows: Rows, _: str, pattern: str) -> Rows:
        return rows.filter(conditions.dataset_at_sites(conditions.sites_named(pattern)))

    def of_group(self, rows: Rows, _: str, pattern: str) -> Rows:
        return rows.filter(conditions.dataset_owned_by(pattern))

    def older(self, rows: Rows, _: str, number: Any) -> Rows:
        return rows.filter(last_update__lt=timezone.now() - timedelta(days=float(number)))

    def younger(self, rows: Rows, _: str, number: Any) -> Rows:
        return rows.filter(last_update__gt=timezone.now() - timedelta(days=float(number)))

    def unused(self, rows: Rows, _: str, number: Any) -> Rows:
        now = timezone.now()
        known = Q(facts__last_access_at__lt=now - timedelta(days=float(number)))
        return rows.filter(conditions.known_or_never("facts__last_access_at", known, feed=FactFeedName.POPULARITY, now=now))

    def seldom(self, rows: Rows, _: str, number: Any) -> Rows:
        known = Q(facts__num_accesses__lte=number)
        return rows.filter(
            conditions.known_or_never("facts__num_accesses", known, feed=FactFeedName.POPULARITY, now=timezone.now())
        )

    def many(self, rows: Rows, _: str, number: Any) -> Rows:
        return rows.filter(conditions.has_copies(at_least=int(number)))

    def few(self, rows: Rows, _: str, number: Any) -> Rows:
        return rows.filter(conditions.has_copies(at_most=int(number)))

    def complete(self, rows: Rows, _: str, wanted: bool) -> Rows:
        if wanted:
            return rows.filter(conditions.dataset_is_complete())
        return rows.filter(conditions.as_counted(num_complete_copies=0), ~conditions.dataset_is_complete())

    def locked(self, rows: Rows, _: str, wanted: bool) -> Rows:
        is_locked = conditions.locked(timezone.now(), dataset="name")
        return rows.filter(is_locked if wanted else ~is_locked)

    def tape(self, rows: Rows, _: str, wanted: bool) -> Rows:
        return rows.filter(conditions.dataset_on_tape() if wanted else ~conditions.dataset_on_tape())


class BlockFilterSet(_FilterSet):
    dataset = OfDatasetsFilter("dataset", "name")
    tier = OfDatasetsFilter("dataset", "tier")
    name = WildcardFilter()
    min_size = SizeFilter("size_bytes", "gte", label="size at least")
    max_size = SizeFilter("size_bytes", "lte", label="size at most")

    class Meta(_FilterSet.Meta):
        model = Block
        fields = ["dataset", "tier", "name", "is_open"]


class FileFilterForm(forms.Form):
    """Refuses to look through every file for what may stand anywhere in its name."""

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        lfn = cleaned.get("lfn") or ""
        if lfn[:1] in ("*", "?") and not cleaned.get("dataset"):
            raise forms.ValidationError(
                {"lfn": "A name that begins with a wildcard is looked for in one dataset only: give the beginning, or dataset."}
            )
        return cleaned


class FileFilterSet(_FilterSet):
    dataset = OfDatasetsFilter("block__dataset", "name")
    block = WildcardFilter("block__name")
    lfn = WildcardFilter()
    min_size = SizeFilter("size_bytes", "gte", label="size at least")
    max_size = SizeFilter("size_bytes", "lte", label="size at most")

    class Meta(_FilterSet.Meta):
        model = File
        fields = ["dataset", "block", "lfn"]
        form = FileFilterForm


class DatasetReplicaFilterSet(_ByPlaceAndOwner):
    dataset = OfDatasetsFilter("dataset", "name")
    tier = OfDatasetsFilter("dataset", "tier")
    status = filters.ChoiceFilter(field_name="dataset__status", choices=DatasetStatus.choices)
    storage_type = filters.ChoiceFilter(field_name="site__storage_type", choices=StorageType.choices)
    is_complete = YesNoFilter(method="complete", label="complete")
    is_locked = YesNoFilter(method="locked", label="locked", help_text="A lock in force holds at least a part of it.")

    class Meta(_FilterSet.Meta):
        model = DatasetReplica
        fields = ["dataset", "tier", "site", "group", "is_growing"]

    def complete(self, rows: Rows, _: str, wanted: bool) -> Rows:
        if wanted:
            return rows.filter(conditions.copy_is_complete())
        return rows.filter(conditions.copy_counted_incomplete("pk"), ~conditions.copy_is_complete())

    def locked(self, rows: Rows, _: str, wanted: bool) -> Rows:
        is_locked = conditions.locked(timezone.now(), dataset="dataset__name", site="site__name")
        return rows.filter(is_locked if wanted else ~is_locked)


class BlockReplicaFilterSet(_ByPlaceAndOwner):
    # By way of the replica of the dataset, of which there are fewer than of its blocks.
    dataset = OfDatasetsFilter("dataset_replica__dataset", "name")
    block = WildcardFilter("block__name")
    tier = OfDatasetsFilter("dataset_replica__dataset", "tier")
    status = filters.ChoiceFilter(field_name="dataset_replica__dataset__status", choices=DatasetStatus.choices)
    storage_type = filters.ChoiceFilter(field_name="site__storage_type", choices=StorageType.choices)
    min_size = SizeFilter("size_bytes", "gte", label="size at least")
    max_size = SizeFilter("size_bytes", "lte", label="size at most")
    is_complete = YesNoFilter(method="complete", label="complete")
    is_locked = YesNoFilter(method="locked", label="locked")
    owns_blocks = True

    class Meta(_FilterSet.Meta):
        model = BlockReplica
        fields = ["dataset", "block", "tier", "site", "group", "is_custodial"]

    def complete(self, rows: Rows, _: str, wanted: bool) -> Rows:
        if wanted:
            return rows.filter(conditions.IS_WHOLE)
        return rows.filter(conditions.copy_counted_incomplete("dataset_replica_id")).exclude(conditions.IS_WHOLE)

    def locked(self, rows: Rows, _: str, wanted: bool) -> Rows:
        is_locked = conditions.locked(
            timezone.now(), dataset="block__dataset__name", block="block__name", site="site__name", group="group__name"
        )
        return rows.filter(is_locked if wanted else ~is_locked)


class LockFilterSet(_FilterSet):
    dataset_pattern = WildcardFilter(help_text="The pattern itself; * in it is a wildcard, too.")
    holds_dataset = filters.CharFilter(method="filter_holds_dataset", help_text="A dataset that its pattern fits.")
    state = filters.ChoiceFilter(choices=LockState.choices, method="filter_state", help_text="In force now, or over.")
    lock_set = filters.CharFilter("lock_set__name", help_text="Name of the set that it came with.")
    expires_before = MomentFilter("expires_at", "lt")
    is_released = YesNoFilter("released_at", "isnull", exclude=True)
    holdings = YesNoFilter(method="filter_nothing", help_text="Count what each lock of the page holds.")

    class Meta(_FilterSet.Meta):
        model = Lock
        fields = ["dataset_pattern", "owner", "source"]

    def filter_state(self, queryset: QuerySet[Lock], name: str, value: str) -> QuerySet[Lock]:
        in_force = in_force_at(timezone.now())
        return queryset.filter(in_force) if value == LockState.IN_FORCE else queryset.exclude(in_force)

    def filter_nothing(self, queryset: QuerySet[Lock], name: str, value: bool) -> QuerySet[Lock]:
        return queryset

    def filter_holds_dataset(self, queryset: QuerySet[Lock], name: str, value: str) -> QuerySet[Lock]:
        return queryset.filter(on_dataset(value))


class FactFeedFilterSet(_FilterSet):
    class Meta(_FilterSet.Meta):
        model = FactFeed
        fields = ["name"]


class InjectionFilterSet(_FilterSet):
    class Meta(_FilterSet.Meta):
        model = Injection
        fields = ["state", "started_by"]


class AuditEventFilterSet(_FilterSet):
    actor = WildcardFilter(label="person", help_text="Login, or the part of the system that acted: worker *, schedule.")
    action = WildcardFilter(help_text="Name of the act, as policies.plan_release or inventory.*.")
    subject = WildcardFilter(label="object", help_text="What was acted on: a dataset, site *, plan 12*, campaign 3*.")
    since = MomentFilter("at", "gte")
    before = MomentFilter("at", "lt")

    class Meta(_FilterSet.Meta):
        model = AuditEvent
        fields = ["actor", "action", "subject"]
