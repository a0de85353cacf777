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
class BlockSets:
    """One set of blocks to go for each of some replicas, all of different datasets.

    - ``replicas``: rows of the snapshot, ascending; ``rule``: the row of the stack that gives each one's set up;
    - ``rows``: the block replicas, set by set and ascending; ``owner``: position in ``replicas`` of each.
    """

    replicas: Ints
    rule: Ints
    rows: Ints
    owner: Ints


@dataclass(frozen=True, slots=True)
class GivenUp:
    """Fate of the rows of ``BlockSets``, each (n_rows,): deleted, or handed to ``new_owner``, if kept still in the cycle."""

    is_deleted: Mask
    is_kept: Mask
    new_owner: Ints


def give_up(state: CycleState, membership: Membership, sets: BlockSets) -> GivenUp:
    """Delete or hand over each set in the state of this moment; *state* is brought up to date."""
    count = len(sets.replicas)
    there, there_owner = state.present_rows(sets.replicas)
    is_level = is_dataset_level(state, there)
    new_owner = np.full(count, NOBODY, dtype=np.int64)
    # Of several values for one position the last assigned stays: written backwards, that is the first block by name.
    new_owner[there_owner[is_level][::-1]] = state.group[there[is_level]][::-1]
    is_whole = np.bincount(sets.owner, minlength=count) == np.bincount(there_owner, minlength=count)
    goes_whole = is_whole | (new_owner == NOBODY)
    is_deleted = goes_whole[sets.owner] | is_dataset_level(state, sets.rows)
    is_kept = np.zeros(len(sets.rows), dtype=np.bool_)
    owner_of_row = new_owner[sets.owner]
    handed = np.flatnonzero(~is_deleted)
    if len(handed):
        rows, groups = sets.rows[handed], owner_of_row[handed]
        state.hand_over(rows, groups)
        is_kept[handed] = membership.are_members_after(rows, groups)
    state.remove(sets.rows[~is_kept])
    membership.remove(sets.rows[is_deleted])
    return GivenUp(is_deleted, is_kept, owner_of_row)


def is_dataset_level(state: CycleState, rows: Ints) -> Mask:
    """Tell which block replicas belong to a group of ownership level Dataset; nobody is none."""
    groups = state.group[rows]
    if state.arrays.num_groups == 0:
        return np.zeros(len(rows), dtype=np.bool_)
    found: Mask = (groups != NOBODY) & state.arrays.group_is_dataset_level[groups]
    return found
