"""What a computed cycle leaves: two files, then sums, plan and audit event in one transaction, or nothing at all."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime

from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from inventory.selectors.clock import database_now
from inventory.selectors.reading import consistent_reader
from inventory.selectors.snapshot import inventory_standing, read_feeds
from inventory.services.audit import Actor, audit_record
from policies.choices import CycleKind, CycleState
from policies.evaluation.columns import Snapshot
from policies.exceptions import CycleLostError
from policies.facts.registry import measured_feeds
from policies.language.ast import Policy as PolicyText
from policies.models import Cycle, CycleRule, CycleSite, Plan
from policies.planning.decisions import plan_digest
from policies.planning.outcome import Decision, Outcome
from policies.services.judging import judge_plan
from policies.services.limits import Reading, judge_feeds, judge_missed_order
from policies.services.plans import plan_freeze
from policies.services.recording import decisions_save, decisions_table, evidence_save, outcome_sums, rule_rows, site_rows
from policies.services.scoped import ReadScope
from policies.services.snapshots import scope_variables

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CycleResult:
    """A computed cycle with what it was computed from, for callers that print or compare."""

    cycle: Cycle
    policy: PolicyText
    outcome: Outcome
    read: ReadScope

    @property
    def snapshot(self) -> Snapshot:
        return self.read.snapshot


def cycle_finish(result: CycleResult, *, actor: Actor) -> None:
    """Write the two files, then everything else in one transaction; without the transaction the files go again.

    Raises `CycleLostError` where the cycle was given up meanwhile.
    """
    cycle, outcome, snapshot, read = result.cycle, result.outcome, result.snapshot, result.read
    files = [decisions_save(cycle, decisions_table(outcome, snapshot))]
    try:
        files.append(evidence_save(cycle, outcome, snapshot, membership=read.scope.conditions, guardrails=read.protecting))
        with transaction.atomic():
            _lock_running(cycle)
            _fill(cycle, result, *files)
            sums = site_rows(cycle, outcome, snapshot, outcome_sums(outcome, snapshot))
            CycleSite.objects.bulk_create(sums, batch_size=1000)
            CycleRule.objects.bulk_create(rule_rows(cycle, outcome, snapshot), batch_size=1000)
            details = {
                "partition": read.scope.name,
                "kind": cycle.kind,
                "digest": cycle.plan_digest,
                "deleted_bytes": cycle.deleted_bytes,
            }
            if cycle.kind != CycleKind.TEST_RUN:
                plan = _freeze(result, actor)
                details |= {"plan": plan.pk, "plan_state": plan.state, "plan_digest": plan.digest, "num_items": plan.num_items}
                audit_record(actor=actor, action="policies.cycle", subject=str(cycle), details=details)
    except BaseException:
        for name in files:
            default_storage.delete(name)
        raise
    logger.info("%s is completed", cycle, extra={"cycle_id": cycle.pk, **details})


def _freeze(result: CycleResult, actor: Actor) -> Plan:
    readings = judge_plan(
        cycle=result.cycle,
        outcome=result.outcome,
        snapshot=result.snapshot,
        scope=result.read.scope,
        guardrails=result.read.guardrails,
        standing=inventory_standing(),
        now=database_now(),
        feeds=_judged_feeds(result),
    )
    return plan_freeze(cycle=result.cycle, outcome=result.outcome, snapshot=result.snapshot, readings=readings, actor=actor)


def feeds_relied_on(result: CycleResult) -> set[str]:
    """Return the feeds of measured facts that decided something; what was unknown decided nothing."""
    scope, rails = result.read.scope, result.read.guardrails
    read = scope_variables([result.policy], scope, [rail.rule.condition for rail in rails])
    return measured_feeds(read) - {feed.name for feed in result.read.taken.unknown}


def _judged_feeds(result: CycleResult) -> list[Reading]:
    measured = feeds_relied_on(result)
    wanted = {key.variable.fact for key in result.policy.order}
    missed = {feed.name: feed.reason for feed in result.read.taken.unknown if feed.name in wanted}
    if not measured and not missed:
        return []
    with consistent_reader() as reader:
        feeds = read_feeds(reader)
    return judge_feeds(measured, feeds, result.cycle.clock) + judge_missed_order(missed, feeds, result.cycle.clock)


def _lock_running(cycle: Cycle) -> None:
    """Lock the row and see that the cycle was not given up meanwhile."""
    state = Cycle.objects.select_for_update().filter(pk=cycle.pk).values_list("state", flat=True).get()
    if state != CycleState.RUNNING:
        raise CycleLostError(f"cycle {cycle.pk} was given up while it was computed; its result is thrown away")


def _fill(cycle: Cycle, result: CycleResult, decisions_file: str, evidence_file: str) -> None:
    outcome, snapshot = result.outcome, result.snapshot
    sums = outcome_sums(outcome, snapshot)
    cycle.state = CycleState.COMPLETED
    cycle.finished_at = timezone.now()
    cycle.snapshot_at = datetime.fromtimestamp(snapshot.taken_at, tz=UTC)
    cycle.progress = 1.0
    cycle.stage = ""
    cycle.decisions_file = decisions_file
    cycle.evidence_file = evidence_file
    cycle.plan_digest = plan_digest(outcome, snapshot)
    cycle.num_block_replicas = int(outcome.in_scope.sum())
    cycle.protected_bytes = sums.by_decision[Decision.PROTECT]
    cycle.kept_bytes = sums.by_decision[Decision.KEEP]
    cycle.deleted_bytes = sums.by_decision[Decision.DELETE]
    cycle.ignored_bytes = sums.by_decision[Decision.IGNORE]
    cycle.num_deleted_replicas = sums.num_deleted_replicas
    cycle.num_passes = outcome.num_passes
    cycle.num_steps = outcome.num_steps
    cycle.unknown_facts = [{"feed": feed.name, "reason": feed.reason} for feed in result.read.taken.unknown]
    cycle.full_clean(exclude=["partition", "policy_version"], validate_unique=False, validate_constraints=False)
    cycle.save()
