"""Plan a small document with the engine, and say in tuples what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.evaluation.columns import Snapshot
from policies.language.ast import Condition, Policy
from policies.planning.decisions import decision_rows
from policies.planning.explain import ReplicaExplanation, explain_replica
from policies.planning.outcome import GuardrailRule, Outcome
from policies.planning.planner import plan_cycle
from tests.factories.inventories import PARTITIONS
from tests.factories.snapshots import NOW
from tests.golden.harness import cycle_inputs, parsed_guardrails

#: Four lines, so that the first rule of a test is line 5, as in the shared edge cases.
HEADER = "Partition {partition}\nOn site.name == *\nWhen always\nUntil never\n"
WATERMARKS = "Partition {partition}\nOn site.name == *\nWhen site.occupancy > 0.9\nUntil site.occupancy < 0.85\n"

#: Site, dataset, decision, line, blocks (``ALL`` or names joined by a blank).
Decided = tuple[str, str, str, int | None, str]


@dataclass(frozen=True)
class Planned:
    """A planned cycle with what it was planned from."""

    policy: Policy
    membership: tuple[Condition, ...]
    snapshot: Snapshot
    outcome: Outcome

    def decided(self) -> set[Decided]:
        """Return the rows of the decisions file as tuples; a ``reown`` row names its new owner after the decision."""
        found = set()
        for row in decision_rows(self.outcome, self.snapshot):
            blocks = row["blocks"] if isinstance(row["blocks"], str) else " ".join(row["blocks"])
            decision = f"reown {row['to']}" if row["decision"] == "reown" else row["decision"]
            found.add((row["site"], row["dataset"], decision, row["line"], blocks))
        return found

    def deletions(self) -> list[tuple[int, str, str]]:
        """Return step, site and dataset of every deletion, in the order of the plan."""
        sites, datasets = self.snapshot.sites["name"], self.snapshot.datasets["name"]
        replicas = self.snapshot.replicas.select("site", "dataset")
        places = [(deletion.step, *replicas.row(deletion.replica)) for deletion in self.outcome.deletions]
        return [(step, sites[site], datasets[dataset]) for step, site, dataset in places]


def plan(
    rules: str,
    document: Mapping[str, Any],
    *,
    partition: str = "P",
    partitions: str = PARTITIONS,
    header: str = HEADER,
    limit: float = 0.01,
    guardrails: Sequence[str] = (),
    now: float = NOW,
) -> Planned:
    """Return what the engine plans; *rules* follow the four lines of *header*, *guardrails* are conditions."""
    policy, membership, snapshot = cycle_inputs(partitions, header.format(partition=partition) + rules, document)
    rails = _guardrails(guardrails)
    outcome = plan_cycle(policy, membership, snapshot, now=now, deletion_per_iteration=limit, guardrails=rails)
    return Planned(policy, membership, snapshot, outcome)


def explain(
    rules: str,
    document: Mapping[str, Any],
    *,
    dataset: str,
    site: str,
    partition: str = "P",
    header: str = HEADER,
    guardrails: Sequence[str] = (),
) -> ReplicaExplanation:
    """Return why the replica of *dataset* at *site* is decided as it is."""
    policy, membership, snapshot = cycle_inputs(PARTITIONS, header.format(partition=partition) + rules, document)
    rails = _guardrails(guardrails)
    return explain_replica(policy, membership, snapshot, now=NOW, dataset=dataset, site=site, guardrails=rails)


def _guardrails(texts: Sequence[str]) -> list[GuardrailRule]:
    return [GuardrailRule(found.name, found.condition) for found in parsed_guardrails(texts)]
