"""The marks that a policy itself sets on the occupancy of a site: where deleting begins and where it ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from policies.language.ast import And, Condition, Expression, Not, NumberLiteral, Operator, Or, Predicate
from policies.language.parser import parse_policy

_ABOVE = (Operator.GT, Operator.GE)
_BELOW = (Operator.LT, Operator.LE)


@dataclass(frozen=True, slots=True)
class Watermarks:
    """Occupancies (1 = full) that the policy names: ``when`` begins, ``until`` ends; empty where it names none."""

    when: tuple[float, ...] = ()
    until: tuple[float, ...] = ()


NO_MARKS = Watermarks()


@lru_cache(maxsize=256)
def watermarks_of(text: str) -> Watermarks:
    """Return the marks of the policy *text*; none where the text does not parse or depends on something else."""
    # A campaign names its partition beside the text; for the marks it does not matter.
    policy = parse_policy(text, require_partition=False).policy
    if policy is None:
        return NO_MARKS
    return Watermarks(when=_marks(policy.triggers, _ABOVE), until=_marks(policy.stops, _BELOW))


def _marks(conditions: Iterable[Condition], operators: tuple[Operator, ...]) -> tuple[float, ...]:
    found = {
        predicate.literal.value
        for condition in conditions
        for predicate in _positive(condition.expression)
        if predicate.variable.name == "site.occupancy"
        and predicate.operator in operators
        and isinstance(predicate.literal, NumberLiteral)
    }
    return tuple(sorted(found))


def _positive(expression: Expression) -> Iterator[Predicate]:
    """Yield the predicates that are not negated: a negated mark is none."""
    match expression:
        case Predicate():
            yield expression
        case And(operands=operands) | Or(operands=operands):
            for operand in operands:
                yield from _positive(operand)
        case Not():
            return
