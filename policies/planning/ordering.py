"""Which candidates go first: the keys of ``Order``, seen for whole replicas, unknown values last, ties by dataset name."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from policies.evaluation.conditions import CHANGING_NUMBERS, ConditionCompiler, is_static_dataset_variable
from policies.evaluation.inventory_arrays import Ints
from policies.evaluation.matching import Column, Mask
from policies.evaluation.state import CycleState
from policies.evaluation.view import View
from policies.language.ast import OrderKey
from policies.language.types import ValueType

#: Values of one key for a view's replicas, and where they are known.
_KeyValues = Callable[[View, Ints], tuple[Column, Mask | None]]


class CandidateOrder:
    """The ``Order`` of a policy, ready for one snapshot."""

    def __init__(self, keys: Sequence[OrderKey], compiler: ConditionCompiler) -> None:
        self._keys = [(key.descending, _values_of(key, compiler)) for key in keys]

    def sorted(self, state: CycleState, replicas: Ints) -> Ints:
        """Return *replicas* in the order in which they are to go.

        They must come sorted by (site, dataset name), the order of the snapshot, which decides ties.
        """
        if not self._keys or len(replicas) < 2:
            return replicas
        view = View(state, replicas)
        index = np.arange(len(replicas))
        columns: list[Column] = []
        for is_descending, values_of in self._keys:
            values, known = values_of(view, index)
            column = -values if is_descending else values
            if known is not None and not known.all():
                columns.append(~known)
                column = np.where(known, column, 0)
            columns.append(column)
        return replicas[np.lexsort(columns[::-1])]


def _values_of(key: OrderKey, compiler: ConditionCompiler) -> _KeyValues:
    name = key.variable.name
    if key.variable.type is ValueType.ATTRIBUTE:
        numbers, is_number = compiler.attributes.numbers(key.attribute or "")
        return lambda view, index: (numbers[view.dataset[index]], is_number[view.dataset[index]])
    if is_static_dataset_variable(key.variable):
        column = compiler.dataset_column(name)
        values = column.fill_null(0).to_numpy()
        if column.null_count() == 0:
            return lambda view, index: (values[view.dataset[index]], None)
        known = column.is_not_null().to_numpy()
        return lambda view, index: (values[view.dataset[index]], known[view.dataset[index]])
    changing = CHANGING_NUMBERS[name]
    return lambda view, index: (changing(view, index), None)
