"""The checked syntax tree of a policy: immutable, typed, with the place of every token.

The parser builds it statement by statement, the checker resolves variables and literals; what leaves
``policies.language.parser.parse_policy`` needs no further look at the text. Times stay expressions: only the
cycle knows the clock that resolves them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Protocol

from policies.language.types import Action
from policies.language.variables import Variable

#: In ``PatternLiteral.regex`` a literal dollar sign is always escaped, so a bare one is the end of the text.
_ESCAPE_OR_END = re.compile(r"\\.|\$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Span:
    """Place of a token: 1-based line and columns, ``end_column`` exclusive, counted in characters."""

    line: int
    column: int
    end_column: int


class Operator(Enum):
    """Comparison of a predicate. ``IS`` is the bare boolean variable."""

    IS = ""
    EQ = "=="
    NE = "!="
    MATCH = "=~"
    NOT_MATCH = "!=~"
    LT = "<"
    GT = ">"
    LE = "<="
    GE = ">="
    OLDER_THAN = "older_than"
    NEWER_THAN = "newer_than"
    IN = "in"
    NOT_IN = "notin"


class TimeExpression(Protocol):
    """A moment in the language's words (``90 days ago``)."""

    @property
    def text(self) -> str: ...

    def resolve(self, now: float) -> float:
        """Return the moment in seconds since 1970, UTC, for the cycle's clock *now* (same unit)."""
        ...


@dataclass(frozen=True, slots=True)
class NumberLiteral:
    """A number in the unit of its variable (bytes, fraction, seconds or none)."""

    value: float
    text: str


@dataclass(frozen=True, slots=True)
class TimeLiteral:
    """A moment that the cycle's clock resolves."""

    expression: TimeExpression
    text: str


@dataclass(frozen=True, slots=True)
class EnumLiteral:
    """An upper-case word out of the variable's ``choices``."""

    value: str
    text: str


@dataclass(frozen=True, slots=True)
class TextLiteral:
    """A text that must be equal."""

    value: str
    text: str


@dataclass(frozen=True, slots=True)
class PatternLiteral:
    """A pattern for text, as one regular expression that a linear-time engine (Rust ``regex``) and Python's ``re`` read alike.

    ``regex`` is complete: shell patterns are anchored at both ends (``^(?s:...)$``), ``=~`` texts at the start only.
    Rust's ``regex`` runs it as it is; in Python call ``matches`` (or search ``python_regex``), never with an implicit anchor.
    ``glob`` holds the shell pattern when it was one.
    """

    regex: str
    text: str
    glob: str | None = None

    @property
    def python_regex(self) -> str:
        """Return ``regex`` for Python's ``re``, whose ``$`` would match before a final newline too (Rust's does not)."""
        return _ESCAPE_OR_END.sub(lambda found: r"\Z" if found[0] == "$" else found[0], self.regex)

    def matches(self, value: str) -> bool:
        """Tell whether *value* matches, in Python; the reference for every faster way."""
        return re.search(self.python_regex, value) is not None


Scalar = NumberLiteral | TimeLiteral | EnumLiteral | TextLiteral | PatternLiteral


@dataclass(frozen=True, slots=True)
class ListLiteral:
    """Elements of ``in [...]``; an empty list is never met."""

    elements: tuple[Scalar, ...]
    text: str


Literal = Scalar | ListLiteral


@dataclass(frozen=True, slots=True)
class Predicate:
    """``VARIABLE OPERATOR LITERAL``; ``literal`` is None for ``Operator.IS`` alone.

    ``attribute`` is the KEY of ``dataset.attr.KEY``, else None.
    """

    variable: Variable
    operator: Operator
    literal: Literal | None
    span: Span
    attribute: str | None = None


@dataclass(frozen=True, slots=True)
class Constant:
    """``always`` or ``never``, in site conditions alone."""

    value: bool
    span: Span


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Expression, ...]
    span: Span


Expression = Predicate | Constant | Not | And | Or


@dataclass(frozen=True, slots=True)
class Window:
    """``until DATE`` / ``from DATE`` at the end of a condition: outside it (ends inclusive) the condition is false."""

    not_before: TimeLiteral | None = None
    not_after: TimeLiteral | None = None

    def contains(self, now: float) -> bool:
        """Tell whether the clock *now* (s since 1970, UTC) lies inside, both ends included."""
        if self.not_before is not None and now < self.not_before.expression.resolve(now):
            return False
        return self.not_after is None or now <= self.not_after.expression.resolve(now)


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression with an optional time window; ``text`` is the source of the condition, blanks folded."""

    expression: Expression
    span: Span
    text: str
    window: Window | None = None


@dataclass(frozen=True, slots=True)
class Label:
    """``@name(owner=..., reason=..., expires=YYYY-MM-DD)`` of a rule; after the end of ``expires`` (UTC) the rule is off."""

    name: str
    owner: str | None = None
    reason: str | None = None
    expires: date | None = None

    def is_expired(self, now: float) -> bool:
        """Tell whether the day ``expires`` has ended at *now* (s since 1970, UTC)."""
        if self.expires is None:
            return False
        end_of_day = (self.expires.toordinal() + 1 - date(1970, 1, 1).toordinal()) * 86400
        return now >= end_of_day


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the stack, or the default (``is_default``, ``condition`` None).

    ``line`` counts all lines of the text from 1; decisions of the default are reported as line 0. ``allows_last_copy``: what
    the rule deletes may be the last copy anywhere; no decision depends on it.
    """

    action: Action
    is_block: bool
    condition: Condition | None
    line: int
    text: str
    label: Label | None = None
    allows_last_copy: bool = False

    @property
    def is_default(self) -> bool:
        return self.condition is None

    @property
    def decision_line(self) -> int:
        """Line as decisions report it: 0 for the default (data page)."""
        return 0 if self.condition is None else self.line


@dataclass(frozen=True, slots=True)
class OrderKey:
    """One variable of ``Order``, number or time."""

    variable: Variable
    descending: bool
    attribute: str | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy. ``partition`` is None where the text leaves it to the caller (campaigns).

    ``lines`` are those of the text, for showing places in it; like the file's name they do not count in comparisons.
    """

    partition: str | None
    targets: tuple[Condition, ...]
    triggers: tuple[Condition, ...]
    stops: tuple[Condition, ...]
    rules: tuple[Rule, ...]
    default: Rule
    order: tuple[OrderKey, ...] = ()
    is_static: bool = False
    file_name: str = field(default="<policy>", compare=False)
    lines: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def conditions(self) -> Iterator[Condition]:
        """Yield every condition of the text in the order target, trigger, stop, rules."""
        yield from self.targets
        yield from self.triggers
        yield from self.stops
        for rule in self.rules:
            if rule.condition is not None:
                yield rule.condition

    def variables(self) -> frozenset[Variable]:
        """Return every variable that the text names, ``Order`` included."""
        found = {predicate.variable for c in self.conditions() for predicate in predicates(c.expression)}
        return frozenset(found | {key.variable for key in self.order})

    def facts(self) -> frozenset[str]:
        """Return the names of the fact feeds that deciding this policy needs."""
        return frozenset(v.fact for v in self.variables() if v.fact is not None)


@dataclass(frozen=True, slots=True)
class PartitionDefinition:
    """``NAME: CONDITION`` or, for a superpartition, ``NAME: [A, B]`` (then ``condition`` is None)."""

    name: str
    condition: Condition | None
    parts: tuple[str, ...]
    line: int


def predicates(expression: Expression) -> Iterator[Predicate]:
    """Yield the predicates of *expression* from left to right."""
    match expression:
        case Predicate():
            yield expression
        case Not(operand=operand):
            yield from predicates(operand)
        case And(operands=operands) | Or(operands=operands):
            for operand in operands:
                yield from predicates(operand)
