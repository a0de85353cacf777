"""Read models of the queue for screens: what is under way per site, how far plans are, what became of a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, Q, Sum

from operations.choices import DeletionState, TrashState
from operations.models import Deletion, Trash


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


@dataclass(frozen=True, slots=True)
class ReplicaDeletion:
    """What became of one dataset at one site in one plan.

    Counts are of block replicas; ``reason``: of the latest that was dropped or failed; ``restorable_until``: when the first of
    what lies in the trash goes for good, None where nothing of it does.
    """

    num_blocks: int
    num_done: int
    num_dropped: int
    num_failed: int
    done_at: datetime | None
    reason: str
    first_key: int
    restorable_until: datetime | None

    @property
    def is_done(self) -> bool:
        return self.num_done == self.num_blocks


def replica_deletion(*, plan_id: int, dataset_name: str, site_name: str) -> ReplicaDeletion | None:
    """Return what became of a dataset at a site in a plan, None where nothing of it was queued; three queries."""
    rows = Deletion.objects.filter(plan_id=plan_id, dataset_name=dataset_name, site_name=site_name)
    state = {s: Q(state=s) for s in DeletionState}
    found = rows.aggregate(
        num_blocks=Count("pk"),
        num_done=Count("pk", filter=state[DeletionState.DONE]),
        num_dropped=Count("pk", filter=state[DeletionState.DROPPED]),
        num_failed=Count("pk", filter=state[DeletionState.FAILED]),
        done_at=Max("finished_at", filter=state[DeletionState.DONE]),
        first_key=Min("pk"),
    )
    if not found["num_blocks"]:
        return None
    stopped = rows.filter(state[DeletionState.DROPPED] | state[DeletionState.FAILED]).order_by("-finished_at", "-pk")
    kept = Trash.objects.filter(deletion__in=rows, state=TrashState.KEPT).aggregate(until=Min("purge_after"))
    reason = stopped.values_list("reason", flat=True).first() or ""
    return ReplicaDeletion(**found, reason=reason, restorable_until=kept["until"])


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
