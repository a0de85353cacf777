"""What the sweeper sets right: leases of dead workers, plans whose wake-up was lost, plans that are over, dead injections."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from random import Random

from django.db import transaction
from django.db.models import Exists, OuterRef

from inventory.services.audit import Actor, audit_record
from inventory.services.injection_jobs import documents_sweep
from inventory.services.injections import injections_sweep
from inventory.services.turns import attempt
from operations.choices import DeletionState
from operations.exceptions import PlanAlteredError
from operations.models import Attempt, Deletion, QueuedPlan
from operations.selectors.queued_plans import plans_outside_queue
from operations.services.bulk import rows_update
from operations.services.clean_ups import clean_ups_sweep
from operations.services.deletion_requests import deletion_requests_sweep
from operations.services.invalidations import invalidations_sweep
from operations.services.limits import QueueLimits
from operations.services.queue import plan_enqueue
from operations.services.trash_keeping import trash_hurry, trash_settle
from operations.services.trash_lease import trash_leases_take_back
from policies.selectors.plans import executable_plans
from policies.services.plans import plan_finish

logger = logging.getLogger(__name__)

ACTOR = Actor(name="sweeper")

#: Leases that one transaction takes back.
BATCH_SIZE = 500

#: From this many dead workers in a row on, a deletion waits before the next try: it may be what kills them.
PATIENCE = 3


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep did: leases taken back, plans put into the queue, plans that are over."""

    num_leases: int
    plans_enqueued: tuple[int, ...]
    plans_over: tuple[int, ...]


def sweep(*, now: datetime, limits: QueueLimits, rng: Random) -> Swept:
    """Set right what crashes and lost messages left behind. Safe to run at any time, in any number at once.

    Nothing that fails keeps the rest from its turn; all of it is raised at the end, as one ``ExceptionGroup``.
    """
    failures: list[Exception] = []
    turn = partial(attempt, failures)
    num_leases = turn("leases of deletions", partial(leases_take_back, now=now, limits=limits, rng=rng)) or 0
    num_leases += turn("leases of trash", partial(trash_leases_take_back, now=now)) or 0
    turn("trash that is complete", partial(trash_settle, now=now, limits=limits))
    turn("trash of full sites", partial(trash_hurry, now=now, limits=limits))
    enqueued = _enqueue_missed(now, failures)
    over = turn("plans that are over", partial(_finish_plans, now)) or ()
    turn("invalidations", partial(invalidations_sweep, now=now))
    turn("deletion requests", partial(deletion_requests_sweep, now=now))
    turn("clean-ups", partial(clean_ups_sweep, now=now))
    turn("injections", partial(injections_sweep, now=now))
    turn("documents of injections", partial(documents_sweep, now=now))
    if failures:
        raise ExceptionGroup("not everything that crashes left behind could be set right", failures)
    return Swept(num_leases, enqueued, over)


def leases_take_back(*, now: datetime, limits: QueueLimits, rng: Random) -> int:
    """Put deletions whose lease ran out back into the queue; their attempt stays unrecorded. Return how many."""
    total = 0
    while True:
        with transaction.atomic():
            rows = list(
                Deletion.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
                .filter(state=DeletionState.ACTING, lease_until__lt=now)
                .order_by("pk")[:BATCH_SIZE]
            )
            if not rows:
                return total
            deaths = _deaths_in_row(rows)
            for row in rows:
                row.state = DeletionState.QUEUED
                row.reason = f"worker {row.worker} did not report back from attempt {row.num_attempts}"
                row.lease_token = None
                row.lease_until = None
                extra = deaths[row.pk] - PATIENCE
                row.not_before = now + limits.back_off(extra, rng) if extra > 0 else None
            rows_update(rows, ["state", "reason", "lease_token", "lease_until", "not_before"])
            workers = Counter(row.worker for row in rows)
            audit_record(
                actor=ACTOR,
                action="operations.leases_taken_back",
                subject="expired leases",
                details={"block_replicas": len(rows), "workers": dict(workers.most_common(20))},
            )
        total += len(rows)
        logger.warning("took back %s expired leases of %s", len(rows), ", ".join(sorted(workers)))


def _deaths_in_row(rows: Sequence[Deletion]) -> Counter[int]:
    """Return for each deletion how many attempts were not recorded since the last that was."""
    deaths: Counter[int] = Counter()
    attempts = Attempt.objects.filter(deletion_id__in=[row.pk for row in rows]).order_by("deletion_id", "number")
    for deletion_id, recorded_at in attempts.values_list("deletion_id", "recorded_at"):
        deaths[deletion_id] = 0 if recorded_at is not None else deaths[deletion_id] + 1
    return deaths


def _enqueue_missed(now: datetime, failures: list[Exception]) -> tuple[int, ...]:
    """Put released plans into the queue whose wake-up was lost, or whose worker was killed half-way."""
    enqueued: list[int] = []
    for plan_id in plans_outside_queue():
        if attempt(failures, f"queueing of plan {plan_id}", partial(_enqueue, plan_id, now)):
            enqueued.append(plan_id)
    return tuple(enqueued)


def _enqueue(plan_id: int, now: datetime) -> bool:
    try:
        plan_enqueue(plan_id, now=now)
    except PlanAlteredError as error:
        logger.warning("%s", error, extra={"plan_id": plan_id})
        return False
    return True


def _finish_plans(now: datetime) -> tuple[int, ...]:
    """Close plans of which nothing is left to do. A deletion that waits for a person keeps its plan open."""
    open_plans = list(QueuedPlan.objects.filter(over_at__isnull=True).order_by("plan_id").values_list("plan_id", flat=True))
    executable = executable_plans(open_plans)
    over: list[int] = []
    for plan_id in open_plans:
        if plan_id not in executable:
            _drop_waiting(plan_id, now)
        if _finish(plan_id, is_released=plan_id in executable, now=now):
            over.append(plan_id)
    return tuple(over)


def _drop_waiting(plan_id: int, now: datetime) -> None:
    """Drop what still waits untouched of a plan that is not released any more; what has been begun fails, for a person to see."""
    with transaction.atomic():
        begun = Exists(Attempt.objects.filter(deletion_id=OuterRef("pk"), may_have_deleted=True))
        waiting = Deletion.objects.filter(plan_id=plan_id, state=DeletionState.QUEUED)
        reason = f"plan {plan_id} is not released any more"
        failed = waiting.filter(begun).update(
            state=DeletionState.FAILED, reason=f"{reason}; but files of it may be gone already", not_before=None
        )
        dropped = waiting.update(state=DeletionState.DROPPED, reason=reason, finished_at=now, not_before=None)
        if failed or dropped:
            audit_record(
                actor=ACTOR,
                action="operations.dropped_out",
                subject=f"plan {plan_id}",
                reason=reason,
                details={"block_replicas": dropped, "needs_a_person": failed},
            )


def _finish(plan_id: int, *, is_released: bool, now: datetime) -> bool:
    with transaction.atomic():
        queued = QueuedPlan.objects.select_for_update(no_key=True).get(plan_id=plan_id)
        open_states = (DeletionState.QUEUED, DeletionState.ACTING, DeletionState.FAILED)
        if queued.over_at is not None or Deletion.objects.filter(plan_id=plan_id, state__in=open_states).exists():
            return False
        if is_released and not queued.is_complete:
            return False
        queued.over_at = now
        queued.save(update_fields=["over_at"])
        if is_released:
            plan_finish(plan_id=plan_id)
    return True
