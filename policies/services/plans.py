"""Plans: frozen from a cycle, judged, released for deletion, discarded, done. Nothing is deleted but from a released plan."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from operator import attrgetter
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from inventory.ingest.copying import copy_into
from inventory.services.audit import Actor, audit_record
from policies.choices import PLAN_TRANSITIONS, PlanKind, PlanState
from policies.evaluation.columns import Snapshot
from policies.exceptions import InvalidTransitionError, PlanAlteredError, PolicyError
from policies.models import Cycle, Partition, Plan, PlanItem
from policies.permissions import RELEASE_PLAN, require
from policies.planning.outcome import Outcome
from policies.selectors.plans import digest_row, items_digest, plan_digest_matches
from policies.services.limits import Reading
from policies.services.listed import ListedFile, ListedPath, ListedReplica, PlanRow, listed_files_store, listed_rows
from policies.services.recording import plan_item_rows
from policies.signals import plan_released

logger = logging.getLogger(__name__)

_BATCH = 20_000
_ROWS_PER_INSERT = 2000


def plan_freeze(*, cycle: Cycle, outcome: Outcome, snapshot: Snapshot, readings: Sequence[Reading], actor: Actor) -> Plan:
    """Freeze what *outcome* deletes and hands over, and judge it by *readings*; runs inside the caller's transaction.

    Any tripped reading holds the plan for a person; otherwise it is released. A plan without items is done at once. Plans of the
    partition that are still held were decided on an older inventory and are discarded.
    """
    _discard_held(cycle, actor)
    plan = Plan.objects.create(
        kind=PlanKind.CYCLE,
        title=cycle.source,
        partition=cycle.partition,
        cycle=cycle,
        digest="",
        num_items=0,
        size_bytes=0,
        readings=[r.as_json() for r in readings],
    )
    plan.num_items, plan.digest, plan.size_bytes = items_freeze(plan_item_rows(plan.pk, outcome, snapshot))
    plan.tripped = [r.as_json() for r in readings if r.is_tripped] if plan.num_items else []
    plan.save(update_fields=["num_items", "digest", "size_bytes", "tripped"])
    if plan.num_items == 0:
        for state in (PlanState.RELEASED, PlanState.DONE):
            _move(plan, state, actor, "there is nothing to do")
    elif plan.tripped:
        _move(plan, PlanState.HELD, actor, "")
    else:
        _move(plan, PlanState.RELEASED, actor, "no safety limit and no guardrail tripped")
        _tell_released(plan.pk)
    return plan


@transaction.atomic
def plan_release(*, plan_id: int, actor: Actor, reason: str) -> Plan:
    """Release a plan that a safety limit holds, so that its items are deleted; tells ``plan_released`` after the commit.

    Raises ``PermissionDenied`` without ``policies.release_plan`` on the partition, `InvalidTransitionError` unless the plan is
    held, `PlanAlteredError` where its items are no longer those that were frozen, `PolicyError` without a reason.
    """
    plan = _locked(plan_id)
    require(actor, RELEASE_PLAN, plan.partition or plan)
    _require_reason(reason)
    if plan.state != PlanState.HELD:
        raise _refusal(plan, PlanState.RELEASED)
    _release(plan, actor, reason)
    return plan


@transaction.atomic
def plan_freeze_listed(
    *,
    kind: PlanKind,
    title: str,
    items: Iterable[ListedReplica | ListedPath],
    actor: Actor,
    partition: Partition | None = None,
) -> Plan:
    """Freeze a list that no cycle made, in its order; it deletes nothing before `plan_release_listed`.

    Files that nobody knows are of clean-ups alone, and clean-ups are of nothing else. The application that asks for it keeps who
    decided, and why, beside the plan. Raises `PolicyError` for an empty list.
    """
    if kind == PlanKind.CYCLE:
        raise AssertionError("the plan of a cycle is frozen by plan_freeze")
    plan = Plan.objects.create(kind=kind, title=title[:512], partition=partition, digest="", num_items=0, size_bytes=0)
    files: dict[int, tuple[ListedFile, ...]] = {}

    def noted() -> Iterator[ListedReplica | ListedPath]:
        for sequence, item in enumerate(items):
            if isinstance(item, ListedPath) != (kind == PlanKind.CLEAN_UP):
                raise AssertionError(f"{item} is not what a plan of the kind {kind} is of")
            if isinstance(item, ListedReplica) and item.files:
                files[sequence] = item.files
            yield item

    plan.num_items, plan.digest, plan.size_bytes = items_freeze(listed_rows(plan.pk, noted()))
    if plan.num_items == 0:
        raise PolicyError(f"{title}: there is nothing to delete, so there is no plan")
    listed_files_store(plan.pk, files)
    plan.save(update_fields=["num_items", "digest", "size_bytes"])
    audit_record(
        actor=actor,
        action="policies.plan_freeze",
        subject=f"plan {plan.pk}",
        details=_identity(plan) | {"num_items": plan.num_items, "size_bytes": plan.size_bytes},
    )
    return plan


@transaction.atomic
def plan_release_listed(
    *,
    plan_id: int,
    actor: Actor,
    reason: str,
    readings: Sequence[Reading] = (),
    passed: Collection[tuple[str, str]] = frozenset(),
    digest: str = "",
) -> Plan:
    """Release a frozen list, or hold it for a person where one of *readings* trips that is not among *passed*.

    *passed*: limits (name, subject) that those who decided saw tripped, and passed. *digest*: of the list that they saw, where
    that is kept apart from the plan.

    Called by the application that froze it, once those who must decide have: it answers for their rights. Raises
    `InvalidTransitionError` unless the plan is a frozen list, `PlanAlteredError` where its items are no longer those that were
    frozen, `PolicyError` without a reason.
    """
    plan = _locked(plan_id)
    _require_reason(reason)
    if plan.kind == PlanKind.CYCLE or plan.state != PlanState.FROZEN:
        raise _refusal(plan, PlanState.RELEASED)
    if digest and digest != plan.digest:
        raise PlanAlteredError(
            f"plan {plan.pk} has the digest {plan.digest[:12]}, but {digest[:12]} was signed: it was altered since; discard it"
        )
    plan.readings = [r.as_json() for r in readings]
    plan.tripped = [r.as_json() for r in readings if r.is_tripped]
    plan.save(update_fields=["readings", "tripped"])
    if any((reading.limit, reading.subject) not in passed for reading in readings if reading.is_tripped):
        _move(plan, PlanState.HELD, actor, "")
    else:
        _release(plan, actor, reason)
    return plan


@transaction.atomic
def plan_discard(*, plan_id: int, actor: Actor, reason: str) -> Plan:
    """Give up a plan: nothing of it that has not been deleted yet will be.

    Raises ``PermissionDenied`` without ``policies.release_plan`` on the partition, `InvalidTransitionError` where the plan is
    over, `PolicyError` without a reason.
    """
    plan = _locked(plan_id)
    require(actor, RELEASE_PLAN, plan.partition or plan)
    _require_reason(reason)
    _move(plan, PlanState.DISCARDED, actor, reason)
    audit_record(
        actor=actor,
        action="policies.plan_discard",
        subject=f"plan {plan.pk}",
        reason=reason,
        details=_identity(plan),
    )
    return plan


@transaction.atomic
def plan_discard_listed(*, plan_id: int, actor: Actor, reason: str) -> Plan:
    """Give up a frozen list, released or not; a plan that is over stays as it is.

    Called by the application that froze it: it answers for the right to do so. Raises `InvalidTransitionError` for the plan of a
    cycle, `PolicyError` without a reason.
    """
    plan = _locked(plan_id)
    _require_reason(reason)
    if plan.state in (PlanState.DONE, PlanState.DISCARDED):
        return plan
    if plan.kind == PlanKind.CYCLE:
        raise _refusal(plan, PlanState.DISCARDED)
    _move(plan, PlanState.DISCARDED, actor, reason)
    audit_record(actor=actor, action="policies.plan_discard", subject=f"plan {plan.pk}", reason=reason, details=_identity(plan))
    return plan


@transaction.atomic
def plan_finish(*, plan_id: int) -> Plan:
    """Note that nothing of a released plan is left to do; a plan that is over stays as it is.

    Raises `InvalidTransitionError` where the plan was never released.
    """
    plan = _locked(plan_id)
    if plan.state in (PlanState.DONE, PlanState.DISCARDED):
        return plan
    if plan.state != PlanState.RELEASED:
        raise _refusal(plan, PlanState.DONE)
    _change_state(plan, PlanState.DONE)
    plan.save(update_fields=["state"])
    return plan


def items_freeze(items: Iterator[PlanRow]) -> tuple[int, str, int]:
    """Store the items of one plan in order; return their number, digest and the bytes that are deleted."""
    size = 0

    def stored() -> Iterator[PlanRow]:
        nonlocal size
        while batch := list(islice(items, _BATCH)):
            _store(batch)
            size += sum(item.size_bytes for item in batch if not item.new_owner)
            yield from batch

    count, digest = items_digest(digest_row(item) for item in stored())
    return count, digest, size


def _store(items: list[PlanRow]) -> None:
    if connection.vendor != "postgresql":
        PlanItem.objects.bulk_create((PlanItem(**asdict(item)) for item in items), batch_size=_ROWS_PER_INSERT)
        return
    fields = [field for field in PlanItem._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(connection.ops.quote_name(str(field.column)) for field in fields)
    values = attrgetter(*(field.attname for field in fields))
    with connection.cursor() as cursor:
        copy_into(cursor, f"{connection.ops.quote_name(PlanItem._meta.db_table)} ({columns})", fields, map(values, items))


def _release(plan: Plan, actor: Actor, reason: str) -> None:
    if not plan_digest_matches(plan.pk):
        raise PlanAlteredError(f"plan {plan.pk} was altered after it was frozen: its items do not give its digest; discard it")
    _move(plan, PlanState.RELEASED, actor, reason)
    _tell_released(plan.pk)
    audit_record(
        actor=actor,
        action="policies.plan_release",
        subject=f"plan {plan.pk}",
        reason=reason,
        details=_identity(plan) | {"tripped": plan.tripped},
    )


def _identity(plan: Plan) -> dict[str, Any]:
    partition = None if plan.partition is None else plan.partition.name
    return {"kind": plan.kind, "title": plan.title, "partition": partition, "digest": plan.digest}


def _discard_held(cycle: Cycle, actor: Actor) -> None:
    held = Plan.objects.select_for_update().filter(kind=PlanKind.CYCLE, partition=cycle.partition_id, state=PlanState.HELD)
    for plan in held.order_by("pk"):
        _move(plan, PlanState.DISCARDED, actor, f"superseded by cycle {cycle.pk}")


def _locked(plan_id: int) -> Plan:
    plan = Plan.objects.select_for_update(of=("self",)).select_related("partition").filter(pk=plan_id).first()
    if plan is None:
        raise PolicyError(f"there is no plan {plan_id}")
    return plan


def _move(plan: Plan, state: PlanState, actor: Actor, reason: str) -> None:
    _change_state(plan, state)
    plan.decided_at = None if state == PlanState.HELD else timezone.now()
    plan.decided_by = "" if state == PlanState.HELD else actor.name
    plan.decided_reason = reason
    plan.save(update_fields=["state", "decided_at", "decided_by", "decided_reason"])
    logger.info("plan %s is %s", plan.pk, state.label, extra={"plan_id": plan.pk, "state": state.value})


def _change_state(plan: Plan, state: PlanState) -> None:
    if state not in PLAN_TRANSITIONS[plan.state]:
        raise _refusal(plan, state)
    plan.state = state


def _refusal(plan: Plan, state: PlanState) -> InvalidTransitionError:
    return InvalidTransitionError(f"plan {plan.pk} is {PlanState(plan.state).label}: it cannot become {state.label}")


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise PolicyError("say why: the reason is kept with the plan and in the audit trail")


def _tell_released(plan_id: int) -> None:
    # Robust: whoever listens may fail without undoing what was decided; the sweeper finds plans that nobody took up.
    transaction.on_commit(lambda: plan_released.send(sender=Plan, plan_id=plan_id), robust=True)
