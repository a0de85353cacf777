"""What follows from a predicate, decided on its operator and value alone.

``implies`` and ``contradicts`` answer True only if it is so for every value of the variable and every clock. Exact:
numbers, enums, booleans, exact texts, shell patterns (see ``globs``). Times: absolute ones among each other, and pure
distances (``90 days ago``) among each other, months counted as 28 to 31 days. Regular expressions: the same one, and
exact texts that meet it. All else is answered False, which here means "not known".
"""

from __future__ import annotations

from dataclasses import dataclass

from policies.language import ast
from policies.language.ast import (
    EnumLiteral,
    ListLiteral,
    NumberLiteral,
    Operator,
    PatternLiteral,
    Predicate,
    Scalar,
    TextLiteral,
    TimeLiteral,
)
from policies.language.globs import are_disjoint, includes
from policies.language.matching import meets
from policies.language.times import Moment
from policies.language.types import ValueType

_NEGATIONS = {
    Operator.EQ: Operator.NE,
    Operator.MATCH: Operator.NOT_MATCH,
    Operator.LT: Operator.GE,
    Operator.GT: Operator.LE,
    Operator.IN: Operator.NOT_IN,
}
_NEGATIONS |= {after: before for before, after in _NEGATIONS.items()}
_STRICT_OF = {Operator.OLDER_THAN: Operator.LT, Operator.NEWER_THAN: Operator.GT}
_UPPER = (Operator.LT, Operator.LE)
_LOWER = (Operator.GT, Operator.GE)
_POSITIVE = (Operator.EQ, Operator.IN, Operator.MATCH)


@dataclass(frozen=True, slots=True)
class Atom:
    """A predicate of a conjunction, ``older_than`` and ``newer_than`` read as ``<`` and ``>``.

    ``truth`` is what a bare boolean is asked for; ``values`` are the elements of a list, else the one value.
    """

    key: tuple[str, str | None]
    type: ValueType
    operator: Operator
    values: tuple[Scalar, ...]
    truth: bool
    predicate: Predicate

    def negated(self) -> Atom:
        """Return the atom that holds exactly where this one does not (for one value of the variable)."""
        operator = _NEGATIONS.get(self.operator, self.operator)
        truth = not self.truth if self.operator is Operator.IS else self.truth
        return Atom(self.key, self.type, operator, self.values, truth, self.predicate)

    @property
    def is_positive(self) -> bool:
        """Tell whether the atom names the values that it takes, instead of those that it does not."""
        return self.operator in _POSITIVE


def atom(expression: ast.Expression) -> Atom | None:
    """Return the atom that *expression* is, None if it is no single predicate."""
    truth = not isinstance(expression, ast.Not)
    inner = expression.operand if isinstance(expression, ast.Not) else expression
    if not isinstance(inner, Predicate) or not (truth or inner.operator is Operator.IS):
        return None
    literal = inner.literal
    values = literal.elements if isinstance(literal, ListLiteral) else () if literal is None else (literal,)
    operator = _STRICT_OF.get(inner.operator, inner.operator)
    return Atom((inner.variable.name, inner.attribute), inner.variable.type, operator, values, truth, inner)


def disjuncts(expression: ast.Expression) -> list[list[Atom]] | None:
    """Return *expression* as an or of ands of atoms if it is written as one, else None."""
    branches = expression.operands if isinstance(expression, ast.Or) else (expression,)
    result: list[list[Atom]] = []
    for branch in branches:
        parts = branch.operands if isinstance(branch, ast.And) else (branch,)
        atoms = [found for part in parts if (found := atom(part)) is not None]
        if len(atoms) < len(parts):
            return None
        result.append(atoms)
    return result


def implies(first: Atom, second: Atom) -> bool:
    """Tell whether every value that meets *first* meets *second*; False if that is not so or not known."""
    if first.key != second.key:
        return False
    if first.operator is Operator.IS or second.operator is Operator.IS:
        return first.operator is second.operator and first.truth is second.truth
    if first.operator is Operator.IN:
        return bool(first.values) and all(_value_implies(value, second) for value in first.values)
    if first.operator is Operator.EQ:
        return _value_implies(first.values[0], second)
    if first.operator is Operator.MATCH:
        return second.operator is Operator.MATCH and _regex(first.values[0]) == _regex(second.values[0])
    if first.operator in (Operator.NE, Operator.NOT_IN, Operator.NOT_MATCH):
        return _exclusion_implies(first, second)
    return _bound_implies(first.operator, first.values[0], second)


def contradicts(first: Atom, second: Atom) -> bool:
    """Tell whether no value meets both; False if some does or it is not known."""
    if first.key != second.key:
        return False
    return implies(first, second.negated()) or implies(second, first.negated())


def is_impossible(candidate: Atom) -> bool:
    """Tell whether no value meets the atom alone: an empty list, or every word of an enum excluded."""
    if candidate.operator is Operator.IN:
        return not candidate.values
    if candidate.type is ValueType.ENUM and candidate.operator in (Operator.NE, Operator.NOT_IN):
        excluded = {value.value for value in candidate.values if isinstance(value, EnumLiteral)}
        return excluded >= set(candidate.predicate.variable.choices)
    return False


# --- from one value


def _value_implies(value: Scalar, second: Atom) -> bool:
    """Tell whether a variable that equals *value* (or meets it, if it is a pattern) meets *second*."""
    match second.operator:
        case Operator.EQ | Operator.IN:
            return any(_covers(other, value) for other in second.values)
        case Operator.NE | Operator.NOT_IN:
            return all(_excludes(other, value) for other in second.values)
        case Operator.MATCH | Operator.NOT_MATCH:
            pattern = second.values[0]
            if not isinstance(value, TextLiteral) or not isinstance(pattern, PatternLiteral):
                return False
            return meets(pattern, value.value) is (second.operator is Operator.MATCH)
        case _:
            bounds = _bounds(value)
            limit = _bounds(second.values[0])
            if bounds is None or limit is None or bounds[0] != limit[0]:
                return False
            return _compare(second.operator, bounds[1:], limit[1:])


def _covers(other: Scalar, value: Scalar) -> bool:
    """Tell whether ``== other`` takes all that ``== value`` takes."""
    if isinstance(value, TextLiteral | PatternLiteral) and isinstance(other, TextLiteral | PatternLiteral):
        if isinstance(value, TextLiteral):
            return value.value == other.value if isinstance(other, TextLiteral) else meets(other, value.value) is True
        return isinstance(other, PatternLiteral) and includes(other.text, value.text) is True
    return _same(other, value)


def _excludes(other: Scalar, value: Scalar) -> bool:
    """Tell whether ``== other`` and ``== value`` have nothing in common."""
    if isinstance(value, TextLiteral | PatternLiteral) and isinstance(other, TextLiteral | PatternLiteral):
        if isinstance(value, TextLiteral):
            return value.value != other.value if isinstance(other, TextLiteral) else meets(other, value.value) is False
        if isinstance(other, TextLiteral):
            return meets(value, other.value) is False
        return are_disjoint(other.text, value.text) is True
    if isinstance(value, EnumLiteral) and isinstance(other, EnumLiteral):
        return value.value != other.value
    first, second = _bounds(value), _bounds(other)
    if first is None or second is None or first[0] != second[0]:
        return False
    return first[2] < second[1] or second[2] < first[1]


def _same(first: Scalar, second: Scalar) -> bool:
    match first, second:
        case NumberLiteral(), NumberLiteral():
            return first.value == second.value
        case EnumLiteral(), EnumLiteral():
            return first.value == second.value
        case TimeLiteral(), TimeLiteral():
            return first.expression == second.expression
        case _:
            return False


# --- from an exclusion or a bound


def _exclusion_implies(first: Atom, second: Atom) -> bool:
    if first.operator is Operator.NOT_MATCH or second.operator is Operator.NOT_MATCH:
        return first.operator is second.operator and _regex(first.values[0]) == _regex(second.values[0])
    if second.operator in (Operator.NE, Operator.NOT_IN):
        return all(any(_covers(excluded, other) for excluded in first.values) for other in second.values)
    if first.type is ValueType.ENUM and second.is_positive:
        excluded = {value.value for value in first.values if isinstance(value, EnumLiteral)}
        allowed = {value.value for value in second.values if isinstance(value, EnumLiteral)}
        return set(first.predicate.variable.choices) - excluded <= allowed
    return False


def _bound_implies(operator: Operator, value: Scalar, second: Atom) -> bool:
    """Tell whether ``variable operator value`` implies *second*; the operator is one of ``< > <= >=``."""
    mine = _bounds(value)
    if mine is None:
        return False
    for other in second.values:
        theirs = _bounds(other)
        if theirs is None or theirs[0] != mine[0]:
            return False
        if second.operator in (Operator.NE, Operator.NOT_IN):
            outside = Operator.GE if operator is Operator.LT else Operator.LE if operator is Operator.GT else None
            strict = Operator.GT if operator in _UPPER else Operator.LT
            if not _compare(outside or strict, theirs[1:], mine[1:]):
                return False
        elif operator in _UPPER and second.operator in _UPPER:
            strict_needed = operator is Operator.LE and second.operator is Operator.LT
            if not _compare(Operator.LT if strict_needed else Operator.LE, mine[1:], theirs[1:]):
                return False
        elif operator in _LOWER and second.operator in _LOWER:
            strict_needed = operator is Operator.GE and second.operator is Operator.GT
            if not _compare(Operator.GT if strict_needed else Operator.GE, mine[1:], theirs[1:]):
                return False
        else:
            return False
    return bool(second.values)


def _compare(operator: Operator, left: tuple[float, float], right: tuple[float, float]) -> bool:
    """Tell whether the comparison holds wherever in their ranges the two sides lie."""
    match operator:
        case Operator.LT:
            return left[1] < right[0]
        case Operator.LE:
            return left[1] <= right[0]
        case Operator.GT:
            return left[0] > right[1]
        case _:
            return left[0] >= right[1]


def _bounds(value: Scalar) -> tuple[str, float, float] | None:
    """Return the scale of a number or time ("distance": from the clock) and the range that it lies in."""
    if isinstance(value, NumberLiteral):
        return "number", value.value, value.value
    if not isinstance(value, TimeLiteral) or not isinstance(value.expression, Moment):
        return None
    moment = value.expression
    if moment.epoch is not None or (moment.day is not None and moment.year is not None):
        resolved = moment.resolve(0)
        return "moment", resolved, resolved
    if moment.day is not None or moment.clock is not None or moment.weekday is not None or moment.zone_minutes is not None:
        return None
    if not moment.is_relative:
        return None
    exact = moment.days * 86400 + moment.seconds
    if moment.months == 0:
        return "distance", exact, exact
    years, months = divmod(abs(moment.months), 12)
    # The shortest and the longest that so many months can be, an overflow of up to three days included.
    shortest = years * 365 + months * 28 - (1 if years else 0)
    longest = years * 366 + months * 31 + 3
    low, high = (shortest, longest) if moment.months > 0 else (-longest, -shortest + 3)
    return "distance", exact + low * 86400, exact + high * 86400


def _regex(value: Scalar) -> str | None:
    return value.regex if isinstance(value, PatternLiteral) else None
