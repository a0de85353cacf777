"""Automatic cycles: which policies are due, and why others wait.

A policy is evaluated once per period. It waits while a cycle of its partition is under way, and while a plan of its partition is
held or still being carried out, so that nothing is planned on data that is about to go. After ``DYNAMO_PLAN_PATIENCE_HOURS``
it waits no longer: the new plan then takes the place of the old one. Partitions that share a part count as one here.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from inventory.services.audit import Actor
from policies.choices import CycleKind, CycleState, PlanKind, PlanState
from policies.exceptions import CyclesFailedError
from policies.models import Cycle, Plan, Policy
from policies.selectors.partitions import related_partition_ids
from policies.services.cycles import cycle_carry_out, cycle_start

logger = logging.getLogger(__name__)

#: A failed cycle is tried again after this time at the latest, however long the period.
RETRY_AFTER = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What became of one policy: its finished cycle, or why it waits."""

    policy_name: str
    cycle: Cycle | None
    waits_for: str = ""


def policies_evaluate_due(*, now: datetime, actor: Actor, is_forced: bool = False) -> list[Evaluation]:
    """Carry out an automatic cycle of every policy that is due, one after the other, and return what became of each.

    *is_forced* leaves out the period alone. A cycle that fails is recorded as failed and does not keep the others from running;
    `CyclesFailedError` is raised at the end with all of them.
    """
    found: list[Evaluation] = []
    failed: dict[str, Exception] = {}
    policies = Policy.objects.filter(is_enabled=True, active_version__isnull=False).order_by("name")
    for policy_id, name in policies.values_list("pk", "name"):
        try:
            started = _start_if_due(policy_id, now, actor, is_forced=is_forced)
            if isinstance(started, str):
                found.append(Evaluation(name, None, started))
            else:
                found.append(Evaluation(name, cycle_carry_out(cycle_id=started.pk, actor=actor).cycle))
        except Exception as error:  # kept and raised below, when the others had their turn
            logger.exception("the automatic cycle of %s failed", name, extra={"policy": name})
            failed[name] = error
    if failed:
        raise CyclesFailedError(failed)
    return found


def why_not_due(policy: Policy, *, now: datetime, is_forced: bool = False) -> str | None:
    """Return what *policy* waits for, None if it is due at *now*."""
    related = related_partition_ids(policy.partition)
    running = Cycle.objects.filter(partition__in=related, state=CycleState.RUNNING).exclude(kind=CycleKind.TEST_RUN).first()
    if running is not None:
        return f"cycle {running.pk} is under way"
    waiting = _open_plan(related, now)
    if waiting is not None:
        return f"plan {waiting.pk} is {PlanState(waiting.state).label}"
    last = Cycle.objects.filter(policy_version__policy=policy, kind=CycleKind.AUTOMATIC).order_by("-started_at").first()
    if last is None or is_forced:
        return None
    pause = min(policy.period, RETRY_AFTER) if last.state == CycleState.FAILED else policy.period
    due_at = last.started_at + pause
    return None if due_at <= now else f"its next cycle is due at {due_at:%Y-%m-%d %H:%M:%S} UTC"


def _open_plan(partition_ids: set[int], now: datetime) -> Plan | None:
    patience = timedelta(hours=settings.DYNAMO_PLAN_PATIENCE_HOURS)
    is_open = (PlanState.HELD, PlanState.RELEASED)
    plans = Plan.objects.filter(kind=PlanKind.CYCLE, partition__in=partition_ids, state__in=is_open, frozen_at__gt=now - patience)
    return plans.order_by("-pk").first()


def _start_if_due(policy_id: int, now: datetime, actor: Actor, *, is_forced: bool) -> Cycle | str:
    """Start a cycle if the policy is due, else return the reason; the policy's row is locked between the question and the act."""
    with transaction.atomic():
        policy = Policy.objects.select_for_update(of=("self",)).select_related("active_version", "partition").get(pk=policy_id)
        version = policy.active_version
        if version is None or not policy.is_enabled:
            return "it was switched off"
        reason = why_not_due(policy, now=now, is_forced=is_forced)
        if reason is not None:
            return reason
        return cycle_start(
            text=version.text,
            source=str(version),
            kind=CycleKind.AUTOMATIC,
            actor=actor,
            now=now,
            policy_version=version,
            partition_name=policy.partition.name,
            deletion_per_iteration=policy.deletion_per_iteration,
        )
