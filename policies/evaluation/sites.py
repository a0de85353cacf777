"""Site conditions: ``On``, ``When`` and ``Until``, asked of one site with the occupancy of the moment.

Source: language page, section 3 (site conditions).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import polars as pl

from policies.evaluation.inventory_arrays import InventoryArrays
from policies.evaluation.matching import SCALAR_COMPARISONS, compare_column, moment_or_number
from policies.language.ast import And, Condition, Constant, Expression, ListLiteral, Not, Operator, Or, Predicate
from policies.language.types import Truth

#: Answers for (row of the site, occupancy).
SiteTest = Callable[[int, float], bool]


def occupancy(size_bytes: int, quota_bytes: int) -> float:
    """Return the partition's occupancy of a site: infinite without a quota, 0 with an unlimited (negative) one."""
    if quota_bytes == 0:
        return math.inf
    return 0.0 if quota_bytes < 0 else size_bytes / quota_bytes


def any_of(conditions: Sequence[Condition], arrays: InventoryArrays, now: float) -> SiteTest:
    """Return a test that is true where one of *conditions* holds; several lines of a kind are ORed."""
    tests = [
        _test(condition.expression, arrays, now)
        for condition in conditions
        if condition.window is None or condition.window.contains(now)
    ]
    if len(tests) == 1:
        return tests[0]
    return lambda site, filling: any(test(site, filling) for test in tests)


def _test(expression: Expression, arrays: InventoryArrays, now: float) -> SiteTest:
    """Site variables are always known, so two truth values are enough here."""
    match expression:
        case Constant(value=value):
            return lambda _site, _filling: value
        case Not(operand=operand):
            inner = _test(operand, arrays, now)
            return lambda site, filling: not inner(site, filling)
        case And(operands=operands):
            parts = [_test(operand, arrays, now) for operand in operands]
            return lambda site, filling: all(part(site, filling) for part in parts)
        case Or(operands=operands):
            parts = [_test(operand, arrays, now) for operand in operands]
            return lambda site, filling: any(part(site, filling) for part in parts)
        case Predicate():
            return _predicate(expression, arrays, now)


def _predicate(predicate: Predicate, arrays: InventoryArrays, now: float) -> SiteTest:
    name = predicate.variable.name
    if name == "site.occupancy":
        return _occupancy(predicate, now)
    column: pl.Series = arrays.snapshot.sites.get_column(name.removeprefix("site."))
    holds: list[bool] = (compare_column(predicate, column, now) == Truth.TRUE.value).tolist()
    return lambda site, _filling: holds[site]


def _occupancy(predicate: Predicate, now: float) -> SiteTest:
    literal = predicate.literal
    if literal is None:
        raise TypeError(f"line {predicate.span.line}: site.occupancy needs a number to compare with")
    if isinstance(literal, ListLiteral):
        values = {moment_or_number(element, now) for element in literal.elements}
        wanted = predicate.operator is Operator.IN
        return lambda _site, filling: (filling in values) is wanted
    limit = moment_or_number(literal, now)
    compare = SCALAR_COMPARISONS[predicate.operator]
    return lambda _site, filling: compare(filling, limit)
