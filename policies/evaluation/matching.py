"""Truth of one predicate over a whole column at once, in three-valued logic.

Truth arrays are int8 with the values of ``Truth``: 0 false, 1 unknown, 2 true; so *and* is the minimum, *or* the
maximum and *not* ``2 - truth``. Texts are matched by Polars, whose regular expressions take linear time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

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
from policies.language.types import Truth

Truths = NDArray[np.int8]
Mask = NDArray[np.bool_]
Column = NDArray[Any]

FALSE = np.int8(Truth.FALSE.value)
UNKNOWN = np.int8(Truth.UNKNOWN.value)
TRUE = np.int8(Truth.TRUE.value)

_INT64 = np.iinfo(np.int64)

#: Operators that are the negation of another one.
_NEGATED = {Operator.NE: Operator.EQ, Operator.NOT_MATCH: Operator.MATCH, Operator.NOT_IN: Operator.IN}
#: On times the language has words for the strict comparisons.
_SAME_AS = {Operator.OLDER_THAN: Operator.LT, Operator.NEWER_THAN: Operator.GT}


def truths(holds: Mask, known: Mask | None = None) -> Truths:
    """Return true / false out of *holds*, and unknown where *known* is false (None: everything is known)."""
    result = holds.astype(np.int8) * TRUE
    if known is not None:
        result[~known] = UNKNOWN
    return result


def negated(values: Truths) -> Truths:
    """Return *not*, element by element."""
    return (TRUE - values).astype(np.int8)


def compare_column(predicate: Predicate, column: pl.Series, now: float) -> Truths:
    """Compare every element of *column* with the literal of *predicate*; null is unknown (but ``in []`` never holds).

    *now* (s since 1970, UTC) resolves times. The column has the variable's type: Boolean, number, or text
    (enum words in upper case).
    """
    is_empty_list = isinstance(predicate.literal, ListLiteral) and not predicate.literal.elements
    known = None if column.null_count() == 0 or is_empty_list else column.is_not_null().to_numpy()
    if column.dtype == pl.String:
        holds = _text_holds(predicate, column)
    elif column.dtype == pl.Boolean:
        holds = column.fill_null(value=False).to_numpy()
    else:
        holds = numbers_hold(predicate, column.fill_null(0).to_numpy(), now)
    if predicate.operator in _NEGATED:
        holds = ~holds
    return truths(holds, known)


def compare_numbers(predicate: Predicate, values: Column, now: float) -> Truths:
    """Compare known numbers or times (s since 1970, UTC) with the literal of *predicate*."""
    holds = numbers_hold(predicate, values, now)
    return truths(~holds if predicate.operator in _NEGATED else holds)


def compare_words(predicate: Predicate, words: pl.Series) -> Truths:
    """Compare known texts or enum words with the literal of *predicate*."""
    holds = _text_holds(predicate, words)
    return truths(~holds if predicate.operator in _NEGATED else holds)


def numbers_hold(predicate: Predicate, values: Column, now: float) -> Mask:
    """Tell where the positive form of *predicate* holds (``!=`` is answered as ``==``, ``notin`` as ``in``)."""
    operator = _NEGATED.get(predicate.operator, predicate.operator)
    operator = _SAME_AS.get(operator, operator)
    literal = predicate.literal
    if isinstance(literal, ListLiteral):
        holds = np.zeros(len(values), dtype=np.bool_)
        for element in literal.elements:
            holds |= _number_compare(Operator.EQ, values, moment_or_number(element, now))
        return holds
    if literal is None:
        raise TypeError(f"line {predicate.span.line}: {predicate.variable.name} needs a number or a time to compare with")
    return _number_compare(operator, values, moment_or_number(literal, now))


def moment_or_number(literal: Scalar, now: float) -> float:
    """Return the number that *literal* means at the clock *now*."""
    if isinstance(literal, NumberLiteral):
        return literal.value
    if isinstance(literal, TimeLiteral):
        return literal.expression.resolve(now)
    raise TypeError(f"{literal.text!r} is neither a number nor a time")


def _number_compare(operator: Operator, values: Column, limit: float) -> Mask:
    """Compare numbers; integers without rounding them to floats, because bytes go beyond 2**53."""
    low: float = limit
    high: float = limit
    if np.issubdtype(values.dtype, np.integer):
        low = min(max(math.floor(limit), _INT64.min), _INT64.max)
        high = min(max(math.ceil(limit), _INT64.min), _INT64.max)
    found: Mask
    match operator:
        case Operator.EQ:
            found = (values == low) & (low == high)
        case Operator.LT:
            found = values < high
        case Operator.GT:
            found = values > low
        case Operator.LE:
            found = values <= low
        case Operator.GE:
            found = values >= high
        case _:
            raise TypeError(f"operator {operator.value!r} does not compare numbers")
    return found


def _text_holds(predicate: Predicate, column: pl.Series) -> Mask:
    literal = predicate.literal
    if isinstance(literal, ListLiteral):
        holds = np.zeros(len(column), dtype=np.bool_)
        exact = [e.value for e in literal.elements if isinstance(e, TextLiteral | EnumLiteral)]
        if exact:
            holds |= _filled(column.is_in(exact))
        for element in literal.elements:
            if isinstance(element, PatternLiteral):
                holds |= matches(column, element.regex)
        return holds
    if isinstance(literal, PatternLiteral):
        return matches(column, literal.regex)
    if isinstance(literal, TextLiteral | EnumLiteral):
        return _filled(column == literal.value)
    raise TypeError(f"line {predicate.span.line}: {predicate.variable.name} is a text and cannot be compared with a number")


def matches(column: pl.Series, regex: str) -> Mask:
    """Tell which texts of *column* the regular expression *regex* is found in (it brings its own anchors)."""
    return _filled(column.str.contains(regex))


def _filled(holds: pl.Series) -> Mask:
    return holds.fill_null(value=False).to_numpy()


class Attributes:
    """The free-form metadata of all datasets, parsed once, compared by the type of the literal (language page, section 2)."""

    def __init__(self, texts: pl.Series) -> None:
        """*texts* holds one JSON object per dataset, or null where there is none."""
        self._count = len(texts)
        self._objects: dict[int, dict[str, object]] = {}
        for row, text in enumerate(texts.to_list()):
            if text is not None and text != "{}":
                parsed = json.loads(text)
                if isinstance(parsed, dict):
                    self._objects[row] = parsed

    def compare(self, predicate: Predicate, now: float) -> Truths:
        """Compare ``dataset.attr.KEY`` of every dataset; absent, or of another type than the literal, is unknown."""
        key = predicate.attribute or ""
        if isinstance(predicate.literal, ListLiteral) and not predicate.literal.elements:
            return np.full(self._count, FALSE if predicate.operator is Operator.IN else TRUE, dtype=np.int8)
        result = np.full(self._count, UNKNOWN, dtype=np.int8)
        for row, attributes in self._objects.items():
            if key in attributes:
                result[row] = _attribute_truth(predicate, attributes[key], now)
        return result

    def numbers(self, key: str) -> tuple[NDArray[np.float64], Mask]:
        """Return the values of *key* that are numbers, and where they are known."""
        values = np.zeros(self._count, dtype=np.float64)
        known = np.zeros(self._count, dtype=np.bool_)
        for row, attributes in self._objects.items():
            value = attributes.get(key)
            if isinstance(value, int | float) and not isinstance(value, bool):
                values[row] = value
                known[row] = True
        return values, known

    def value(self, row: int, key: str) -> object:
        """Return the value of *key* of the dataset in *row*, None where it is absent."""
        return self._objects.get(row, {}).get(key)


def _attribute_truth(predicate: Predicate, value: object, now: float) -> np.int8:
    literal = predicate.literal
    if literal is None:
        return _truth(holds=value) if isinstance(value, bool) else UNKNOWN
    if isinstance(literal, ListLiteral):
        found = max((_scalar_truth(Operator.EQ, element, value, now) for element in literal.elements), default=FALSE)
    else:
        found = _scalar_truth(_NEGATED.get(predicate.operator, predicate.operator), literal, value, now)
    return np.int8(TRUE - found) if predicate.operator in _NEGATED else found


def _scalar_truth(operator: Operator, literal: Scalar, value: object, now: float) -> np.int8:
    if isinstance(literal, NumberLiteral | TimeLiteral):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return UNKNOWN
        limit = moment_or_number(literal, now)
        compare = SCALAR_COMPARISONS[_SAME_AS.get(operator, operator)]
        return _truth(holds=compare(value, limit))
    if not isinstance(value, str):
        return UNKNOWN
    if isinstance(literal, PatternLiteral):
        return _truth(holds=bool(matches(pl.Series([value]), literal.regex)[0]))
    return _truth(holds=value == literal.value)


def _truth(*, holds: bool) -> np.int8:
    return TRUE if holds else FALSE


#: Scalar comparison of a site's number, for the conditions that the planner tests after every unit.
SCALAR_COMPARISONS: dict[Operator, Callable[[float, float], bool]] = {
    Operator.EQ: lambda value, limit: value == limit,
    Operator.NE: lambda value, limit: value != limit,
    Operator.LT: lambda value, limit: value < limit,
    Operator.GT: lambda value, limit: value > limit,
    Operator.LE: lambda value, limit: value <= limit,
    Operator.GE: lambda value, limit: value >= limit,
}
