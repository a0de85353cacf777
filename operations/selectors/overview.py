"""Read models of the queue for screens: what is under way per site, how far plans are, what became of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, Q, Sum

from operations.choices import DeletionState
from operations.models import Deletion


@dataclass(frozen=True, slots=True)
class PlanProgress:
    """How far a plan is, in block replicas and bytes."""

    num_total: int
    num_done: int
    num_open: int
    num_dropped: int
    num_failed: int
    bytes_total: int
    bytes_done: int


@dataclass(frozen=True, slots=True)
class DatasetDeletion:
    """Deletions of a dataset at a site in one plan, summed over its blocks, by state."""

    plan_id: int
    site_name: str
    state: str
    state_text: str
    num_blocks: int
    size_bytes: int
    finished_at: datetime | None
    first_key: int


def deleted_bytes_of_plans(plan_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """Return plan -> site -> bytes deleted so far; sites with none are absent. One query."""
    rows = (
        Deletion.objects.filter(plan_id__in=plan_ids, state=DeletionState.DONE)
        .order_by()
        .values_list("plan_id", "site_name")
        .annotate(total=Sum("size_bytes"))
    )
    done: dict[int, dict[str, int]] = {}
    for plan_id, site, total in rows:
        done.setdefault(plan_id, {})[site] = total
    return done


def plan_progress(plan_id: int) -> PlanProgress:
    """Return how far the plan is; all zero before it is queued."""
    state = {s: Q(state=s) for s in DeletionState}
    sums = Deletion.objects.filter(plan_id=plan_id).aggregate(
        num_total=Count("pk"),
        num_done=Count("pk", filter=state[DeletionState.DONE]),
        num_open=Count("pk", filter=state[DeletionState.QUEUED] | state[DeletionState.ACTING]),
        num_dropped=Count("pk", filter=state[DeletionState.DROPPED]),
        num_failed=Count("pk", filter=state[DeletionState.FAILED]),
        bytes_total=Sum("size_bytes", default=0),
        bytes_done=Sum("size_bytes", filter=state[DeletionState.DONE], default=0),
    )
    return PlanProgress(**sums)


def dataset_deletions(dataset_name: str, *, limit: int = 200) -> list[DatasetDeletion]:
    """Return what became of the dataset's block replicas in the queue, newest plan first."""
    rows = (
        Deletion.objects.filter(dataset_name=dataset_name)
        .order_by()
        .values("plan_id", "site_name", "state")
        .annotate(blocks=Count("pk"), size=Sum("size_bytes"), finished=Max("finished_at"), first=Min("pk"))
        .order_by("-plan_id", "site_name", "state")[:limit]
    )
    return [
        DatasetDeletion(
            plan_id=row["plan_id"],
            site_name=row["site_name"],
            state=row["state"],
            state_text=DeletionState(row["state"]).label,
            num_blocks=row["blocks"],
            size_bytes=row["size"],
            finished_at=row["finished"],
            first_key=row["first"],
        )
        for row in rows
    ]
