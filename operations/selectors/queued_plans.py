"""How far released plans have come into the queue."""

from __future__ import annotations

from operations.models import QueuedPlan
from policies.selectors.plans import released_plan_ids


def plans_outside_queue() -> list[int]:
    """Return the released plans that are not in the queue, or not to their end, and were not refused; oldest first."""
    released = released_plan_ids()
    settled = QueuedPlan.objects.filter(plan_id__in=released).exclude(is_complete=False, refused_reason="")
    inside = set(settled.values_list("plan_id", flat=True))
    return [plan_id for plan_id in released if plan_id not in inside]
