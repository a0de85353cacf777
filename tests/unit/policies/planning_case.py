"""The engine's plan of a random cycle, brought to the shape in which the reference reports its own."""

from __future__ import annotations

from dataclasses import dataclass

from policies.evaluation.columns import Snapshot
from policies.evaluation.reference import ReferenceResult
from policies.planning.decisions import decision_rows
from policies.planning.outcome import GuardrailRule, Outcome
from policies.planning.planner import plan_cycle
from tests.factories.strategies import RandomCycle
from tests.golden.harness import row_texts
from tests.unit.policies.deciding import random_inputs

#: Site, dataset, blocks, step, line, bytes.
PlannedDeletion = tuple[str, str, tuple[str, ...], int, int, int]


@dataclass(frozen=True, slots=True)
class Comparable:
    """All of a cycle that must be the same, whoever decides it."""

    rows: tuple[str, ...]
    deletions: tuple[PlannedDeletion, ...]
    sites: tuple[tuple[str, int, bool, bool], ...]
    num_passes: int
    num_steps: int


def plan_random(case: RandomCycle) -> tuple[Outcome, Snapshot]:
    """Plan *case* with the engine."""
    inputs = random_inputs(case)
    inputs["guardrails"] = [GuardrailRule(found.name, found.condition) for found in inputs["guardrails"]]
    return plan_cycle(**inputs), inputs["snapshot"]


def planned_deletions(outcome: Outcome, snapshot: Snapshot) -> tuple[PlannedDeletion, ...]:
    """Return the deletions of *outcome* by name, in the order of the plan."""
    sites, datasets = snapshot.sites["name"], snapshot.datasets["name"]
    found = []
    for deletion in outcome.deletions:
        dataset, site = snapshot.replicas.select("dataset", "site").row(deletion.replica)
        rows = snapshot.block_replicas["block"].gather(deletion.block_replicas.tolist())
        blocks = tuple(sorted(snapshot.blocks["name"].gather(rows.to_list())))
        line = outcome.rules[deletion.rule].decision_line
        found.append((sites[site], datasets[dataset], blocks, deletion.step, line, deletion.size_bytes))
    return tuple(found)


def comparable_plan(outcome: Outcome, snapshot: Snapshot) -> Comparable:
    """Return what the engine decided, by name."""
    names = snapshot.sites["name"]
    return Comparable(
        rows=row_texts(decision_rows(outcome, snapshot)),
        deletions=planned_deletions(outcome, snapshot),
        sites=tuple((names[at.site], at.bytes_after, at.is_triggered, at.is_released) for at in outcome.target_sites),
        num_passes=outcome.num_passes,
        num_steps=outcome.num_steps,
    )


def comparable_reference(result: ReferenceResult) -> Comparable:
    """Return what the reference decided, by name."""
    after = result.bytes_after
    return Comparable(
        rows=tuple(result.lines()),
        deletions=tuple(
            (removal.site, removal.dataset, tuple(sorted(removal.blocks)), removal.step, removal.line, removal.size)
            for removal in result.removals
        ),
        sites=tuple((name, after[name], name in result.triggered, name in result.released) for name in result.targets),
        num_passes=result.num_passes,
        num_steps=result.num_steps,
    )
