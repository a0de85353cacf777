"""Asking what policies would decide, without a trace: explanations and comparisons on one snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import partial

import polars as pl

from policies.exceptions import PolicyError
from policies.language.ast import Policy
from policies.planning.decisions import decisions_frame
from policies.planning.explain import ReplicaExplanation, UnknownReplica, explain_replica
from policies.planning.planner import Progress, plan_cycle
from policies.selectors.partitions import PartitionScope, partition_scope
from policies.services.snapshots import scope_snapshot

#: Decision of a block replica that is in the scope of one of two policies only.
OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class Comparison:
    """How the decisions of two policies differ on one snapshot, a row per block replica that changes.

    ``changes``: site, dataset, block, bytes, old, new (words of decisions, ``outside`` where a policy does not see it), old_line,
    new_line. ``old_bytes`` and ``new_bytes``: bytes by word of decision.
    """

    changes: pl.DataFrame
    old_bytes: dict[str, int]
    new_bytes: dict[str, int]


def policy_explain(
    *, policy: Policy, dataset: str, site: str, now: datetime, deletion_per_iteration: float = 0.01
) -> ReplicaExplanation:
    """Return why *policy* would decide as it does about the replica of *dataset* at *site*, without guardrails, as in a test run.

    Raises `PolicyError` where the inventory has no such replica, and what `partition_scope` and the providers of facts raise.
    """
    scope = _scope(policy)
    taken = scope_snapshot([policy], scope, now=now)
    try:
        return explain_replica(
            policy,
            scope.conditions,
            taken.snapshot,
            now=now.timestamp(),
            dataset=dataset,
            site=site,
            deletion_per_iteration=deletion_per_iteration,
        )
    except UnknownReplica as error:
        raise PolicyError(str(error)) from error


def policies_compare(
    *, old: Policy, new: Policy, now: datetime, deletion_per_iteration: float = 0.01, progress: Progress | None = None
) -> Comparison:
    """Return which block replicas *new* decides differently from *old*, both on one snapshot with one clock, without guardrails.

    *progress* is told how far each of them is. Raises `PolicyError` where they work in different partitions, and what
    `partition_scope` and the providers raise.
    """
    if old.partition != new.partition:
        raise PolicyError(f"{old.file_name} works in the partition {old.partition}, {new.file_name} in {new.partition}")
    scope = _scope(old)
    taken = scope_snapshot([old, new], scope, now=now)
    planned = partial(
        plan_cycle,
        membership=scope.conditions,
        snapshot=taken.snapshot,
        now=now.timestamp(),
        deletion_per_iteration=deletion_per_iteration,
        progress=progress,
    )
    columns = ["site", "dataset", "block", "bytes", "decision", "line"]
    frames = [decisions_frame(planned(policy), taken.snapshot).select(columns) for policy in (old, new)]
    keys = ["site", "dataset", "block", "bytes"]
    names = [{"decision": word, "line": f"{word}_line"} for word in ("old", "new")]
    joined = frames[0].rename(names[0]).join(frames[1].rename(names[1]), on=keys, how="full", coalesce=True)
    joined = joined.with_columns(pl.col("old", "new").fill_null(OUTSIDE))
    changes = joined.filter(pl.col("old") != pl.col("new")).sort(keys)
    return Comparison(changes, *(_bytes(frame) for frame in frames))


def _bytes(frame: pl.DataFrame) -> dict[str, int]:
    return dict(frame.group_by("decision").agg(pl.col("bytes").sum()).sort("decision").iter_rows())


def _scope(policy: Policy) -> PartitionScope:
    if policy.partition is None:
        raise PolicyError(f"{policy.file_name} names no partition: name one beside it")
    return partition_scope(policy.partition)
