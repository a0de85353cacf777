"""Guardrails: no plan may delete what meets their conditions, each deletion seen in the state that the earlier ones left."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from policies.evaluation.columns import Snapshot
from policies.evaluation.conditions import ConditionCompiler
from policies.evaluation.evaluator import StackEvaluator
from policies.evaluation.inventory_arrays import Ints, InventoryArrays
from policies.evaluation.matching import Mask
from policies.evaluation.membership import Membership
from policies.evaluation.state import CycleState
from policies.language.ast import Condition, Rule, predicates
from policies.language.types import Action
from policies.planning.outcome import Deletion, GuardrailRule, Outcome
from policies.planning.planner import empty_tape_replicas
from policies.services.limits import Reading

_EXAMPLES = 5


def judge_guardrails(outcome: Outcome, snapshot: Snapshot, guardrails: Sequence[GuardrailRule], *, now: float) -> list[Reading]:
    """Return a reading per guardrail: how many deletions of the plan meet its condition; any at all trips it.

    A condition that is unknown counts as met. What a replica-level variable says depends on the replicas of its own
    dataset alone, so the deletions of all datasets are replayed side by side, the n-th of each in the n-th round.
    """
    if not guardrails:
        return []
    arrays = InventoryArrays(snapshot)
    return [_reading(rail, _met(outcome, arrays, rail, now), arrays.snapshot) for rail in guardrails]


def rows_against_guardrails(
    outcome: Outcome, snapshot: Snapshot, guardrails: Sequence[GuardrailRule], *, now: float
) -> dict[int, str]:
    """Return the block replicas (rows of the snapshot) whose deletion meets a guardrail, with the first one's name."""
    found: dict[int, str] = {}
    arrays = InventoryArrays(snapshot)
    for rail in guardrails:
        for deletion in _met(outcome, arrays, rail, now):
            for row in deletion.block_replicas.tolist():
                found.setdefault(row, rail.name)
    return found


def _met(outcome: Outcome, arrays: InventoryArrays, rail: GuardrailRule, now: float) -> list[Deletion]:
    compiler = ConditionCompiler(arrays, now, newest_in_scope=float(arrays.row_time[outcome.in_scope].max(initial=0.0)))
    names = arrays.snapshot.datasets.get_column("name").to_list()
    stack = StackEvaluator(_stack(rail), compiler, names, now)
    variables = {p.variable.name for p in predicates(rail.condition.expression)}
    at_target = np.zeros(arrays.num_sites, dtype=np.bool_)
    at_target[[site.site for site in outcome.target_sites]] = True
    empty = empty_tape_replicas(arrays) & at_target[arrays.replica_site]
    state = CycleState(arrays, outcome.in_scope, empty, variables)
    met: list[Deletion] = []
    for deletions in _rounds(outcome, arrays):
        by_replica = {deletion.replica: deletion for deletion in deletions}
        replicas: Ints = np.array(sorted(by_replica), dtype=np.int64)
        verdict = stack.evaluate(state, replicas)
        met.extend(by_replica[int(replica)] for replica in replicas[verdict.final_rule == 0])
        state.remove(np.unique(np.concatenate([deletion.block_replicas for deletion in deletions])).astype(np.int64))
    return met


def _stack(rail: GuardrailRule) -> tuple[Rule, ...]:
    protect = Rule(Action.PROTECT, is_block=False, condition=rail.condition, line=-1, text=rail.condition.text)
    return (protect, Rule(Action.DELETE, is_block=False, condition=None, line=0, text="Delete"))


def _rounds(outcome: Outcome, arrays: InventoryArrays) -> list[list[Deletion]]:
    seen: dict[int, int] = {}
    rounds: list[list[Deletion]] = []
    for deletion in outcome.deletions:
        dataset = int(arrays.replica_dataset[deletion.replica])
        number = seen.get(dataset, 0)
        seen[dataset] = number + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(deletion)
    return rounds


def _reading(rail: GuardrailRule, met: Sequence[Deletion], snapshot: Snapshot) -> Reading:
    size_bytes = sum(deletion.size_bytes for deletion in met)
    text = f"{len(met)} deletions ({size_bytes:,} bytes) meet the guardrail {rail.name}: {rail.condition.text}"
    if met:
        shown = [_where(deletion, snapshot) for deletion in met[:_EXAMPLES]]
        text += f"; {', '.join(shown)}{' and more' if len(met) > _EXAMPLES else ''}"
    return Reading("guardrail", rail.name, float(len(met)), 0.0, bool(met), text)


def _where(deletion: Deletion, snapshot: Snapshot) -> str:
    dataset, site = snapshot.replicas.row(deletion.replica)
    return f"{snapshot.datasets.get_column('name')[dataset]} at {snapshot.sites.get_column('name')[site]}"


@dataclass(frozen=True, slots=True)
class GuardedScope:
    """A few datasets as they are now, seen as a cycle sees them; *target_sites* and *membership* are left out by who sees all.

    The snapshot was read from the database; *now*: s since 1970, UTC.
    """

    snapshot: Snapshot
    membership: tuple[Condition, ...]
    target_sites: frozenset[str] | None
    now: float

    def members(self) -> frozenset[int]:
        """Return the keys of the block replicas that are in the partition."""
        arrays = InventoryArrays(self.snapshot)
        return frozenset(_keys(self.snapshot)[self._is_member(arrays)].tolist())

    def in_scope(self, arrays: InventoryArrays) -> tuple[Mask, Mask]:
        """Return which block replicas are in the scope, and which replicas are at its sites."""
        names = arrays.site_names
        at_target = np.array([self.target_sites is None or name in self.target_sites for name in names], dtype=np.bool_)
        targeted: Mask = at_target[arrays.replica_site]
        return self._is_member(arrays) & targeted[arrays.row_replica], targeted

    def _is_member(self, arrays: InventoryArrays) -> Mask:
        if not self.membership:
            return np.ones(arrays.num_rows, dtype=np.bool_)
        return Membership(self.membership, arrays, self.now).members()


def replicas_against(
    scope: GuardedScope, keys: Sequence[int], guardrails: Sequence[GuardrailRule], *, going: Collection[int] = ()
) -> dict[int, str]:
    """Return those block replicas of *keys* whose replica meets a guardrail once *going* are gone, and which guardrail.

    Unknown counts as met. Keys that the snapshot does not have are not in the result.
    """
    if not guardrails or not keys:
        return {}
    arrays = InventoryArrays(scope.snapshot)
    in_scope, targeted = scope.in_scope(arrays)
    all_keys = _keys(scope.snapshot)
    wanted = np.flatnonzero(np.isin(all_keys, list(keys)))
    replicas: Ints = np.unique(arrays.row_replica[wanted]).astype(np.int64)
    removed = np.flatnonzero(np.isin(all_keys, list(going)) & in_scope).astype(np.int64)
    names = scope.snapshot.datasets.get_column("name").to_list()
    compiler = ConditionCompiler(arrays, scope.now, newest_in_scope=float(arrays.row_time[in_scope].max(initial=0.0)))
    found: dict[int, str] = {}
    for rail in guardrails:
        variables = {p.variable.name for p in predicates(rail.condition.expression)}
        state = CycleState(arrays, in_scope, empty_tape_replicas(arrays) & targeted, variables)
        state.remove(removed)
        verdict = StackEvaluator(_stack(rail), compiler, names, scope.now).evaluate(state, replicas)
        met = np.isin(arrays.row_replica[wanted], replicas[verdict.final_rule == 0])
        found |= {int(key): f"the guardrail {rail.name} forbids it: {rail.condition.text}" for key in all_keys[wanted[met]]}
    return found


def _keys(snapshot: Snapshot) -> Ints:
    if snapshot.block_replica_keys is None:
        raise ValueError("the snapshot has no keys of block replicas: it was not read from the database")
    return snapshot.block_replica_keys.to_numpy()
