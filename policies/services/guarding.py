"""Guardrails: no plan may delete what meets their conditions, each deletion seen in the state that the earlier ones left."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from policies.evaluation.columns import Snapshot
from policies.evaluation.conditions import ConditionCompiler
from policies.evaluation.evaluator import StackEvaluator
from policies.evaluation.inventory_arrays import Ints, InventoryArrays
from policies.evaluation.state import CycleState
from policies.language.ast import Rule, predicates
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
    return [_judge(outcome, arrays, rail, now) for rail in guardrails]


def _judge(outcome: Outcome, arrays: InventoryArrays, rail: GuardrailRule, now: float) -> Reading:
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
    return _reading(rail, met, arrays.snapshot)


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
