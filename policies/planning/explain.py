"""Why a replica stays or goes: each rule with the values it saw, then what the planner did with it and why.

The cycle is planned again with the replica under watch, so an explanation is that of the plan and not a second opinion.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from policies.evaluation.columns import Snapshot
from policies.evaluation.conditions import ConditionCompiler
from policies.evaluation.explain import StackTrace, StackTracer
from policies.evaluation.inventory_arrays import InventoryArrays
from policies.evaluation.restriction import DatasetExtract, extract_dataset
from policies.evaluation.state import CycleState
from policies.language.ast import Condition, Policy
from policies.language.checker import ConditionKind
from policies.language.parser import parse_condition
from policies.planning.decisions import WORDS
from policies.planning.evidence import DatasetEvidence, deletion_numbers
from policies.planning.outcome import NOT_HANDED_OVER, Decision, GuardrailRule, Outcome
from policies.planning.planner import applied_rules, plan_cycle, variables_of
from policies.planning.replay import replay_dataset
from policies.planning.story import planner_story
from policies.planning.watching import Sighting, Watch


class UnknownReplica(LookupError):
    """The snapshot holds no replica of the dataset at the site; the message says which of the two is unknown."""


@dataclass(frozen=True, slots=True)
class BlockDecision:
    """Final decision of one block replica: a word of ``WORDS``, the line (None: undecided) and, if handed over, to whom."""

    block: str
    size_bytes: int
    decision: str
    line: int | None
    new_owner: str | None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One evaluation that counted: the stack as the replica saw it, and the blocks whose final decision it made.

    ``num_deletions``: how many deletions of the dataset the plan had before it.
    """

    stack: StackTrace
    blocks: tuple[str, ...]
    num_deletions: int


@dataclass(frozen=True, slots=True)
class ReplicaExplanation:
    """What happened to a replica and why.

    ``evaluations`` are in the order of the cycle, the last one is the replica's last; they are more than one where its blocks
    were decided at different times, and none where the replica is outside the cycle. ``planner`` says in sentences
    what the planner did and why; ``num_site_deletions``: how many deletions the plan has at the replica's site.
    """

    dataset: str
    site: str
    evaluations: tuple[Evaluation, ...]
    blocks: tuple[BlockDecision, ...]
    planner: tuple[str, ...]
    num_site_deletions: int = 0


def explain_replica(
    policy: Policy,
    membership: tuple[Condition, ...],
    snapshot: Snapshot,
    *,
    now: float,
    dataset: str,
    site: str,
    deletion_per_iteration: float = 0.01,
    guardrails: Sequence[GuardrailRule] = (),
) -> ReplicaExplanation:
    """Return why the replica of *dataset* at *site* is decided as it is; the other arguments are those of ``plan_cycle``.

    Raises:
        UnknownReplica: the snapshot holds no such replica.
        MissingColumn: the policy names a fact that the snapshot does not hold.
    """
    replica, dataset_row = find_replica(snapshot, dataset, site)
    extract = extract_dataset(snapshot, dataset_row)
    watch = Watch(replica, extract.replicas, extract.rows)
    outcome = plan_cycle(
        policy,
        membership,
        snapshot,
        now=now,
        deletion_per_iteration=deletion_per_iteration,
        guardrails=guardrails,
        watch=watch,
    )
    return _told(
        policy, guardrails, snapshot, extract, outcome, watch=watch, now=now, numbers=deletion_numbers(outcome, snapshot)
    )


def explain_recorded(policy: Policy, evidence: DatasetEvidence, *, now: float, dataset: str, site: str) -> ReplicaExplanation:
    """Return what ``explain_replica`` would have said as the cycle of *evidence* ran, without anything but its own dataset.

    *policy* and *now* must be those of the cycle. Raises:
        UnknownReplica: the cycle saw no such replica.
    """
    replica, dataset_row = find_replica(evidence.snapshot, dataset, site)
    extract = extract_dataset(evidence.snapshot, dataset_row)
    watch = Watch(replica, extract.replicas, extract.rows)
    membership = tuple(_condition(text, "partition") for text in evidence.conditions)
    guardrails = [GuardrailRule(name, _condition(text, "replica")) for name, text in evidence.guardrails]
    outcome = replay_dataset(policy, membership, evidence, now=now, guardrails=guardrails, watch=watch)
    of_replica = iter(evidence.numbers.get(replica, ()))
    numbers = [next(of_replica, 0) if deletion.replica == replica else 0 for deletion in outcome.deletions]
    return _told(policy, guardrails, evidence.snapshot, extract, outcome, watch=watch, now=now, numbers=numbers)


def _condition(text: str, kind: ConditionKind) -> Condition:
    condition, findings = parse_condition(text, kind=kind)
    if condition is None:
        raise ValueError(f"a recorded condition does not parse any more: {text!r}: {findings[0].message}")
    return condition


def _told(
    policy: Policy,
    guardrails: Sequence[GuardrailRule],
    snapshot: Snapshot,
    extract: DatasetExtract,
    outcome: Outcome,
    *,
    watch: Watch,
    now: float,
    numbers: Sequence[int],
) -> ReplicaExplanation:
    """Tell the outcome for the watched replica; *numbers*: of each deletion among those of its site."""
    replica = watch.replica
    dataset_row, site_row = snapshot.replicas.select("dataset", "site").row(replica)
    rows = extract.rows[snapshot.block_replicas.get_column("replica").to_numpy()[extract.rows] == replica]
    in_scope = rows[outcome.in_scope[rows]]
    replay = _Replay(policy, guardrails, extract, replica=replica, newest=outcome.newest_in_scope, now=now)
    names = snapshot.blocks.get_column("name").gather(snapshot.block_replicas.get_column("block").gather(rows)).to_list()
    name_of = dict(zip(rows.tolist(), names, strict=True))
    evaluations = tuple(
        Evaluation(replay.trace(sighting), tuple(name_of[row] for row in decided.tolist()), sighting.num_deletions)
        for sighting, decided in watch.deciding(in_scope)
    )
    first = replay.trace(watch.sightings[0]) if watch.sightings else None
    return ReplicaExplanation(
        dataset=str(snapshot.datasets.get_column("name")[dataset_row]),
        site=str(snapshot.sites.get_column("name")[site_row]),
        evaluations=evaluations,
        blocks=tuple(_block_decision(row, name_of[row], snapshot, outcome) for row in in_scope.tolist()),
        planner=planner_story(
            policy, snapshot, outcome, replica, first=first, num_evaluations=len(watch.sightings), numbers=numbers
        ),
        num_site_deletions=next((found.num_deletions for found in outcome.target_sites if found.site == site_row), 0),
    )


def find_replica(snapshot: Snapshot, dataset: str, site: str) -> tuple[int, int]:
    """Return the rows of the replica and of its dataset.

    Raises:
        UnknownReplica: the dataset, the site or the replica is not in the snapshot.
    """
    dataset_row = snapshot.datasets.get_column("name").index_of(dataset)
    site_row = snapshot.sites.get_column("name").index_of(site)
    if dataset_row is None:
        raise UnknownReplica(f"the inventory has no dataset {dataset}")
    if site_row is None:
        raise UnknownReplica(f"the inventory has no site {site}")
    replicas = snapshot.replicas.select("dataset", "site").to_numpy()
    found = np.flatnonzero((replicas[:, 0] == dataset_row) & (replicas[:, 1] == site_row))
    if len(found) == 0:
        raise UnknownReplica(f"{site} holds no replica of {dataset}")
    return int(found[0]), int(dataset_row)


class _Replay:
    """Asks the stack of the watched replica again, in the states in which the cycle asked it."""

    def __init__(
        self,
        policy: Policy,
        guardrails: Sequence[GuardrailRule],
        extract: DatasetExtract,
        *,
        replica: int,
        newest: float,
        now: float,
    ) -> None:
        self._arrays = InventoryArrays(extract.snapshot)
        self._variables = variables_of(policy, guardrails)
        self._replica = int(np.searchsorted(extract.replicas, replica))
        compiler = ConditionCompiler(self._arrays, now, newest_in_scope=newest)
        self._tracer = StackTracer(applied_rules(policy, guardrails), compiler, now=now)

    def trace(self, sighting: Sighting) -> StackTrace:
        state = CycleState(self._arrays, sighting.present, sighting.empty, self._variables)
        changed = np.flatnonzero(sighting.present & (sighting.group != self._arrays.row_group))
        if len(changed):
            state.hand_over(changed, sighting.group[changed].astype(np.int64))
        return self._tracer.trace(state, self._replica)


def _block_decision(row: int, name: str, snapshot: Snapshot, outcome: Outcome) -> BlockDecision:
    rule = int(outcome.rule[row])
    owner = int(outcome.new_owner[row])
    return BlockDecision(
        block=name,
        size_bytes=int(snapshot.block_replicas.get_column("size")[row]),
        decision=WORDS[Decision(int(outcome.decision[row]))],
        line=None if rule < 0 else outcome.rules[rule].decision_line,
        new_owner=None if owner == NOT_HANDED_OVER else str(snapshot.groups.get_column("name")[owner]),
    )
