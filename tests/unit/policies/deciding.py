"""Decide a small document with the reference, and say in tuples what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.evaluation.reference import ReferenceResult, decide
from policies.evaluation.reference.cycle import Guardrail
from tests.factories.inventories import PARTITIONS
from tests.factories.snapshots import NOW
from tests.factories.strategies import PARTITIONS as STRATEGY_PARTITIONS
from tests.factories.strategies import RandomCycle
from tests.golden.harness import cycle_inputs, parsed_guardrails, parsed_policy, partition_of

#: Site, dataset, decision, line, blocks (``ALL`` or names joined by a blank).
Decided = tuple[str, str, str, int | None, str]

#: Four lines, so that the first rule of a test is line 5, as in the shared edge cases.
HEADER = "Partition {partition}\nOn site.name == *\nWhen always\nUntil never\n"


def run(
    rules: str,
    document: Mapping[str, Any],
    *,
    partition: str = "P",
    partitions: str = PARTITIONS,
    header: str = HEADER,
    limit: float = 0.01,
    guardrails: Sequence[Guardrail] = (),
    now: float = NOW,
) -> ReferenceResult:
    """Return what the reference decides; *rules* follow the four lines of *header*."""
    policy, membership, snapshot = cycle_inputs(partitions, header.format(partition=partition) + rules, document)
    return decide(policy, membership, snapshot, now=now, deletion_per_iteration=limit, guardrails=guardrails)


def decided(result: ReferenceResult) -> set[Decided]:
    """Return the rows of *result* as tuples; a ``reown`` row names its new owner after the decision."""
    found = set()
    for row in result.rows:
        blocks = row["blocks"] if isinstance(row["blocks"], str) else " ".join(row["blocks"])
        decision = f"reown {row['to']}" if row["decision"] == "reown" else row["decision"]
        found.add((row["site"], row["dataset"], decision, row["line"], blocks))
    return found


def random_inputs(case: RandomCycle) -> dict[str, Any]:
    """Return what a cycle reads of *case*, as keyword arguments of ``decide`` and of the planner alike."""
    membership, _ = partition_of(STRATEGY_PARTITIONS, case.partition)
    return {
        "policy": parsed_policy(case.policy),
        "membership": membership,
        "snapshot": case.snapshot(),
        "now": NOW,
        "deletion_per_iteration": case.deletion_per_iteration,
        "guardrails": parsed_guardrails(case.guardrails),
    }


def decide_random(case: RandomCycle) -> ReferenceResult:
    """Decide *case* with the reference."""
    return decide(**random_inputs(case))
