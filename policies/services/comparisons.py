"""Comparisons that a worker carries out while somebody watches: of two texts, of a text with expectations, of two cycles.

Two texts are both evaluated anew, on one snapshot with one clock. Two cycles saw the inventory at two moments; what they
decided is compared out of their records, block by block.
"""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from inventory.services.audit import Actor
from policies.choices import CycleState
from policies.exceptions import CycleLostError, PolicyError
from policies.language.ast import Policy as PolicyText
from policies.models import Comparison, Policy, PolicyVersion
from policies.planning.comparing import Comparison as Changes
from policies.selectors.comparisons import changed_replicas, changes_summary
from policies.selectors.partitions import partition_by_name
from policies.services.cycles import parsed_policy
from policies.services.expectations import expectations_parse, policy_test, result_row
from policies.services.studies import comparable_cycles, cycles_compare, policies_compare
from policies.services.watched import Notes, watched_fail, watched_sweep
from policies.signals import comparison_started


def comparison_request(
    *,
    new_text: str,
    old_text: str,
    actor: Actor,
    now: datetime,
    new_source: str = "new",
    old_source: str = "old",
    old_version: PolicyVersion | None = None,
    expectations: str = "",
    partition_name: str | None = None,
    deletion_per_iteration: float = 0.01,
    with_guardrails: bool = False,
) -> Comparison:
    """Record a comparison of two policies of one partition and hand it to a worker; an empty *old_text* compares with nothing.

    *with_guardrails*: protecting guardrails stand on top of both texts; expectations are held against the text alone.

    Raises `PolicyInvalidError` with the findings in a text or in the expectations, `PartitionUnknownError`, `PolicyError` where
    the partitions differ or there is nothing to compare with, and ``WorkerUnreachableError`` where no worker can be told.
    """
    new = parsed_policy(new_text, new_source, partition_name=partition_name)
    tested = expectations_parse(expectations, file_name="expectations")
    if old_text:
        old = parsed_policy(old_text, old_source, partition_name=partition_name)
        if old.partition != new.partition:
            raise PolicyError(f"{old_source} works in the partition {old.partition}, {new_source} in {new.partition}")
    elif not tested:
        raise PolicyError(f"there is nothing to compare {new_source} with: no text and no expectations")
    comparison = Comparison.objects.create(
        partition=partition_by_name(new.partition or ""),
        old_version=old_version,
        old_text=old_text,
        old_source=old_source if old_text else "",
        new_text=new_text,
        new_source=new_source,
        expectations=expectations,
        deletion_per_iteration=deletion_per_iteration,
        with_guardrails=with_guardrails,
        clock=now,
        started_by=actor.name,
    )
    return _handed_over(comparison)


def cycles_comparison_request(*, old_cycle_id: int, new_cycle_id: int, actor: Actor) -> Comparison:
    """Record a comparison of what two cycles of one partition decided and hand it to a worker.

    Raises what `comparable_cycles` raises, and ``WorkerUnreachableError`` where no worker can be told.
    """
    old, new = comparable_cycles(old_cycle_id=old_cycle_id, new_cycle_id=new_cycle_id)
    comparison = Comparison.objects.create(
        partition=new.partition,
        old_cycle=old,
        new_cycle=new,
        old_source=str(old)[:512],
        new_source=str(new)[:512],
        deletion_per_iteration=new.deletion_per_iteration,
        clock=new.clock,
        started_by=actor.name,
    )
    return _handed_over(comparison)


def _handed_over(comparison: Comparison) -> Comparison:
    transaction.on_commit(lambda: comparison_started.send(sender=Comparison, comparison_id=comparison.pk))
    return comparison


def comparison_with_active(
    *, policy_id: int, text: str, actor: Actor, now: datetime, expectations: str | None = None, with_guardrails: bool = False
) -> Comparison:
    """Compare *text* with the active version of a policy, by its step limit, and hold it against its expectations (or the given).

    Raises what `comparison_request` does; without an active version only the expectations count.
    """
    policy = Policy.objects.select_related("partition", "active_version__policy").get(pk=policy_id)
    active = policy.active_version
    return comparison_request(
        new_text=text,
        new_source=f"a new text of {policy}",
        old_text=active.text if active is not None else "",
        old_source=str(active) if active is not None else "",
        old_version=active,
        expectations=policy.expectations if expectations is None else expectations,
        actor=actor,
        now=now,
        partition_name=policy.partition.name,
        deletion_per_iteration=policy.deletion_per_iteration,
        with_guardrails=with_guardrails,
    )


def versions_comparison_request(
    *, old_version_id: int, new_version_id: int, actor: Actor, now: datetime, with_guardrails: bool = False
) -> Comparison:
    """Compare two saved versions of one policy by its step limit, on the inventory as it is, without expectations.

    Raises `PolicyError` where one of them does not exist or is of another policy, and what `comparison_request` does.
    """
    versions = PolicyVersion.objects.select_related("policy__partition").in_bulk([old_version_id, new_version_id])
    old, new = versions.get(old_version_id), versions.get(new_version_id)
    if old is None or new is None or old.policy_id != new.policy_id or old.pk == new.pk:
        raise PolicyError("name two different versions of one policy")
    return comparison_request(
        new_text=new.text,
        new_source=str(new),
        old_text=old.text,
        old_source=str(old),
        old_version=old,
        actor=actor,
        now=now,
        partition_name=new.policy.partition.name,
        deletion_per_iteration=new.policy.deletion_per_iteration,
        with_guardrails=with_guardrails,
    )


def comparison_carry_out(*, comparison_id: int) -> Comparison:
    """Carry out a running comparison and record what it found; one that fails leaves its error, which is raised again.

    Raises `CycleLostError` where it is not running any more.
    """
    comparison = Comparison.objects.select_related("partition").get(pk=comparison_id)
    if comparison.state != CycleState.RUNNING:
        raise CycleLostError(f"{comparison} is {CycleState(comparison.state).label}: it cannot be carried out")
    try:
        return _carry_out(comparison)
    except BaseException as error:
        comparison_fail(comparison_id=comparison_id, message=str(error) or type(error).__name__)
        raise


def comparison_fail(*, comparison_id: int, message: str) -> bool:
    """Note why a running comparison ended without a result; return False where it was over already."""
    return watched_fail(Comparison, comparison_id, message)


def comparisons_sweep(*, now: datetime) -> list[int]:
    """Fail the running comparisons that gave no sign of life for longer than the limit of cycles, and return them."""
    return watched_sweep(Comparison, now=now, again="compare again")


def _carry_out(comparison: Comparison) -> Comparison:
    notes = Notes(Comparison, comparison.pk)
    if comparison.old_cycle_id is not None and comparison.new_cycle_id is not None:
        notes("reading the decisions", 0.0)
        found = cycles_compare(old_cycle_id=comparison.old_cycle_id, new_cycle_id=comparison.new_cycle_id)
        return _keep(comparison, found, [], notes)
    new = _parsed(comparison, comparison.new_text, comparison.new_source)
    results: list[dict[str, Any]] = []
    if comparison.expectations:
        notes("testing the expectations", 0.0)
        results = _expectation_results(comparison, new)
    if not comparison.old_text:
        return _record(comparison, {}, results, "")
    notes("reading the inventory", 0.0)
    found = policies_compare(
        old=_parsed(comparison, comparison.old_text, comparison.old_source),
        new=new,
        now=comparison.clock,
        deletion_per_iteration=comparison.deletion_per_iteration,
        with_guardrails=comparison.with_guardrails,
        progress=notes,
    )
    return _keep(comparison, found, results, notes)


def _keep(comparison: Comparison, found: Changes, results: list[dict[str, Any]], notes: Notes) -> Comparison:
    """Write the changed replicas to a file and the sums to the row; without the row the file goes again."""
    notes("recording", 0.0)
    buffer = io.BytesIO()
    changed_replicas(found.changes).write_parquet(buffer, compression="zstd", row_group_size=50_000)
    summary = changes_summary(found.changes) | {"old_bytes": found.old_bytes, "new_bytes": found.new_bytes}
    name = default_storage.save(f"comparisons/comparison-{comparison.pk:08d}.parquet", ContentFile(buffer.getvalue()))
    try:
        return _record(comparison, summary, results, name)
    except BaseException:
        default_storage.delete(name)
        raise


@transaction.atomic
def _record(comparison: Comparison, summary: dict[str, Any], results: list[dict[str, Any]], changes_file: str) -> Comparison:
    """Complete the comparison, unless it was given up meanwhile."""
    locked = Comparison.objects.select_for_update(of=("self",)).get(pk=comparison.pk)
    if locked.state != CycleState.RUNNING:
        raise CycleLostError(f"{comparison} was given up while it was computed; its result is thrown away")
    locked.state, locked.finished_at, locked.stage = CycleState.COMPLETED, timezone.now(), ""
    locked.summary, locked.results, locked.changes_file = summary, results, changes_file
    locked.save()
    return locked


def _expectation_results(comparison: Comparison, new: PolicyText) -> list[dict[str, Any]]:
    results = policy_test(
        policy=new,
        expectations=expectations_parse(comparison.expectations, file_name="expectations"),
        now=comparison.clock,
        deletion_per_iteration=comparison.deletion_per_iteration,
    )
    return [result_row(result) for result in results]


def _parsed(comparison: Comparison, text: str, source: str) -> PolicyText:
    return parsed_policy(text, source, partition_name=comparison.partition.name)
