"""Conditions decided by three-valued logic, one value at a time (language page, section 2).

The caller says which values a predicate has to look at: one for a variable of a site, a dataset or a replica, one for
each visible block for a ``blockreplica`` variable. A predicate is true if it is true for any of them.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache

from policies.language.ast import (
    And,
    Condition,
    Constant,
    EnumLiteral,
    Expression,
    ListLiteral,
    Literal,
    Not,
    NumberLiteral,
    Operator,
    Or,
    PatternLiteral,
    Predicate,
    Scalar,
    TextLiteral,
    TimeLiteral,
)
from policies.language.types import Truth

FALSE, UNKNOWN, TRUE = Truth.FALSE, Truth.UNKNOWN, Truth.TRUE

#: Gives the values that a predicate looks at; None is unknown.
Values = Callable[[Predicate], Iterable[object]]


@dataclass
class Clock:
    """The cycle's clock; each time expression is resolved once per cycle (section 2, Time)."""

    now: float
    moments: dict[str, float] = field(default_factory=dict)

    def moment(self, literal: TimeLiteral) -> float:
        if literal.text not in self.moments:
            self.moments[literal.text] = literal.expression.resolve(self.now)
        return self.moments[literal.text]


def truth_of_condition(condition: Condition, values: Values, clock: Clock) -> Truth:
    """Decide *condition*; outside its time window it is false, whatever it says [108-111]."""
    if condition.window is not None and not condition.window.contains(clock.now):
        return FALSE
    return truth_of(condition.expression, values, clock)


def truth_of(expression: Expression, values: Values, clock: Clock) -> Truth:
    """Decide *expression*. ``not VAR`` is a predicate of its own: "some block is not" [17]; other ``not`` negate."""
    match expression:
        case Constant(value=value):
            return TRUE if value else FALSE
        case Predicate():
            return any_of(compare(expression, value, clock) for value in values(expression))
        case Not(operand=Predicate(operator=Operator.IS) as predicate):
            return any_of(negate(compare(predicate, value, clock)) for value in values(predicate))
        case Not(operand=operand):
            return negate(truth_of(operand, values, clock))
        case And(operands=operands):
            return all_of(truth_of(operand, values, clock) for operand in operands)
        case Or(operands=operands):
            return any_of(truth_of(operand, values, clock) for operand in operands)


def negate(truth: Truth) -> Truth:
    """Three-valued not."""
    if truth is UNKNOWN:
        return UNKNOWN
    return FALSE if truth is TRUE else TRUE


def any_of(truths: Iterable[Truth]) -> Truth:
    """Three-valued or; of nothing it is false [102: block predicates of an empty replica]."""
    result = FALSE
    for truth in truths:
        if truth is TRUE:
            return TRUE
        if truth is UNKNOWN:
            result = UNKNOWN
    return result


def all_of(truths: Iterable[Truth]) -> Truth:
    """Three-valued and; of nothing it is true."""
    result = TRUE
    for truth in truths:
        if truth is FALSE:
            return FALSE
        if truth is UNKNOWN:
            result = UNKNOWN
    return result


def compare(predicate: Predicate, value: object, clock: Clock) -> Truth:
    """Compare one value; unknown stays unknown, but ``in []`` is never and ``notin []`` always met [30]."""
    operator, literal = predicate.operator, predicate.literal
    if operator is Operator.IS or literal is None:
        if not isinstance(value, bool):
            return UNKNOWN
        return TRUE if value else FALSE
    if isinstance(literal, ListLiteral):
        found = any_of(_equal(predicate, value, element, clock) for element in literal.elements)
        return found if operator is Operator.IN else negate(found)
    match operator:
        case Operator.EQ:
            return _equal(predicate, value, literal, clock)
        case Operator.NE:
            return negate(_equal(predicate, value, literal, clock))
        case Operator.MATCH:
            return _matches(value, literal)
        case Operator.NOT_MATCH:
            return negate(_matches(value, literal))
        case Operator.LT | Operator.OLDER_THAN:
            return _less(value, literal, clock)
        case Operator.GT | Operator.NEWER_THAN:
            return _greater(value, literal, clock)
        case Operator.LE:
            return negate(_greater(value, literal, clock))
        case Operator.GE:
            return negate(_less(value, literal, clock))
        case _:
            raise ValueError(f"operator {operator.value!r} does not compare with {literal.text!r}")


def _equal(predicate: Predicate, value: object, literal: Scalar, clock: Clock) -> Truth:
    if isinstance(literal, NumberLiteral | TimeLiteral):
        known, wanted = _number(value), _wanted(literal, clock)
        return UNKNOWN if known is None else _truth(known == wanted)
    if not isinstance(value, str):
        return UNKNOWN
    match literal:
        case PatternLiteral(glob=str() as glob):
            # Whole text; ``*`` and ``?`` also match ``/``; sets count, since a wildcard is there too [23-26].
            return _truth(fnmatch.fnmatchcase(value, glob))
        case TextLiteral(value=wanted_text) | EnumLiteral(value=wanted_text):
            return _truth(value == wanted_text)
        case _:
            raise ValueError(f"{predicate.variable.name} cannot be equal to {literal.text!r}")


def _matches(value: object, literal: Literal) -> Truth:
    """``=~``: Python's syntax, anchored at the start only; ``$`` also matches before a final newline [21]."""
    if not isinstance(value, str):
        return UNKNOWN
    return _truth(_compiled(literal.text).match(value) is not None)


def _less(value: object, literal: Literal, clock: Clock) -> Truth:
    known = _number(value)
    return UNKNOWN if known is None else _truth(known < _wanted(literal, clock))


def _greater(value: object, literal: Literal, clock: Clock) -> Truth:
    known = _number(value)
    return UNKNOWN if known is None else _truth(known > _wanted(literal, clock))


def _number(value: object) -> float | int | None:
    """Return *value* if it is a number; a bool or a text beside a number is a mismatch, so unknown (``dataset.attr``)."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _wanted(literal: Literal, clock: Clock) -> float:
    match literal:
        case NumberLiteral(value=value):
            return value
        case TimeLiteral():
            return clock.moment(literal)
        case _:
            raise ValueError(f"{literal.text!r} is neither a number nor a time")


def _truth(holds: bool) -> Truth:
    return TRUE if holds else FALSE


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
