"""Cycles: one evaluation of a policy text on one snapshot with one clock, recorded whatever becomes of it."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Collection, Mapping
from datetime import datetime

from django.db import IntegrityError, transaction

from inventory.services.audit import Actor
from policies.choices import CycleKind, CycleState
from policies.exceptions import CycleLostError, CycleRunningError, PolicyInvalidError, VersionImmutableError
from policies.facts.registry import PROVIDERS
from policies.facts.request import Provider
from policies.language.ast import Policy as PolicyText
from policies.language.expectations import Expectation
from policies.language.parser import parse_policy
from policies.models import Cycle, Policy, PolicyVersion
from policies.permissions import RUN_POLICY, require
from policies.selectors.partitions import partition_by_name
from policies.services.expectations import expectations_hold, expectations_parse, result_row
from policies.services.finishing import CycleResult, cycle_finish
from policies.services.scoped import common_partition, scope_read
from policies.services.watched import Notes, watched_fail, watched_sweep

logger = logging.getLogger(__name__)

#: Where each stage of the work begins and ends, as parts of the whole.
_STAGES = {"reading the inventory": (0.0, 0.35), "reading": (0.35, 0.4), "evaluating": (0.4, 0.5), "planning": (0.5, 0.9)}
_RECORDING = ("recording", 0.9)


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
    with_guardrails: bool = False,
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
        with_guardrails=with_guardrails,
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
    partition = partition_by_name(common_partition([policy]))
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
    changed = watched_fail(Cycle, cycle_id, message)
    if changed:
        logger.error("cycle %s failed: %s", cycle_id, message, extra={"cycle_id": cycle_id})
    return changed


def cycles_sweep(*, now: datetime) -> list[int]:
    """Fail the running cycles that gave no sign of life for longer than the limit, and return them: their process has died."""

    def fail(pk: int, message: str) -> bool:
        return cycle_fail(cycle_id=pk, message=message)

    return watched_sweep(Cycle, now=now, again="the next cycle starts afresh", fail=fail)


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


def _part_done(stage: str, share: float) -> float:
    begin, end = _STAGES.get(stage, (_RECORDING[1], 1.0))
    return begin + (end - begin) * share


def _carry_out(cycle: Cycle, actor: Actor, providers: Mapping[str, Provider], also_read: Collection[str]) -> CycleResult:
    notes = Notes(Cycle, cycle.pk, _part_done)
    policy = parsed_policy(cycle.text, cycle.source, partition_name=cycle.partition.name)
    notes("reading the inventory", 0.0)
    expectations = _expectations(cycle)
    read = scope_read(
        [policy],
        now=cycle.clock,
        with_guardrails=applies_guardrails(cycle),
        conditions=[expectation.condition for expectation in expectations],
        also_read=also_read,
        providers=providers,
    )
    outcome = read.plan(policy, deletion_per_iteration=cycle.deletion_per_iteration, progress=notes)
    held = expectations_hold(expectations, outcome, read.snapshot, now=cycle.clock.timestamp())
    cycle.expectation_results = [result_row(result) for result in held]
    notes(_RECORDING[0], 0.0)
    result = CycleResult(cycle, policy, outcome, read)
    cycle_finish(result, actor=actor)
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


def _check_unaltered(version: PolicyVersion, text: str) -> None:
    if text != version.text or text_digest(version.text) != version.digest:
        raise VersionImmutableError(f"the text of {version} is not the one that was saved; save a new version instead")
