"""Policies as the database keeps them: definitions, immutable versions, cycles and frozen plans."""

from policies.models.comparisons import Comparison
from policies.models.cycles import Cycle, CycleRule, CycleSite
from policies.models.partitions import Guardrail, Partition, Quota, WaitingQuota
from policies.models.plans import Plan, PlanItem, PlanItemFile
from policies.models.policies import Policy, PolicyVersion
from policies.models.quota_previews import QuotaPreview
from policies.models.readings import StorageReading

__all__ = [
    "Comparison",
    "Cycle",
    "CycleRule",
    "CycleSite",
    "Guardrail",
    "Partition",
    "Plan",
    "PlanItem",
    "PlanItemFile",
    "Policy",
    "PolicyVersion",
    "Quota",
    "QuotaPreview",
    "StorageReading",
    "WaitingQuota",
]
