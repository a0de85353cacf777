"""One replica on its way down the stack: every rule in order, the values it saw, its outcome, the blocks it took.

The rules are asked through the evaluator's own nodes, so that an explanation cannot tell another story than the cycle.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from policies.evaluation.conditions import ConditionCompiler
from policies.evaluation.evaluator import UNDECIDED, AskedRule, ask_rule, is_off, threshold_of
from policies.evaluation.seen_values import SeenValue, see
from policies.evaluation.state import CycleState
from policies.evaluation.view import View
from policies.language.ast import And, Expression, Not, Operator, Or, Predicate, Rule


class RuleOutcome(Enum):
    """What came of a rule. ``OFF``: its label has expired, or the clock is outside its time window."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"
    NOT_REACHED = "not reached"
    OFF = "off"


#: Outcome by truth.
_OUTCOMES = (RuleOutcome.FALSE, RuleOutcome.UNKNOWN, RuleOutcome.TRUE)


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """One rule of the stack as it was asked.

    ``row`` is its place in the stack as applied; ``is_met`` tells whether the outcome counted as met (unknown does for Protect
    and Ignore); ``blocks`` names the blocks that it took or, when it ended the pass (``ends_pass``), decided.
    """

    row: int
    rule: Rule
    outcome: RuleOutcome
    is_met: bool = False
    ends_pass: bool = False
    values: tuple[SeenValue, ...] = ()
    blocks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StackTrace:
    """The whole stack for one replica in one state; ``deciding`` is the row of the rule that ended the pass."""

    rules: tuple[RuleTrace, ...]
    deciding: int


class StackTracer:
    """Runs single replicas down a stack and notes what each rule saw and did."""

    def __init__(self, rules: Sequence[Rule], compiler: ConditionCompiler, *, now: float) -> None:
        """*rules*: as applied, the default last; *now*: the cycle's clock, s since 1970, UTC."""
        self._rules = rules
        self._compiler = compiler
        self._now = now

    def trace(self, state: CycleState, replica: int) -> StackTrace:
        """Return the way of *replica* down the stack in *state*, which is not changed."""
        way = _Way(View(state, np.array([replica])))
        traces = tuple(self._ask(row, rule, way) for row, rule in enumerate(self._rules))
        return StackTrace(traces, int(way.final[0]))

    def _ask(self, row: int, rule: Rule, way: _Way) -> RuleTrace:
        if way.final[0] != UNDECIDED:
            return RuleTrace(row, rule, RuleOutcome.NOT_REACHED)
        blocks = way.blocks_of(UNDECIDED)
        if rule.condition is None:
            way.final[0] = row
            return RuleTrace(row, rule, RuleOutcome.TRUE, is_met=True, ends_pass=True, blocks=blocks)
        if is_off(rule, self._now):
            return RuleTrace(row, rule, RuleOutcome.OFF)
        expression = rule.condition.expression
        values = tuple(see(p, way.view, self._compiler, is_negated=negated) for p, negated in asked_predicates(expression))
        asked = AskedRule(row, self._compiler.expression(expression), rule.is_block, threshold_of(rule.action))
        index = np.zeros(1, dtype=np.int64)
        truth = asked.node.on_replicas(way.view, index)[0]
        ask_rule(asked, way.view, index, way.final, way.taken_by)
        ends_pass = bool(way.final[0] == row)
        return RuleTrace(
            row,
            rule,
            _OUTCOMES[int(truth)],
            is_met=bool(truth >= asked.threshold),
            ends_pass=ends_pass,
            values=values,
            blocks=blocks if ends_pass else way.blocks_of(row),
        )


class _Way:
    """How far one replica has come: the rule that ended its pass, and the rule that took each block."""

    def __init__(self, view: View) -> None:
        arrays = view.state.arrays
        names = arrays.snapshot.blocks.get_column("name")
        self.view = view
        self.final = np.full(1, UNDECIDED, dtype=np.int32)
        self.taken_by = np.full(len(view.rows), UNDECIDED, dtype=np.int32)
        self._names: list[str] = names.gather(arrays.row_block[view.rows]).to_list()

    def blocks_of(self, taker: int) -> tuple[str, ...]:
        return tuple(name for name, row in zip(self._names, self.taken_by.tolist(), strict=True) if row == taker)


def asked_predicates(expression: Expression) -> Iterator[tuple[Predicate, bool]]:
    """Yield the predicates from left to right, each with whether it reads ``not VARIABLE``."""
    match expression:
        case Predicate():
            yield expression, False
        case Not(operand=Predicate(operator=Operator.IS) as predicate):
            yield predicate, True
        case Not(operand=operand):
            yield from asked_predicates(operand)
        case And(operands=operands) | Or(operands=operands):
            for operand in operands:
                yield from asked_predicates(operand)
