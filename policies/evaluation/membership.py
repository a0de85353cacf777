"""Which block replicas are in a partition: asked of every one at the start of a cycle, and again of those handed over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from policies.evaluation.conditions import ConditionCompiler
from policies.evaluation.inventory_arrays import Ints, InventoryArrays
from policies.evaluation.matching import TRUE, Mask
from policies.evaluation.state import CycleState
from policies.evaluation.view import View
from policies.language.ast import Condition, predicates


class Membership:
    """The partition's conditions over the whole inventory, as it is when the cycle begins.

    A block replica is in the partition if any condition holds for it alone; variables above the block see the whole
    replica and the whole inventory, not the cycle's scope.
    """

    def __init__(self, conditions: Sequence[Condition], arrays: InventoryArrays, now: float) -> None:
        everything = np.ones(arrays.num_rows, dtype=np.bool_)
        empty = (np.diff(arrays.first_row) == 0) & arrays.site_is_tape[arrays.replica_site]
        variables = {p.variable.name for condition in conditions for p in predicates(condition.expression)}
        self._arrays = arrays
        self._state = CycleState(arrays, everything, empty, variables)
        newest = float(arrays.row_time.max(initial=0.0))
        compiler = ConditionCompiler(arrays, now, newest_in_scope=newest)
        self._nodes = [compiler.condition(condition) for condition in conditions]

    def members(self) -> Mask:
        """Return (n_block_replicas,) bool: in the partition."""
        return self._ask(np.flatnonzero(np.diff(self._arrays.first_row) > 0))

    def are_members_after(self, rows: Ints, group: int) -> Mask:
        """Tell which of *rows*, all of one replica, are in the partition once *group* owns them."""
        self._state.group[rows] = group
        replica = self._arrays.row_replica[rows[:1]].astype(np.int64)
        found: Mask = self._ask(replica)[rows - self._arrays.first_row[replica[0]]]
        return found

    def _ask(self, replicas: Ints) -> Mask:
        """Return the answer for every block replica of *replicas*, replica by replica."""
        view = View(self._state, replicas)
        index = np.arange(len(replicas))
        rows = np.arange(len(view.rows))
        found = np.zeros(len(rows), dtype=np.bool_)
        for node in self._nodes:
            found |= node.on_rows(view, index, rows, view.owner) == TRUE
        return found
