"""Decide a small document with the reference, and say in tuples what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from policies.evaluation.reference import ReferenceResult, decide
from policies.evaluation.reference.cycle import Guardrail
from tests.factories.inventories import PARTITIONS
from tests.factories.snapshots import NOW
from tests.golden.harness import cycle_inputs

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
