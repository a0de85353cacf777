"""Conditions of the syntax tree turned into nodes: literals resolved, static predicates computed once per level.

Source of every variable's meaning: language page, section 3.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from policies.evaluation.columns import NOBODY_NAME
from policies.evaluation.inventory_arrays import Ints, InventoryArrays
from policies.evaluation.matching import (
    FALSE,
    TRUE,
    Attributes,
    Column,
    Mask,
    Truths,
    compare_column,
    compare_numbers,
    compare_words,
    truths,
)
from policies.evaluation.nodes import (
    BlockNode,
    ChangingNode,
    ConstantNode,
    DatasetNode,
    Node,
    ReplicaNode,
    SiteNode,
    and_node,
    not_node,
    or_node,
)
from policies.evaluation.view import View
from policies.language.ast import And, Condition, Constant, Expression, Not, Operator, Or, Predicate
from policies.language.types import Level, ValueType
from policies.language.variables import TAPE_STATES, Variable

#: Columns of the snapshot that a dataset variable reads when it is not an optional one.
_DATASET_COLUMNS = {
    "dataset.name": "name",
    "dataset.status": "status",
    "dataset.size": "size",
    "dataset.last_update": "last_update",
    "dataset.release": "release",
}
Rows = NDArray[np.integer]

_SITE_COLUMNS = {"site.name": "name", "site.status": "status", "site.storage_type": "storage_type"}

#: Numbers that depend on which replicas the dataset has at the moment.
CHANGING_NUMBERS: dict[str, Callable[[View, Ints], Column]] = {
    "dataset.num_full_disk_copy": View.num_full_disk_copy,
    "replica.size": View.size,
    "replica.last_block_created": View.newest,
    "replica.first_block_created": View.oldest,
    "replica.num_full_disk_copy_common_owner": View.num_disk_copies_common_owner,
    "replica.num_full_other_copy_common_owner": View.num_other_copies_common_owner,
}
#: Variables whose values a deletion may change.
CHANGING_VARIABLES = frozenset(
    {
        *CHANGING_NUMBERS,
        "dataset.on_tape",
        "replica.incomplete",
        "blockreplica.num_full_disk_copy",
        "blockreplica.on_tape",
        "blockreplica.is_last_transfer_source",
    }
)
#: Dataset variables that are not the same all through a cycle.
_CHANGING_DATASET = frozenset({"dataset.on_tape", "dataset.num_full_disk_copy"})


def is_static_dataset_variable(variable: Variable) -> bool:
    """Tell whether *variable* depends on attributes of the dataset alone, which no deletion changes."""
    return variable.level is Level.DATASET and variable.name not in _CHANGING_DATASET


class ConditionCompiler:
    """Makes nodes for one snapshot and one clock; columns that several conditions need are prepared once."""

    def __init__(self, arrays: InventoryArrays, now: float, *, newest_in_scope: float) -> None:
        """*newest_in_scope*: newest ``last_update`` of the block replicas in the cycle's scope (s since 1970, UTC)."""
        self._arrays = arrays
        self._now = now
        self._newest = newest_in_scope
        self._attributes: Attributes | None = None
        self._owner_names = pl.Series([*arrays.snapshot.groups.get_column("name").to_list(), NOBODY_NAME], dtype=pl.String)

    @property
    def attributes(self) -> Attributes:
        """The datasets' free-form metadata, parsed when first asked for."""
        if self._attributes is None:
            self._attributes = Attributes(self._arrays.optional("dataset.attr"))
        return self._attributes

    def condition(self, condition: Condition) -> Node:
        """Return the node of a whole condition; outside its time window it is false."""
        if condition.window is not None and not condition.window.contains(self._now):
            return ConstantNode(FALSE)
        return self.expression(condition.expression)

    def expression(self, expression: Expression) -> Node:
        """Return the node of *expression*. ``not VARIABLE`` is one predicate: of a block variable "some block is not"."""
        match expression:
            case Constant(value=value):
                return ConstantNode(TRUE if value else FALSE)
            case Not(operand=Predicate(operator=Operator.IS) as predicate):
                return self.predicate(predicate, is_negated=True)
            case Not(operand=operand):
                return not_node(self.expression(operand))
            case And(operands=operands):
                return and_node([self.expression(operand) for operand in operands])
            case Or(operands=operands):
                return or_node([self.expression(operand) for operand in operands])
            case Predicate():
                return self.predicate(expression)

    def predicate(self, predicate: Predicate, *, is_negated: bool = False) -> Node:
        """Return the node of one predicate, turned round per value when *is_negated*."""
        level = predicate.variable.level
        if level is Level.SITE:
            column = self._arrays.snapshot.sites.get_column(_SITE_COLUMNS[predicate.variable.name])
            node: Node = SiteNode(compare_column(predicate, column, self._now))
        elif level is Level.BLOCK_REPLICA:
            return self._block_node(predicate, is_negated=is_negated)
        elif is_static_dataset_variable(predicate.variable):
            node = DatasetNode(self.dataset_truths(predicate))
        else:
            node = self._changing_node(predicate)
        return not_node(node) if is_negated else node

    def dataset_truths(self, predicate: Predicate) -> Truths:
        """Return the truth of a static dataset predicate for every dataset."""
        if predicate.variable.type is ValueType.ATTRIBUTE:
            return self.attributes.compare(predicate, self._now)
        return compare_column(predicate, self.dataset_column(predicate.variable.name), self._now)

    def dataset_column(self, variable: str) -> pl.Series:
        """Return the column of a static dataset variable (null = unknown).

        Raises:
            MissingColumn: it is a fact that was not loaded.
        """
        if variable in _DATASET_COLUMNS:
            return self._arrays.snapshot.datasets.get_column(_DATASET_COLUMNS[variable])
        return self._arrays.optional(variable)

    def _changing_node(self, predicate: Predicate) -> Node:
        name = predicate.variable.name
        now = self._now
        if name == "replica.enforcer_protected":
            return ReplicaNode(compare_column(predicate, self._arrays.optional(name), now))
        if name == "replica.incomplete":
            return ChangingNode(lambda view, index: truths(view.is_incomplete(index)))
        if name == "dataset.on_tape":
            by_state = compare_words(predicate, pl.Series(TAPE_STATES))
            return ChangingNode(lambda view, index: by_state[view.tape_state(index)])
        values = CHANGING_NUMBERS[name]
        return ChangingNode(lambda view, index: compare_numbers(predicate, values(view, index), now))

    def _block_node(self, predicate: Predicate, *, is_negated: bool) -> Node:
        """Block variables are always known but for ``is_locked``."""
        arrays, now = self._arrays, self._now
        name = predicate.variable.name
        if name == "blockreplica.owner":
            by_group = compare_words(predicate, self._owner_names)
            return BlockNode(lambda view, rows: by_group[view.state.group[rows]])  # NOBODY = -1 is the last name
        if name == "blockreplica.is_locked":
            locked = compare_column(predicate, arrays.optional(name), now)
            values = (TRUE - locked).astype(np.int8) if is_negated else locked
            return BlockNode(lambda view, rows: values[rows])
        value = self.block_value(name)
        if predicate.variable.type is ValueType.BOOL:
            return BlockNode(lambda view, rows: truths(value(view, rows) ^ is_negated))
        return BlockNode(lambda view, rows: compare_numbers(predicate, value(view, rows), now))

    def block_value(self, name: str) -> Callable[[View, Rows], Column]:
        """Return the function that gives a block variable's values: numbers, times, and booleans that are always known.

        Raises:
            KeyError: *name* is the owner or the lock, which are columns of the state and of the snapshot.
        """
        arrays, newest = self._arrays, self._newest
        functions: dict[str, Callable[[View, Rows], Column]] = {
            "blockreplica.last_update": lambda view, rows: arrays.row_time[rows],
            "blockreplica.age_relative_to_newest": lambda view, rows: newest - arrays.row_time[rows],
            "blockreplica.num_full_disk_copy": lambda view, rows: view.state.block_complete[arrays.row_block[rows]],
            "blockreplica.on_tape": _on_tape,
            "blockreplica.is_last_transfer_source": _is_last_transfer_source,
        }
        return functions[name]


def _on_tape(view: View, rows: Rows) -> Mask:
    arrays = view.state.arrays
    found: Mask = arrays.row_complete[rows] & (view.state.block_tape[arrays.row_block[rows]] > 0)
    return found


def _is_last_transfer_source(view: View, rows: Rows) -> Mask:
    state, arrays = view.state, view.state.arrays
    block = arrays.row_block[rows]
    itself = arrays.site_is_ready_disk[arrays.replica_site[arrays.row_replica[rows]]]
    complete = arrays.row_complete[rows]
    others_at_disk = state.block_ready_disk[block] - (complete & itself)
    found: Mask = complete & (state.block_incomplete[block] > 0) & (others_at_disk == 0)
    return found
