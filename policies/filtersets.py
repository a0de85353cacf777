"""Filters of the lists of policies, cycles and plans. Text filters take ``*`` and ``?``."""

from __future__ import annotations

import django_filters as filters

from inventory.selectors.moments import MomentFilter
from policies.models import Comparison, Cycle, Guardrail, Partition, Plan, PlanItem, Policy, PolicyVersion, Quota, QuotaPreview


class PartitionFilterSet(filters.FilterSet):
    name = filters.CharFilter(lookup_expr="wildcard")

    class Meta:
        model = Partition
        fields = ["name"]


class QuotaFilterSet(filters.FilterSet):
    partition = filters.CharFilter("partition__name")
    site = filters.CharFilter("site__name", lookup_expr="wildcard")

    class Meta:
        model = Quota
        fields = ["partition", "site"]


class GuardrailFilterSet(filters.FilterSet):
    partition = filters.CharFilter("partition__name")

    class Meta:
        model = Guardrail
        fields = ["name", "partition", "is_protecting", "is_enabled"]


class PolicyFilterSet(filters.FilterSet):
    name = filters.CharFilter(lookup_expr="wildcard")
    partition = filters.CharFilter("partition__name")

    class Meta:
        model = Policy
        fields = ["name", "partition", "is_enabled"]


class PolicyVersionFilterSet(filters.FilterSet):
    policy = filters.CharFilter("policy__name")
    is_active = filters.BooleanFilter("active_for", "isnull", exclude=True)

    class Meta:
        model = PolicyVersion
        fields = ["policy", "number"]


class CycleFilterSet(filters.FilterSet):
    partition = filters.CharFilter("partition__name")
    policy = filters.CharFilter("policy_version__policy__name")
    since = MomentFilter("started_at", "gte")
    before = MomentFilter("started_at", "lt")

    class Meta:
        model = Cycle
        fields = ["partition", "policy", "kind", "state"]


class PlanFilterSet(filters.FilterSet):
    partition = filters.CharFilter("partition__name")

    class Meta:
        model = Plan
        fields = ["kind", "partition", "state", "cycle"]


class PlanItemFilterSet(filters.FilterSet):
    site = filters.CharFilter("site_name", lookup_expr="wildcard")
    dataset = filters.CharFilter("dataset_name", lookup_expr="wildcard")

    class Meta:
        model = PlanItem
        fields = ["plan", "site", "dataset", "action", "line"]


class ComparisonFilterSet(filters.FilterSet):
    partition = filters.CharFilter("partition__name")

    class Meta:
        model = Comparison
        fields = ["partition", "state", "old_cycle", "new_cycle", "started_by"]


class QuotaPreviewFilterSet(filters.FilterSet):
    class Meta:
        model = QuotaPreview
        fields = ["state", "started_by"]
