"""Cycles: one evaluation of a policy text on one snapshot with one clock, recorded whatever becomes of it."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.utils import timezone

from inventory.selectors.reading import consistent_reader
from inventory.selectors.snapshot import inventory_updated_at, read_feeds
from inventory.services.audit import Actor, audit_record
from policies.choices import CycleKind, CycleState
from policies.evaluation.columns import Snapshot
from policies.exceptions import CycleLostError, CycleRunningError, PolicyInvalidError, VersionImmutableError
from policies.facts.registry import PROVIDERS, UnknownFeed
from policies.facts.request import Provider
from policies.language.ast import Policy as PolicyText
from policies.language.expectations import Expectation
from policies.language.parser import parse_policy
from policies.language.variables import BY_NAME
from policies.models import Cycle, CycleRule, CycleSite, Plan, Policy, PolicyVersion
from policies.permissions import RUN_POLICY, require
from policies.planning.decisions import plan_digest
from policies.planning.outcome import Decision, GuardrailRule, Outcome
from policies.planning.planner import plan_cycle
from policies.selectors.partitions import GuardrailScope, PartitionScope, guardrails_of, partition_by_name, partition_scope
from policies.services.expectations import expectations_hold, expectations_parse, result_row
from policies.services.judging import judge_plan
from policies.services.limits import Reading, judge_feeds
from policies.services.plans import plan_freeze
from policies.services.recording import decisions_save, decisions_table, evidence_save, outcome_sums, rule_rows, site_rows
from policies.services.snapshots import TakenSnapshot, scope_variables, snapshot_take

logger = logging.getLogger(__name__)

#: Seconds between two notes of progress in the database.
_NOTE_EVERY = 1.0
#: Where each stage of the work begins and ends, as parts of the whole.
_STAGES = {"reading the inventory": (0.0, 0.35), "reading": (0.35, 0.4), "evaluating": (0.4, 0.5), "planning": (0.5, 0.9)}
_RECORDING = ("recording", 0.9)


@dataclass(frozen=True, slots=True)
class CycleResult:
    """A finished cycle with what it was computed from, for callers that print or compare."""

    cycle: Cycle
    policy: PolicyText
    outcome: Outcome
    taken: TakenSnapshot

    @property
    def snapshot(self) -> Snapshot:
        return self.taken.snapshot


def cycle_run(
    *,
    text: str,
    source: str,
    kind: CycleKind,
    actor: Actor,
    now: datetime,
    partition_name: str | None = None,
    policy_version: PolicyVersion | None = None,
    deletion_per_iteration: float = 0.01,
) -> CycleResult:
    """Start a cycle and carry it out; see `cycle_start` and `cycle_carry_out` for what they raise."""
    cycle = cycle_start(
        text=text,
        source=source,
        kind=kind,
        actor=actor,
        now=now,
        partition_name=partition_name,
        policy_version=policy_version,
        deletion_per_iteration=deletion_per_iteration,
    )
    return cycle_carry_out(cycle_id=cycle.pk, actor=actor)


def cycle_start(
    *,
    text: str,
    source: str,
    kind: CycleKind,
    actor: Actor,
    now: datetime,
    partition_name: str | None = None,
    policy_version: PolicyVersion | None = None,
    deletion_per_iteration: float = 0.01,
    with_guardrails: bool = False,
) -> Cycle:
    """Record a cycle as running, so that a worker can carry it out; nothing is evaluated yet.

    *now* is the clock that the policy's times are relative to; *text* must be that of *policy_version* where one is given.
    *with_guardrails*: a test run applies protecting guardrails too; cycles that plan always do.

    Raises:
        PolicyInvalidError: the text has errors (they are in it).
        PartitionUnknownError: its partition is not defined.
        VersionImmutableError: the version's text is not what was saved.
        CycleRunningError: another cycle of the partition is under way (test runs are never in the way).
        PermissionDenied: a cycle by hand without ``policies.run_policy``.
    """
    if policy_version is not None:
        _check_unaltered(policy_version, text)
    policy = parsed_policy(text, source, partition_name=partition_name)
    partition = partition_by_name(_partition_of(policy))
    if kind == CycleKind.MANUAL:
        require(actor, RUN_POLICY, policy_version.policy if policy_version is not None else partition)
    try:
        with transaction.atomic():
            return Cycle.objects.create(
                kind=kind,
                partition=partition,
                policy_version=policy_version,
                text=text,
                source=source,
                started_by=actor.name,
                clock=now,
                deletion_per_iteration=deletion_per_iteration,
                with_guardrails=with_guardrails,
            )
    except IntegrityError as error:
        if not Cycle.objects.filter(partition=partition, state=CycleState.RUNNING).exclude(kind=CycleKind.TEST_RUN).exists():
            raise
        raise CycleRunningError(f"a cycle of the partition {partition.name} is under way; wait until it has finished") from error


def cycle_carry_out(
    *, cycle_id: int, actor: Actor, providers: Mapping[str, Provider] = PROVIDERS, also_read: Collection[str] = ()
) -> CycleResult:
    """Evaluate a running cycle, record its decisions and, unless it is a test run, freeze and judge its plan.

    *also_read*: variables whose facts the caller needs beside those that the text names.

    All that it leaves is written in one transaction at the end: a cycle that fails leaves its error and nothing else. Whatever
    stopped it is raised again. Raises `CycleLostError` where the cycle is not running any more.
    """
    cycle = Cycle.objects.select_related("partition", "policy_version").get(pk=cycle_id)
    if cycle.state != CycleState.RUNNING:
        raise CycleLostError(f"cycle {cycle.pk} is {CycleState(cycle.state).label}: it cannot be carried out")
    try:
        return _carry_out(cycle, actor, providers, also_read)
    except BaseException as error:
        cycle_fail(cycle_id=cycle_id, message=str(error) or type(error).__name__)
        raise


def cycle_fail(*, cycle_id: int, message: str) -> bool:
    """Note why a running cycle ended without a result; return False where it was over already."""
    changed = Cycle.objects.filter(pk=cycle_id, state=CycleState.RUNNING).update(
        state=CycleState.FAILED, finished_at=timezone.now(), error=message
    )
    if changed:
        logger.error("cycle %s failed: %s", cycle_id, message, extra={"cycle_id": cycle_id})
    return bool(changed)


def cycles_sweep(*, now: datetime) -> list[int]:
    """Fail the running cycles that gave no sign of life for longer than the limit, and return them: their process has died."""
    limit = timedelta(minutes=settings.DYNAMO_CYCLE_MAX_SILENCE_MINUTES)
    silent = Cycle.objects.filter(state=CycleState.RUNNING, heartbeat_at__lt=now - limit).order_by("pk")
    message = f"gave no sign of life for {limit}: its process has died; the next cycle starts afresh"
    return [pk for pk in silent.values_list("pk", flat=True) if cycle_fail(cycle_id=pk, message=message)]


def parsed_policy(text: str, source: str, *, partition_name: str | None = None) -> PolicyText:
    """Return the checked policy of *text*. Raises `PolicyInvalidError` with every finding."""
    result = parse_policy(text, file_name=source, partition=partition_name)
    if result.policy is None:
        raise PolicyInvalidError(source, result.diagnostics)
    return result.policy


def text_digest(text: str) -> str:
    """Return the SHA-256 of a policy text."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def applies_guardrails(cycle: Cycle) -> bool:
    """Tell whether protecting guardrails stand on top of the text: where a plan is made, and where a test run asks for them."""
    return cycle.kind != CycleKind.TEST_RUN or cycle.with_guardrails


class _Notes:
    """Tells the database how far a cycle is, at most once a second, and that it is alive."""

    def __init__(self, cycle_id: int) -> None:
        self._cycle_id = cycle_id
        self._noted = -_NOTE_EVERY
        self._stage = ""

    def __call__(self, stage: str, share: float) -> None:
        moment = time.monotonic()
        if stage == self._stage and moment - self._noted < _NOTE_EVERY:
            return
        self._stage, self._noted = stage, moment
        begin, end = _STAGES.get(stage, (_RECORDING[1], 1.0))
        Cycle.objects.filter(pk=self._cycle_id, state=CycleState.RUNNING).update(
            stage=stage, progress=begin + (end - begin) * share, heartbeat_at=timezone.now()
        )


def _carry_out(cycle: Cycle, actor: Actor, providers: Mapping[str, Provider], also_read: Collection[str]) -> CycleResult:
    notes = _Notes(cycle.pk)
    policy = parsed_policy(cycle.text, cycle.source, partition_name=cycle.partition.name)
    scope = partition_scope(cycle.partition.name)
    rails = guardrails_of(scope.id)
    notes("reading the inventory", 0.0)
    expectations = _expectations(cycle)
    asked = [*(rail.rule.condition for rail in rails), *(expectation.condition for expectation in expectations)]
    variables = scope_variables([policy], scope, asked) | frozenset(also_read)
    taken = snapshot_take(quotas=scope.quotas, variables=variables, now=cycle.clock, providers=providers)
    # Most test runs show what the text alone decides (design, Belts).
    applied = [rail.rule for rail in rails if rail.is_protecting] if applies_guardrails(cycle) else []
    outcome = plan_cycle(
        policy,
        scope.conditions,
        taken.snapshot,
        now=cycle.clock.timestamp(),
        deletion_per_iteration=cycle.deletion_per_iteration,
        guardrails=applied,
        progress=notes,
    )
    held = expectations_hold(expectations, outcome, taken.snapshot, now=cycle.clock.timestamp())
    cycle.expectation_results = [result_row(result) for result in held]
    notes(_RECORDING[0], 0.0)
    result = CycleResult(cycle, policy, outcome, taken)
    _record(result, scope, rails, applied, actor)
    return result


def _expectations(cycle: Cycle) -> tuple[Expectation, ...]:
    """Return what a test run is held against, and note it: activation asks for that very text."""
    if cycle.kind != CycleKind.TEST_RUN:
        return ()
    version = cycle.policy_version
    # A text that is tested before it is saved becomes a version of the partition's policy, if of any.
    policies = (
        Policy.objects.filter(partition=cycle.partition_id) if version is None else Policy.objects.filter(pk=version.policy_id)
    )
    found = list(policies.order_by("pk")[:2])
    if len(found) != 1:
        return ()
    cycle.expectations = found[0].expectations
    return expectations_parse(cycle.expectations, file_name=f"expectations of {found[0]}")


def _record(
    result: CycleResult,
    scope: PartitionScope,
    rails: Sequence[GuardrailScope],
    applied: Sequence[GuardrailRule],
    actor: Actor,
) -> None:
    """Write the two files, then everything else in one transaction; without the transaction the files go again."""
    cycle, outcome, snapshot = result.cycle, result.outcome, result.snapshot
    files = [decisions_save(cycle, decisions_table(outcome, snapshot))]
    try:
        files.append(evidence_save(cycle, outcome, snapshot, membership=scope.conditions, guardrails=applied))
        with transaction.atomic():
            _lock_running(cycle)
            _fill(cycle, result, *files)
            sums = site_rows(cycle, outcome, snapshot, outcome_sums(outcome, snapshot))
            CycleSite.objects.bulk_create(sums, batch_size=1000)
            CycleRule.objects.bulk_create(rule_rows(cycle, outcome, snapshot), batch_size=1000)
            details = {
                "partition": scope.name,
                "kind": cycle.kind,
                "digest": cycle.plan_digest,
                "deleted_bytes": cycle.deleted_bytes,
            }
            if cycle.kind != CycleKind.TEST_RUN:
                plan = _freeze(result, scope, rails, actor)
                details |= {"plan": plan.pk, "plan_state": plan.state, "plan_digest": plan.digest, "num_items": plan.num_items}
                audit_record(actor=actor, action="policies.cycle", subject=str(cycle), details=details)
    except BaseException:
        for name in files:
            default_storage.delete(name)
        raise
    logger.info("%s is completed", cycle, extra={"cycle_id": cycle.pk, **details})


def _freeze(result: CycleResult, scope: PartitionScope, rails: Sequence[GuardrailScope], actor: Actor) -> Plan:
    readings = judge_plan(
        cycle=result.cycle,
        outcome=result.outcome,
        snapshot=result.snapshot,
        scope=scope,
        guardrails=rails,
        updated_at=inventory_updated_at(),
        now=timezone.now(),
        feeds=_judged_feeds(result, scope, rails),
    )
    return plan_freeze(cycle=result.cycle, outcome=result.outcome, snapshot=result.snapshot, readings=readings, actor=actor)


def feeds_relied_on(result: CycleResult, scope: PartitionScope, rails: Sequence[GuardrailScope]) -> set[str]:
    """Return the feeds of measured facts that decided something; what was unknown decided nothing."""
    read = scope_variables([result.policy], scope, [rail.rule.condition for rail in rails])
    named = {BY_NAME[name].fact for name in read}
    measured = {name for name in named if name is not None and PROVIDERS[name].is_measured}
    return measured - {feed.name for feed in result.taken.unknown}


def _judged_feeds(result: CycleResult, scope: PartitionScope, rails: Sequence[GuardrailScope]) -> list[Reading]:
    measured = feeds_relied_on(result, scope, rails)
    if not measured:
        return []
    with consistent_reader() as reader:
        feeds = read_feeds(reader)
    return judge_feeds(measured, feeds, result.cycle.clock)


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
    cycle.unknown_facts = [_unknown(feed) for feed in result.taken.unknown]
    cycle.full_clean(exclude=["partition", "policy_version"], validate_unique=False, validate_constraints=False)
    cycle.save()


def _unknown(feed: UnknownFeed) -> dict[str, str]:
    return {"feed": feed.name, "reason": feed.reason}


def _partition_of(policy: PolicyText) -> str:
    if policy.partition is None:
        raise AssertionError("a policy that was parsed with require_partition names one")
    return policy.partition


def _check_unaltered(version: PolicyVersion, text: str) -> None:
    if text != version.text or text_digest(version.text) != version.digest:
        raise VersionImmutableError(f"the text of {version} is not the one that was saved; save a new version instead")
