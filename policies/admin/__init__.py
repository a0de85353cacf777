"""Admin of the policies: definitions, versions, cycles and plans."""

from policies.admin import comparisons, cycles, partitions, plans, policies, quota_previews, quotas

__all__ = ["comparisons", "cycles", "partitions", "plans", "policies", "quota_previews", "quotas"]
