"""Filters of the lists of deletions. Text filters take ``*`` and ``?``."""

from __future__ import annotations

import django_filters as filters
from django.db.models import QuerySet

from inventory.filtersets import YesNoFilter
from inventory.selectors.moments import MomentFilter
from operations.models import (
    Attempt,
    CleanUp,
    Deletion,
    DeletionFile,
    DeletionRequest,
    Invalidation,
    ScanFinding,
    StorageScan,
    Trash,
    TrashFile,
)

#: No row has a larger primary key.
LARGEST_KEY = 2**63 - 1


class DeletionFilterSet(filters.FilterSet):
    site = filters.CharFilter("site_name", lookup_expr="wildcard")
    dataset = filters.CharFilter("dataset_name", lookup_expr="wildcard")
    finished_since = MomentFilter("finished_at", "gte")
    finished_before = MomentFilter("finished_at", "lt")

    class Meta:
        model = Deletion
        fields = ["plan", "site", "dataset", "state"]


class AttemptFilterSet(filters.FilterSet):
    class Meta:
        model = Attempt
        fields = ["deletion", "outcome"]


class DeletionFileFilterSet(filters.FilterSet):
    lfn = filters.CharFilter(lookup_expr="wildcard")

    class Meta:
        model = DeletionFile
        fields = ["deletion", "outcome", "lfn"]


class InvalidationFilterSet(filters.FilterSet):
    class Meta:
        model = Invalidation
        fields = ["state", "plan"]


class DeletionRequestFilterSet(filters.FilterSet):
    class Meta:
        model = DeletionRequest
        fields = ["state", "plan", "requested_by_name"]


class TrashFilterSet(filters.FilterSet):
    plan = filters.NumberFilter("deletion__plan_id", min_value=0, max_value=LARGEST_KEY)
    site = filters.CharFilter("site_name", lookup_expr="wildcard")
    dataset = filters.CharFilter("dataset_name", lookup_expr="wildcard")
    purge_before = MomentFilter("purge_after", "lt")

    class Meta:
        model = Trash
        fields = ["deletion", "state"]


class TrashFileFilterSet(filters.FilterSet):
    lfn = filters.CharFilter(lookup_expr="wildcard")

    class Meta:
        model = TrashFile
        fields = ["trash", "outcome", "lfn"]


class StorageScanFilterSet(filters.FilterSet):
    site = filters.CharFilter("site_name", lookup_expr="wildcard")

    class Meta:
        model = StorageScan
        fields = ["site", "state"]


class ScanFindingFilterSet(filters.FilterSet):
    scan = filters.NumberFilter("scan_id", label="number of the scan", min_value=0, max_value=LARGEST_KEY)
    path = filters.CharFilter(lookup_expr="wildcard")
    dataset = filters.CharFilter("dataset_name", lookup_expr="wildcard")
    modified_before = MomentFilter("modified_at", "lt")
    first_seen_before = MomentFilter("first_seen_at", "lt")
    has_problem = YesNoFilter(method="of_problem", label="can never be cleaned up")

    def of_problem(self, rows: QuerySet[ScanFinding], name: str, wanted: bool) -> QuerySet[ScanFinding]:
        return rows.exclude(problem="") if wanted else rows.filter(problem="")

    class Meta:
        model = ScanFinding
        fields = ["scan", "kind", "state", "path", "dataset"]


class CleanUpFilterSet(filters.FilterSet):
    class Meta:
        model = CleanUp
        fields = ["scan", "site_name", "state", "plan"]
