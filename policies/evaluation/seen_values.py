"""The values that a condition saw of one replica, in words: what an explanation shows beside each predicate."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from policies.evaluation.columns import NOBODY, NOBODY_NAME
from policies.evaluation.conditions import CHANGING_NUMBERS, ConditionCompiler, is_static_dataset_variable
from policies.evaluation.inventory_arrays import Ints
from policies.evaluation.view import View
from policies.language.ast import Not, Operator, Predicate
from policies.language.types import Level, Truth, Unit, ValueType
from policies.language.variables import TAPE_STATES, Variable

#: How many different values of a block variable are shown.
MAX_EXAMPLES = 3
_BYTE_UNITS = ((10**15, "PB"), (10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
#: Times beyond these are shown as numbers: the calendar ends in the year 9999.
_LAST_TIME = 253402300799.0

Value = str | float | bool | None


@dataclass(frozen=True, slots=True)
class SeenValue:
    """One predicate as it was answered.

    ``predicate`` is its text, ``value`` what its variable was, in words; of a block variable how many of the visible blocks
    meet it, with examples. ``unloaded_fact`` names the feed that was missing where the value is unknown for want of it.
    """

    predicate: str
    variable: str
    value: str
    truth: Truth
    unloaded_fact: str | None = None


def see(predicate: Predicate, view: View, compiler: ConditionCompiler, *, is_negated: bool) -> SeenValue:
    """Return what *predicate* (under ``not`` if *is_negated*) saw of the only replica of *view*."""
    expression = Not(predicate, predicate.span) if is_negated else predicate
    node = compiler.expression(expression)
    index = np.zeros(1, dtype=np.int64)
    truth = Truth(int(node.on_replicas(view, index)[0]))
    variable = predicate.variable
    if variable.level is Level.BLOCK_REPLICA:
        positions, owner = view.visible_rows(index)
        holds = node.on_rows(view, index, positions, owner) == Truth.TRUE.value
        text = _block_text(variable, view, view.rows[positions], holds, compiler)
    else:
        text = value_text(variable, _value(predicate, view, compiler))
    fact = variable.fact if text == "unknown" else None
    return SeenValue(predicate_text(predicate, is_negated=is_negated), _name(predicate), text, truth, fact)


def predicate_text(predicate: Predicate, *, is_negated: bool = False) -> str:
    """Return the predicate as a policy writes it."""
    name = _name(predicate)
    if predicate.operator is Operator.IS or predicate.literal is None:
        return f"not {name}" if is_negated else name
    return f"{name} {predicate.operator.value} {predicate.literal.text}"


def value_text(variable: Variable, value: Value) -> str:
    """Return *value* in the unit of *variable*, ``unknown`` for None."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if variable.type is ValueType.TIME:
        return time_text(value)
    return bytes_text(int(value)) if variable.unit is Unit.BYTES else f"{value:.15g}"


def bytes_text(size: int) -> str:
    """Return *size* with a decimal unit, rounded to four digits."""
    for factor, unit in _BYTE_UNITS:
        if abs(size) >= factor:
            return f"{size / factor:.4g} {unit}"
    return f"{size} B"


def time_text(moment: float) -> str:
    """Return *moment* (s since 1970, UTC) as a date with time."""
    if not 0 <= moment <= _LAST_TIME:
        return f"{moment:.15g} s since 1970"
    return datetime.fromtimestamp(moment, tz=UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _name(predicate: Predicate) -> str:
    return predicate.variable.name if predicate.attribute is None else f"{predicate.variable.name}.{predicate.attribute}"


def _value(predicate: Predicate, view: View, compiler: ConditionCompiler) -> Value:
    """Return the value of a variable above the block, None if it is unknown."""
    variable, arrays = predicate.variable, view.state.arrays
    dataset, site, replica = int(view.dataset[0]), int(view.site[0]), int(view.replicas[0])
    index = np.zeros(1, dtype=np.int64)
    if variable.level is Level.SITE:
        column = arrays.snapshot.sites.get_column(variable.name.removeprefix("site."))
        return _plain(column[site])
    if variable.type is ValueType.ATTRIBUTE:
        return _plain(compiler.attributes.value(dataset, predicate.attribute or ""))
    if is_static_dataset_variable(variable):
        return _plain(compiler.dataset_column(variable.name)[dataset])
    if variable.name == "dataset.on_tape":
        return TAPE_STATES[int(view.tape_state(index)[0])]
    if variable.name == "replica.incomplete":
        return bool(view.is_incomplete(index)[0])
    if variable.name == "replica.enforcer_protected":
        return _plain(arrays.optional(variable.name)[replica])
    return float(CHANGING_NUMBERS[variable.name](view, index)[0])


def _plain(value: object) -> Value:
    if value is None or isinstance(value, bool | str):
        return value
    return float(value) if isinstance(value, int | float) else str(value)


def _block_text(
    variable: Variable, view: View, rows: Ints, holds: np.ndarray[tuple[int], np.dtype[np.bool_]], compiler: ConditionCompiler
) -> str:
    if len(rows) == 0:
        return "no blocks"
    shown = rows[holds] if holds.any() else rows
    texts = [value_text(variable, _block_value(variable, view, int(row), compiler)) for row in shown[: MAX_EXAMPLES * 10]]
    different = list(dict.fromkeys(texts))
    examples = ", ".join(different[:MAX_EXAMPLES]) + (", ..." if len(different) > MAX_EXAMPLES else "")
    return f"{int(holds.sum())} of {len(rows)} blocks meet it ({examples})"


def _block_value(variable: Variable, view: View, row: int, compiler: ConditionCompiler) -> Value:
    arrays = view.state.arrays
    if variable.name == "blockreplica.owner":
        group = int(view.state.group[row])
        return NOBODY_NAME if group == NOBODY else _plain(arrays.snapshot.groups.get_column("name")[group])
    if variable.name == "blockreplica.is_locked":
        return _plain(arrays.optional(variable.name)[row])
    value = compiler.block_value(variable.name)(view, np.array([row]))[0]
    return bool(value) if variable.type is ValueType.BOOL else float(value)
