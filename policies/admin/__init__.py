"""Admin of the policies: definitions, versions, cycles and plans."""

from policies.admin import cycles, partitions, plans, policies, quotas

__all__ = ["cycles", "partitions", "plans", "policies", "quotas"]
