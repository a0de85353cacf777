"""The rule stack over any set of replicas at once: first match wins, block rules take their blocks out and the rest goes on.

Source: language page, sections 2 (block variables, unknown) and 5 (a pass).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policies.evaluation.conditions import ConditionCompiler, is_static_dataset_variable
from policies.evaluation.first_match import first_matches
from policies.evaluation.inventory_arrays import Ints
from policies.evaluation.matching import TRUE, UNKNOWN
from policies.evaluation.nodes import ConstantNode, Node
from policies.evaluation.state import CycleState
from policies.evaluation.view import View
from policies.language.ast import Rule, predicates
from policies.language.types import Action

#: Row of the stack of a block that no rule has decided.
UNDECIDED = -1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the stack says about some replicas in the state in which they were asked.

    - ``replicas``: rows of the snapshot; ``final_rule``: row of the stack of the rule that ended each one's pass;
    - ``rows``: their present block replicas, replica by replica; ``owner``: position in ``replicas`` of each;
    - ``rule``: row of the stack of the rule that took or decided each block;
    - ``hidden``: block rules had taken some blocks before the end.
    """

    replicas: Ints
    final_rule: NDArray[np.int32]
    rows: Ints
    owner: Ints
    rule: NDArray[np.int32]
    hidden: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _DatasetRun:
    """Consecutive rules that depend on the dataset alone: row of the first that matches each dataset, -1 = none."""

    first: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class AskedRule:
    """A rule that is asked by itself: its row of the stack, its condition, the least truth that counts as met."""

    row: int
    node: Node
    is_block: bool
    threshold: np.int8


def threshold_of(action: Action) -> np.int8:
    """Return the least truth that counts as met: unknown is enough to protect or ignore, never to delete or dismiss."""
    return UNKNOWN if action in {Action.PROTECT, Action.IGNORE} else TRUE


def is_off(rule: Rule, now: float) -> bool:
    """Tell whether the label of *rule* has expired or its time window excludes *now*."""
    if rule.label is not None and rule.label.is_expired(now):
        return True
    window = rule.condition.window if rule.condition is not None else None
    return window is not None and not window.contains(now)


def depends_on_dataset_alone(rule: Rule) -> bool:
    """Tell whether the rule's condition reads nothing but the dataset's own, unchanging attributes."""
    return rule.condition is not None and all(
        is_static_dataset_variable(p.variable) for p in predicates(rule.condition.expression)
    )


class StackEvaluator:
    """A compiled rule stack; ``evaluate`` answers for any replicas in the present state."""

    def __init__(self, rules: Sequence[Rule], compiler: ConditionCompiler, names: Sequence[str], now: float) -> None:
        """*rules*: the stack with the default last; *names*: of all datasets, by row; *now* in s since 1970, UTC."""
        self._default = len(rules) - 1
        self._stages: list[_DatasetRun | AskedRule] = []
        run: list[tuple[int, Rule]] = []
        for row, rule in enumerate(rules[:-1]):
            if rule.condition is None or is_off(rule, now):
                continue
            if depends_on_dataset_alone(rule):
                run.append((row, rule))
                continue
            if run:
                self._stages.append(_DatasetRun(first_matches(run, compiler, names)))
                run = []
            node = compiler.condition(rule.condition)
            threshold = threshold_of(rule.action)
            if not (isinstance(node, ConstantNode) and node.truth < threshold):
                self._stages.append(AskedRule(row, node, rule.is_block, threshold))
        if run:
            self._stages.append(_DatasetRun(first_matches(run, compiler, names)))

    def evaluate(self, state: CycleState, replicas: Ints) -> Verdict:
        """Return what the stack says about *replicas*, which must all exist in *state*; *state* is not changed."""
        view = View(state, replicas)
        final = np.full(len(replicas), UNDECIDED, dtype=np.int32)
        rule = np.full(len(view.rows), UNDECIDED, dtype=np.int32)
        active = np.arange(len(replicas))
        for stage in self._stages:
            if len(active) == 0:
                break
            if isinstance(stage, _DatasetRun):
                hit = stage.first[view.dataset[active]]
                is_hit = hit != UNDECIDED
                if is_hit.any():
                    final[active[is_hit]] = hit[is_hit]
                    active = active[~is_hit]
            else:
                active = ask_rule(stage, view, active, final, rule)
        final[active] = self._default
        is_open = rule == UNDECIDED
        rule[is_open] = final[view.owner[is_open]]
        return Verdict(replicas, final, view.rows, view.owner, rule, view.hidden)


def ask_rule(stage: AskedRule, view: View, active: Ints, final: NDArray[np.int32], rule: NDArray[np.int32]) -> Ints:
    """Ask one rule of the replicas *active*, note what it takes, and return those that go on to the next rule."""
    is_met = stage.node.on_replicas(view, active) >= stage.threshold
    if not is_met.any():
        return active
    met = active[is_met]
    if not stage.is_block:
        final[met] = stage.row
        return active[~is_met]
    rows, owner = view.visible_rows(met)
    is_taken = stage.node.on_rows(view, met, rows, owner) >= stage.threshold
    num_taken = np.bincount(owner[is_taken], minlength=len(met))
    takes_all = num_taken == np.bincount(owner, minlength=len(met))
    final[met[takes_all]] = stage.row
    is_hidden = is_taken & ~takes_all[owner]
    if is_hidden.any():
        rule[rows[is_hidden]] = stage.row
        view.hide(rows[is_hidden])
    if not takes_all.any():
        return active
    is_met[is_met] = takes_all
    return active[~is_met]
