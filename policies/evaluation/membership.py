"""Which block replicas are in a partition: asked of every one at the start of a cycle, and again of those handed over."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from policies.evaluation.conditions import CHANGING_VARIABLES, ConditionCompiler
from policies.evaluation.inventory_arrays import Ints, InventoryArrays
from policies.evaluation.matching import TRUE, Mask
from policies.evaluation.state import CycleState
from policies.evaluation.view import View
from policies.language.ast import Condition, predicates


class Membership:
    """The partition's conditions over the whole inventory.

    A block replica is in the partition if any condition holds for it alone; variables above the block see the whole
    replica and the whole inventory as it stands, not the cycle's scope.
    """

    def __init__(
        self, conditions: Sequence[Condition], arrays: InventoryArrays, now: float, *, newest: float | None = None
    ) -> None:
        """*newest*: ``last_update`` of the newest block replica (s since 1970) where *arrays* do not hold them all."""
        everything = np.ones(arrays.num_rows, dtype=np.bool_)
        empty = (np.diff(arrays.first_row) == 0) & arrays.site_is_tape[arrays.replica_site]
        variables = {p.variable.name for condition in conditions for p in predicates(condition.expression)}
        self._arrays = arrays
        self._state = CycleState(arrays, everything, empty, variables)
        self.newest = float(arrays.row_time.max(initial=0.0)) if newest is None else newest
        compiler = ConditionCompiler(arrays, now, newest_in_scope=self.newest)
        self._is_changing = not CHANGING_VARIABLES.isdisjoint(variables)
        self._nodes = [compiler.condition(condition) for condition in conditions]

    def members(self) -> Mask:
        """Return (n_block_replicas,) bool: in the partition, before anything was deleted."""
        return self._ask(np.flatnonzero(np.diff(self._arrays.first_row) > 0))[1]

    def remove(self, rows: Ints) -> None:
        """Let the definition's counts see that block replicas were deleted; without counts there is nothing to do."""
        if self._is_changing:
            self._state.remove(rows)

    def are_members_after(self, rows: Ints, groups: Ints) -> Mask:
        """Tell which of *rows* are in the partition once each is owned by its one of *groups*; it is from now on."""
        self._state.hand_over(rows, groups)
        asked, found = self._ask(np.unique(self._arrays.row_replica[rows]).astype(np.int64))
        answer: Mask = found[np.searchsorted(asked, rows)]
        return answer

    def _ask(self, replicas: Ints) -> tuple[Ints, Mask]:
        """Return the block replicas of *replicas*, ascending if these are, and whether each is in the partition."""
        view = View(self._state, replicas)
        index = np.arange(len(replicas))
        rows = np.arange(len(view.rows))
        found = np.zeros(len(rows), dtype=np.bool_)
        for node in self._nodes:
            found |= node.on_rows(view, index, rows, view.owner) == TRUE
        return view.rows, found
