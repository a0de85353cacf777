"""From a released plan to rows of the queue: each item once, in order, however often the worker that does it is killed."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from inventory.exceptions import NotFound
from inventory.selectors.replicas import BlockReplicaRow, block_replicas_by_key
from inventory.services.audit import Actor, audit_record
from inventory.services.replicas import block_replicas_hand_over
from operations.choices import DeletionState
from operations.constants import NOBODY
from operations.exceptions import PlanAlteredError
from operations.models import Attempt, Deletion, QueuedPlan
from operations.services.audit_details import reason_counts
from policies.choices import PlanAction
from policies.selectors.plans import (
    PlannedItem,
    executable_plans,
    partition_superseded_in,
    plan_digest_matches,
    plan_items,
)

logger = logging.getLogger(__name__)

#: Items that one transaction takes up: short enough that claims at the same time do not wait long.
BATCH_SIZE = 2000

ACTOR = Actor(name="queue")

_HOLDING_STATES = (DeletionState.QUEUED, DeletionState.ACTING, DeletionState.FAILED)


@dataclass(frozen=True, slots=True)
class EnqueueOutcome:
    """What has become of a plan's items in the queue so far; ``problem`` says why nothing (more) is taken up."""

    plan_id: int
    is_complete: bool
    num_queued: int
    num_dropped: int
    num_handed_over: int
    problem: str = ""


def plan_enqueue(plan_id: int, *, now: datetime | None = None) -> EnqueueOutcome:
    """Put the items of a released plan into the queue; what is there already stays as it is.

    Hand-overs are applied here. Older plans of the same partition give way: what of them waits untouched is dropped, what
    has been begun goes on. Takes short transactions, one per ``BATCH_SIZE`` items; killed in between, the next call goes on
    where the last one was committed. A plan that a newer one of its partition has overtaken drops out as a whole.

    Raises ``PlanAlteredError`` when the items do not match the plan's digest: then nothing is taken up.
    """
    at = now or timezone.now()
    queued, _ = QueuedPlan.objects.get_or_create(plan_id=plan_id, defaults={"started_at": at})
    if queued.is_complete or queued.refused_reason:
        return _outcome(queued)
    if not plan_digest_matches(plan_id):
        raise _refusal(plan_id)
    if not _newer_plan(plan_id):
        _supersede_older(plan_id, at)
    while not queued.is_complete:
        with transaction.atomic():
            queued = QueuedPlan.objects.select_for_update(no_key=True).get(plan_id=plan_id)
            if queued.is_complete:
                break
            if plan_id not in executable_plans([plan_id]):
                return _outcome(queued, problem=f"plan {plan_id} is not released (any more)")
            _take_up(queued, at)
    logger.info("plan %s is in the queue: %s block replicas", plan_id, queued.num_queued, extra={"plan_id": plan_id})
    return _outcome(queued)


def _outcome(queued: QueuedPlan, problem: str = "") -> EnqueueOutcome:
    return EnqueueOutcome(
        plan_id=queued.plan_id,
        is_complete=queued.is_complete,
        num_queued=queued.num_queued,
        num_dropped=queued.num_dropped,
        num_handed_over=queued.num_handed_over,
        problem=problem or queued.refused_reason,
    )


def _refusal(plan_id: int) -> PlanAlteredError:
    """Note once that a plan was altered, for the sweeper and the audit trail, and return the error."""
    error = PlanAlteredError(plan_id)
    with transaction.atomic():
        queued = QueuedPlan.objects.select_for_update(no_key=True).get(plan_id=plan_id)
        if not queued.refused_reason:
            queued.refused_reason = str(error)[:512]
            queued.save(update_fields=["refused_reason"])
            audit_record(actor=ACTOR, action="operations.plan_refused", subject=f"plan {plan_id}", reason=str(error))
    logger.error("plan %s was altered after it was frozen", plan_id, extra={"plan_id": plan_id})
    return error


def _newer_plan(plan_id: int) -> int:
    """Return the newest plan that takes the place of this one (a later cycle's, same partition) and is queued, 0 if none does."""
    partition = partition_superseded_in(plan_id)
    if partition is None:
        return 0
    for newer in QueuedPlan.objects.filter(plan_id__gt=plan_id).order_by("-plan_id").values_list("plan_id", flat=True):
        if partition_superseded_in(newer) == partition:
            return newer
    return 0


def _supersede_older(plan_id: int, at: datetime) -> None:
    """Drop what waits untouched of the partition's older cycles: the new plan was made from a newer inventory."""
    partition = partition_superseded_in(plan_id)
    if partition is None:
        return
    under_way = QueuedPlan.objects.filter(plan_id__lt=plan_id, over_at__isnull=True).order_by("plan_id")
    older = [other for other in under_way.values_list("plan_id", flat=True) if partition_superseded_in(other) == partition]
    for other in older:
        with transaction.atomic():
            reason = f"superseded by plan {plan_id}"
            # A batch of it that is being taken up did not see the newer plan: it is waited for, and every later one does.
            QueuedPlan.objects.select_for_update(no_key=True).get(plan_id=other)
            waiting = Deletion.objects.filter(plan_id=other, state=DeletionState.QUEUED).exclude(_has_begun())
            dropped = waiting.update(state=DeletionState.DROPPED, reason=reason, finished_at=at, not_before=None)
            if dropped:
                audit_record(
                    actor=ACTOR,
                    action="operations.dropped_out",
                    subject=f"plan {other}",
                    reason=reason,
                    details={"block_replicas": dropped},
                )


def _has_begun() -> Exists:
    """Return the condition that files of a deletion may be gone already."""
    return Exists(Attempt.objects.filter(deletion_id=OuterRef("pk"), may_have_deleted=True))


def _take_up(queued: QueuedPlan, at: datetime) -> None:
    items = plan_items(queued.plan_id, after_sequence=queued.last_sequence, limit=BATCH_SIZE)
    known = block_replicas_by_key([item.block_replica_key for item in items if item.block_replica_key is not None])
    to_delete = [item for item in items if item.action == PlanAction.DELETE]
    problems = _problems(items, known, _newer_plan(queued.plan_id))
    rows = [_row(item, known, problems.get(item.id, ""), at) for item in to_delete]
    Deletion.objects.bulk_create(rows)
    hand_overs = [item for item in items if item.action == PlanAction.REOWN and item.id not in problems]
    handed_over, missing = _hand_over(hand_overs)
    problems |= missing
    dropped = [row for row in rows if row.state == DeletionState.DROPPED]
    queued.num_queued += len(rows) - len(dropped)
    queued.num_dropped += len(dropped)
    queued.num_handed_over += handed_over
    queued.is_complete = len(items) < BATCH_SIZE
    if items:
        queued.last_sequence = items[-1].sequence
    queued.save(update_fields=["num_queued", "num_dropped", "num_handed_over", "is_complete", "last_sequence"])
    if problems:
        audit_record(
            actor=ACTOR,
            action="operations.dropped_out",
            subject=f"plan {queued.plan_id}",
            reason="re-check before queueing",
            details=reason_counts(problems.values()),
        )
    if queued.is_complete:
        audit_record(
            actor=ACTOR,
            action="operations.plan_enqueued",
            subject=f"plan {queued.plan_id}",
            details={"queued": queued.num_queued, "dropped_out": queued.num_dropped, "handed_over": queued.num_handed_over},
        )


def _problems(items: Sequence[PlannedItem], known: dict[int, BlockReplicaRow], overtaken_by: int) -> dict[int, str]:
    """Return, by item, why it is not taken up."""
    if overtaken_by:
        return {item.id: f"superseded by plan {overtaken_by}" for item in items}
    keys = [item.block_replica_key for item in items if item.block_replica_key is not None]
    held = _held_keys(keys)
    problems = _held_paths([item for item in items if item.path])
    for item in items:
        if item.block_replica_key is None:
            continue  # known to nobody: whether that is still so is asked in the claim
        row = known.get(item.block_replica_key)
        if row is None or (row.site, row.dataset, row.block) != (item.site_name, item.dataset_name, item.block_name):
            problems[item.id] = "not in the inventory any more"
        elif item.owner and item.owner != (row.group or NOBODY):
            problems[item.id] = f"owner changed from {item.owner} to {row.group or NOBODY} since the plan"
        elif item.action == PlanAction.DELETE and item.block_replica_key in held:
            problems[item.id] = held[item.block_replica_key]
    return problems


def _held_keys(keys: Iterable[int]) -> dict[int, str]:
    """Return the block replicas that another deletion holds, and how."""
    rows = Deletion.objects.filter(block_replica_key__in=list(keys), state__in=_HOLDING_STATES).order_by("pk")
    return {
        key: f"deletion {pk} of plan {plan_id} holds it already ({DeletionState(state).label})"
        for pk, plan_id, key, state in rows.values_list("pk", "plan_id", "block_replica_key", "state")
        if key is not None
    }


def _held_paths(items: Sequence[PlannedItem]) -> dict[int, str]:
    """Return, by item, the files that nobody knows and that another deletion holds, and how."""
    rows = Deletion.objects.filter(path__in=[item.path for item in items], state__in=_HOLDING_STATES).order_by("pk")
    held = {
        (site, path): f"deletion {pk} of plan {plan_id} holds it already ({DeletionState(state).label})"
        for pk, plan_id, site, path, state in rows.values_list("pk", "plan_id", "site_name", "path", "state")
    }
    return {item.id: held[item.site_name, item.path] for item in items if (item.site_name, item.path) in held}


def _row(item: PlannedItem, known: dict[int, BlockReplicaRow], problem: str, at: datetime) -> Deletion:
    found = known.get(item.block_replica_key) if item.block_replica_key is not None else None
    return Deletion(
        plan_item_id=item.id,
        plan_id=item.plan_id,
        block_replica_key=item.block_replica_key,
        site_name=item.site_name,
        dataset_name=item.dataset_name,
        block_name=item.block_name,
        path=item.path,
        group_name=item.owner or (found.group if found is not None else None) or NOBODY,
        size_bytes=item.size_bytes,
        num_files=item.num_files,
        state=DeletionState.DROPPED if problem else DeletionState.QUEUED,
        reason=problem,
        finished_at=at if problem else None,
    )


def _hand_over(items: Sequence[PlannedItem]) -> tuple[int, dict[int, str]]:
    """Give block replicas to their new owners; return how many, and by item what could not be."""
    by_group: dict[str, list[PlannedItem]] = defaultdict(list)
    for item in items:
        by_group[item.new_owner].append(item)
    done: Counter[str] = Counter()
    missing: dict[int, str] = {}
    for group, some in sorted(by_group.items()):
        try:
            with transaction.atomic():
                done[group] = block_replicas_hand_over(
                    keys=[item.block_replica_key for item in some if item.block_replica_key is not None], group_name=group
                )
        except NotFound as error:
            missing |= {item.id: f"not handed over: {error}" for item in some}
    return done.total(), missing
