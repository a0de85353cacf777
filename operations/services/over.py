"""Plans that are over: whose end closes what asked for them, with a report of what became of each item."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet, Sum

from operations.choices import DeletionState
from operations.models import Deletion
from operations.services.audit_details import reason_counts
from policies.choices import PlanState


@dataclass(frozen=True, slots=True)
class OverPlan:
    """A row whose plan is over; ``is_discarded``: somebody gave the plan up, before or while it was carried out."""

    row_key: int
    plan_id: int
    is_discarded: bool


def plans_over(rows: QuerySet[Any]) -> list[OverPlan]:
    """Return those of *rows*, each with a ``plan``, of whose plan nothing is left to do, by key. One query."""
    is_carried_out = Q(plan__queued__over_at__isnull=False)
    is_given_up = Q(plan__state=PlanState.DISCARDED, plan__queued__isnull=True)
    found = rows.filter(is_carried_out | is_given_up).order_by("pk").values_list("pk", "plan_id", "plan__state")
    return [OverPlan(pk, plan_id, state == PlanState.DISCARDED) for pk, plan_id, state in found]


def plan_report(plan_id: int) -> dict[str, Any]:
    """Return what became of a plan's items: block replicas and bytes by outcome, and why some stayed."""
    of_plan = Deletion.objects.filter(plan_id=plan_id)
    sums = of_plan.order_by().values("state").annotate(number=Count("pk"), size=Sum("size_bytes"), deleted=Sum("bytes_deleted"))
    by_state = {
        DeletionState(row["state"]).label: {
            "block_replicas": row["number"],
            "bytes": row["deleted"] if row["state"] == DeletionState.DONE else row["size"],
        }
        for row in sums
    }
    stayed = of_plan.filter(state=DeletionState.DROPPED).values_list("reason", flat=True)
    return {"outcomes": by_state, "stayed": reason_counts(stayed.iterator())["reasons"]}
