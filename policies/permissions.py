"""Who may do what with policies: object permission (guardian) or the same right on all objects (a role)."""

from __future__ import annotations

from inventory.services.rights import require

SET_QUOTA = "policies.set_quota"
RELEASE_PLAN = "policies.release_plan"
ADD_PARTITION = "policies.add_partition"
CHANGE_PARTITION = "policies.change_partition"
VIEW_PARTITION = "policies.view_partition"
VIEW_POLICY = "policies.view_policy"
CHANGE_POLICY = "policies.change_policy"
ACTIVATE_POLICY = "policies.activate_policy"
RUN_POLICY = "policies.run_policy"
CHANGE_GUARDRAIL = "policies.change_guardrail"

__all__ = [
    "ACTIVATE_POLICY",
    "ADD_PARTITION",
    "CHANGE_GUARDRAIL",
    "CHANGE_PARTITION",
    "CHANGE_POLICY",
    "RELEASE_PLAN",
    "RUN_POLICY",
    "SET_QUOTA",
    "VIEW_PARTITION",
    "require",
]
