"""A condition made ready to be asked of many replicas at once.

A node answers on replicas (``on_replicas``; a predicate on a block variable is then true if it is for any visible
block) and on single blocks (``on_rows``; block variables take the block's value). Whatever depends on the site or
on the dataset's own attributes alone was computed when the node was made: once per site, once per dataset.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from policies.evaluation.inventory_arrays import Ints
from policies.evaluation.matching import FALSE, TRUE, UNKNOWN, Truths, negated
from policies.evaluation.view import View


class Node(Protocol):
    """Part of a condition. ``cost`` orders the parts of an *and*: 0 constant, 1 looked up, 2 per replica, 3 per block."""

    @property
    def cost(self) -> int: ...

    def on_replicas(self, view: View, index: Ints) -> Truths:
        """Return the truth for the replicas at positions *index* of *view*."""
        ...

    def on_rows(self, view: View, index: Ints, rows: Ints, owner: Ints) -> Truths:
        """Return the truth for the blocks at positions *rows* of ``view.rows``; *owner* is each one's position in *index*."""
        ...


@dataclass(frozen=True, slots=True)
class ConstantNode:
    truth: np.int8
    cost: int = 0

    def on_replicas(self, view: View, index: Ints) -> Truths:
        return np.full(len(index), self.truth, dtype=np.int8)

    def on_rows(self, view: View, index: Ints, rows: Ints, owner: Ints) -> Truths:
        return np.full(len(rows), self.truth, dtype=np.int8)


@dataclass(frozen=True, slots=True)
class TableNode:
    """Known before the cycle starts and the same all through it: a table of truths, looked up by replica."""

    truths: Truths
    cost: int = 1

    def place(self, view: View, index: Ints) -> Ints:
        """Return the rows of the table that answer for the replicas at positions *index* of *view*."""
        raise NotImplementedError

    def on_replicas(self, view: View, index: Ints) -> Truths:
        return self.truths[self.place(view, index)]

    def on_rows(self, view: View, index: Ints, rows: Ints, owner: Ints) -> Truths:
        return self.on_replicas(view, index)[owner]


class SiteNode(TableNode):
    """Known once per site; ``truths`` is (n_sites,)."""

    __slots__ = ()

    def place(self, view: View, index: Ints) -> Ints:
        return view.site[index]


class DatasetNode(TableNode):
    """Known once per dataset; ``truths`` is (n_datasets,)."""

    __slots__ = ()

    def place(self, view: View, index: Ints) -> Ints:
        return view.dataset[index]


class ReplicaNode(TableNode):
    """Known once per replica; ``truths`` is (n_replicas,)."""

    __slots__ = ()

    def place(self, view: View, index: Ints) -> Ints:
        return view.replicas[index]


@dataclass(frozen=True, slots=True)
class ChangingNode:
    """Depends on what the dataset's replicas are at the moment; ``truth_of`` answers for positions of a view."""

    truth_of: Callable[[View, Ints], Truths]
    cost: int = 2

    def on_replicas(self, view: View, index: Ints) -> Truths:
        return self.truth_of(view, index)

    def on_rows(self, view: View, index: Ints, rows: Ints, owner: Ints) -> Truths:
        return self.truth_of(view, index)[owner]


@dataclass(frozen=True, slots=True)
class BlockNode:
    """A predicate on a block variable; ``truth_of`` answers for rows of the snapshot's block replicas."""

    truth_of: Callable[[View, NDArray[np.integer]], Truths]
    cost: int = 3

    def on_replicas(self, view: View, index: Ints) -> Truths:
        positions, owner = view.visible_rows(index)
        found = self.truth_of(view, view.rows[positions])
        result = np.full(len(index), FALSE, dtype=np.int8)
        result[owner[found == UNKNOWN]] = UNKNOWN
        result[owner[found == TRUE]] = TRUE
        return result

    def on_rows(self, view: View, index: Ints, rows: Ints, owner: Ints) -> Truths:
        return self.truth_of(view, view.rows[rows])


@dataclass(frozen=True, slots=True)
class NotNode:
    operand: Node

    @property
    def cost(self) -> int:
        return self.operand.cost

    def on_replicas(self, view: View, index: Ints) -> Truths:
        return negated(self.operand.on_replicas(view, index))

    def on_rows(self, view: View, index: Ints, rows: Ints, owner: Ints) -> Truths:
        return negated(self.operand.on_rows(view, index, rows, owner))


@dataclass(frozen=True, slots=True)
class AndNode:
    """All of ``operands``, the cheap ones first; what is false already is not asked further."""

    operands: tuple[Node, ...]

    @property
    def cost(self) -> int:
        return self.operands[-1].cost

    def on_replicas(self, view: View, index: Ints) -> Truths:
        result = self.operands[0].on_replicas(view, index)
        for operand in self.operands[1:]:
            open_ = np.flatnonzero(result)
            if len(open_) == 0:
                break
            if len(open_) == len(index):
                result = np.minimum(result, operand.on_replicas(view, index))
            else:
                result[open_] = np.minimum(result[open_], operand.on_replicas(view, index[open_]))
        return result

    def on_rows(self, view: View, index: Ints, rows: Ints, owner: Ints) -> Truths:
        result = self.operands[0].on_rows(view, index, rows, owner)
        for operand in self.operands[1:]:
            result = np.minimum(result, operand.on_rows(view, index, rows, owner))
        return result


@dataclass(frozen=True, slots=True)
class OrNode:
    """Any of ``operands``, the cheap ones first; what is true already is not asked further."""

    operands: tuple[Node, ...]

    @property
    def cost(self) -> int:
        return self.operands[-1].cost

    def on_replicas(self, view: View, index: Ints) -> Truths:
        result = self.operands[0].on_replicas(view, index)
        for operand in self.operands[1:]:
            open_ = np.flatnonzero(result != TRUE)
            if len(open_) == 0:
                break
            if len(open_) == len(index):
                result = np.maximum(result, operand.on_replicas(view, index))
            else:
                result[open_] = np.maximum(result[open_], operand.on_replicas(view, index[open_]))
        return result

    def on_rows(self, view: View, index: Ints, rows: Ints, owner: Ints) -> Truths:
        result = self.operands[0].on_rows(view, index, rows, owner)
        for operand in self.operands[1:]:
            result = np.maximum(result, operand.on_rows(view, index, rows, owner))
        return result


def and_node(operands: list[Node]) -> Node:
    """Return the conjunction, with what is known per dataset, site or replica folded into one table each."""
    return _fold(operands, np.minimum, AndNode)


def or_node(operands: list[Node]) -> Node:
    """Return the disjunction, folded like ``and_node``."""
    return _fold(operands, np.maximum, OrNode)


def not_node(operand: Node) -> Node:
    """Return the negation; of a table it is a table."""
    match operand:
        case ConstantNode(truth=truth):
            return ConstantNode(np.int8(TRUE - truth))
        case TableNode(truths=values):
            return type(operand)(negated(values))
    return NotNode(operand)


def _fold(operands: list[Node], combine: np.ufunc, joined: type[AndNode] | type[OrNode]) -> Node:
    tables: dict[type[TableNode], Truths] = {}
    rest: list[Node] = []
    for operand in operands:
        if isinstance(operand, TableNode):
            kind = type(operand)
            tables[kind] = combine(tables[kind], operand.truths) if kind in tables else operand.truths
        else:
            rest.append(operand)
    folded = [kind(values) for kind, values in tables.items()]
    parts = sorted([*folded, *rest], key=lambda node: node.cost)
    return parts[0] if len(parts) == 1 else joined(tuple(parts))
