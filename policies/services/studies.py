"""Asking what policies would decide, without a trace: explanations and comparisons on one snapshot, and of cycles on record."""

from __future__ import annotations

from datetime import datetime
from typing import BinaryIO, cast

import polars as pl
from django.core.files.storage import default_storage

from policies.choices import CycleState
from policies.exceptions import PolicyError
from policies.language.ast import Policy
from policies.models import Cycle
from policies.planning.comparing import GONE, SIDE_COLUMNS, Comparison, decisions_compare
from policies.planning.decisions import decisions_frame
from policies.planning.evidence import read_decisions
from policies.planning.explain import ReplicaExplanation, UnknownReplica, explain_replica
from policies.planning.planner import Progress
from policies.services.scoped import scope_read


def policy_explain(
    *,
    policy: Policy,
    dataset: str,
    site: str,
    now: datetime,
    deletion_per_iteration: float = 0.01,
    with_guardrails: bool = False,
) -> ReplicaExplanation:
    """Return why *policy* would decide as it does about the replica of *dataset* at *site*.

    *with_guardrails*: protecting guardrails stand on top, as in a real cycle; else the text alone decides, as in most test runs.
    Raises `PolicyError` where the inventory has no such replica, and what `scope_read` raises.
    """
    read = scope_read([policy], now=now, with_guardrails=with_guardrails)
    try:
        return explain_replica(
            policy,
            read.scope.conditions,
            read.snapshot,
            now=now.timestamp(),
            dataset=dataset,
            site=site,
            deletion_per_iteration=deletion_per_iteration,
            guardrails=read.protecting,
        )
    except UnknownReplica as error:
        raise PolicyError(str(error)) from error


def policies_compare(
    *,
    old: Policy,
    new: Policy,
    now: datetime,
    deletion_per_iteration: float = 0.01,
    with_guardrails: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """Return which block replicas *new* decides differently from *old*, both on one snapshot with one clock.

    *with_guardrails*: protecting guardrails stand on top of both. *progress* is told how far each of them is. Raises what
    `scope_read` raises, as where they work in different partitions.
    """
    read = scope_read([old, new], now=now, with_guardrails=with_guardrails)
    sides = [
        decisions_frame(
            read.plan(policy, deletion_per_iteration=deletion_per_iteration, progress=progress), read.snapshot
        ).select(SIDE_COLUMNS)
        for policy in (old, new)
    ]
    return decisions_compare(*sides)


def cycles_compare(*, old_cycle_id: int, new_cycle_id: int) -> Comparison:
    """Return which block replicas one cycle decided differently from another, out of what both left on record.

    Each saw the inventory of its own time: a copy that came in between is ``outside`` of the old one, one that left is
    ``gone``. Raises what `comparable_cycles` raises.
    """
    old, new = comparable_cycles(old_cycle_id=old_cycle_id, new_cycle_id=new_cycle_id)
    return decisions_compare(_recorded(old), _recorded(new), without_new=GONE)


def comparable_cycles(*, old_cycle_id: int, new_cycle_id: int) -> tuple[Cycle, Cycle]:
    """Return the two cycles if they can be compared.

    Raises `PolicyError` where one of them does not exist, has not completed, is the other one, works in another partition, or has
    no record of its decisions any more.
    """
    found = {cycle.pk: cycle for cycle in Cycle.objects.select_related("partition").filter(pk__in=[old_cycle_id, new_cycle_id])}
    for pk in (old_cycle_id, new_cycle_id):
        if pk not in found:
            raise PolicyError(f"there is no cycle {pk}")
    old, new = found[old_cycle_id], found[new_cycle_id]
    if old.pk == new.pk:
        raise PolicyError(f"both are cycle {old.pk}: name two different cycles")
    if old.partition_id != new.partition_id:
        raise PolicyError(f"cycle {old.pk} works in the partition {old.partition}, cycle {new.pk} in {new.partition}")
    for cycle in (old, new):
        if cycle.state != CycleState.COMPLETED:
            raise PolicyError(f"cycle {cycle.pk} is {cycle.get_state_display()}: it has decided nothing")
        if not cycle.evidence_file or not default_storage.exists(cycle.evidence_file):
            raise PolicyError(
                f"what cycle {cycle.pk} saw is not kept any more (DYNAMO_EVIDENCE_DAYS), so that it cannot be compared by blocks"
            )
    return old, new


def _recorded(cycle: Cycle) -> pl.DataFrame:
    with default_storage.open(cycle.evidence_file) as stored:
        found = read_decisions(cast(BinaryIO, stored))
    if found is None:
        raise PolicyError(f"cycle {cycle.pk} was recorded before cycles could be compared: compare a later one")
    return found
