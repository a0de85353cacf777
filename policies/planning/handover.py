"""Blocks that are to go: deleted, or handed over to the group that owns the dataset (language page, section 5, Handing over)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.evaluation.columns import NOBODY
from policies.evaluation.inventory_arrays import Ints
from policies.evaluation.matching import Mask
from policies.evaluation.membership import Membership
from policies.evaluation.state import CycleState


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A set of blocks: ``deleted``, or handed to ``new_owner`` and still in the cycle (``kept``) or not (``left``)."""

    deleted: Ints
    kept: Ints
    left: Ints
    new_owner: int


_NONE = np.zeros(0, dtype=np.int64)


def give_up(state: CycleState, membership: Membership, replica: int, rows: Ints) -> GivenUp:
    """Delete or hand over *rows* of *replica*, one rule's set, in the state of this moment; *state* is brought up to date.

    Rows ascend, so the first row of a Dataset-level group is that of the first such block by name.
    """
    arrays = state.arrays
    there = np.arange(arrays.first_row[replica], arrays.first_row[replica + 1])
    there = there[state.present[there]]
    dataset_level = state.group[there][is_dataset_level(state, there)]
    goes = is_dataset_level(state, rows)
    if len(rows) == len(there) or len(dataset_level) == 0 or goes.all():
        state.remove(rows)
        membership.remove(rows)
        return GivenUp(rows, _NONE, _NONE, NOBODY)
    new_owner = int(dataset_level[0])
    deleted, handed = rows[goes], rows[~goes]
    state.hand_over(handed, new_owner)
    stays = membership.are_members_after(handed, new_owner)
    state.remove(np.concatenate((deleted, handed[~stays])))
    membership.remove(deleted)
    return GivenUp(deleted, handed[stays], handed[~stays], new_owner)


def is_dataset_level(state: CycleState, rows: Ints) -> Mask:
    """Tell which block replicas belong to a group of ownership level Dataset; nobody is none."""
    groups = state.group[rows]
    if state.arrays.num_groups == 0:
        return np.zeros(len(rows), dtype=np.bool_)
    found: Mask = (groups != NOBODY) & state.arrays.group_is_dataset_level[groups]
    return found
