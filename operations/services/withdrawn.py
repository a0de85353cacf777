"""What is taken back while a worker deletes it: a plan that is discarded, a campaign that is paused, expired or void."""

from __future__ import annotations

from datetime import datetime

from campaigns.selectors.execution import campaigns_standing
from operations.services.claim import Claim
from policies.selectors.plans import executable_plans


def withdrawn(claim: Claim, now: datetime) -> str:
    """Return why what a claim holds is not to be deleted any more, by the word of those who decided it; empty if it is.

    Exceptions are decided before a campaign is carried out: none can come meanwhile.
    """
    plans = sorted({item.plan_id for item in claim.items})
    released = executable_plans(plans)
    for plan_id in plans:
        if plan_id not in released:
            return f"plan {plan_id} is not released any more"
    return next((one.hold for one in campaigns_standing(plans, now=now).values() if one.hold), "")
