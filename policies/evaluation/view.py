"""A pass's look at some replicas: which of their blocks earlier block rules have not yet hidden, and the values that follow."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from policies.evaluation.inventory_arrays import Ints, expand_ranges
from policies.evaluation.matching import Mask
from policies.evaluation.state import CycleState, extreme_times, sums_of_groups


class View:
    """The replicas that are being evaluated, as positions 0 .. n - 1.

    - ``replicas``, ``dataset``, ``site``: rows of the snapshot, per position;
    - ``rows``: rows of their present block replicas, replica by replica; ``visible``: not yet taken by a block rule;
    - ``hidden``: (n,) bool, some block of the replica is hidden.

    A replica with hidden blocks is never full: every block of the dataset would have to be visible.
    """

    def __init__(self, state: CycleState, replicas: Ints) -> None:
        self.state = state
        self.replicas = replicas
        self.dataset = state.arrays.replica_dataset[replicas]
        self.site = state.arrays.replica_site[replicas]
        self.rows, self.owner = state.present_rows(replicas)
        self._counts = state.num_rows[replicas]
        self._starts = np.cumsum(self._counts) - self._counts
        self.visible = np.ones(len(self.rows), dtype=np.bool_)
        self.hidden = np.zeros(len(replicas), dtype=np.bool_)
        self._cached_for: Ints | None = None
        self._cached: tuple[Ints, Ints] = (self._starts, self._starts)

    def hide(self, positions: Ints) -> None:
        """Hide the block replicas at *positions* of ``rows`` from the rules that follow."""
        self.visible[positions] = False
        self.hidden[self.owner[positions]] = True
        self._cached_for = None

    def visible_rows(self, index: Ints) -> tuple[Ints, Ints]:
        """Return the positions in ``rows`` of the visible blocks of the replicas *index*, and for each the position in *index*.

        The last answer is kept: several rules in a row ask for the same replicas.
        """
        if self._cached_for is not index:
            positions, owner = expand_ranges(self._starts[index], self._counts[index])
            kept = self.visible[positions]
            if not kept.all():
                positions, owner = positions[kept], owner[kept]
            self._cached_for, self._cached = index, (positions, owner)
        return self._cached

    # Values of replica and dataset variables, each for the positions *index*.

    def num_full_disk_copy(self, index: Ints) -> Ints:
        """Full replicas of the dataset at ready disk sites, the replica itself as its visible blocks make it."""
        count: Ints = self.state.full_disk[self.dataset[index]]
        lost = self.state.full[self.replicas[index]] & self.hidden[index] & self.state.arrays.site_is_ready_disk[self.site[index]]
        count -= lost
        return count

    def tape_state(self, index: Ints) -> NDArray[np.int8]:
        """Return 0 (NONE), 1 (PARTIAL) or 2 (FULL): positions in ``TAPE_STATES``."""
        dataset = self.dataset[index]
        lost = self.state.full[self.replicas[index]] & self.hidden[index] & self.state.arrays.site_is_tape[self.site[index]]
        full = self.state.tape_full[dataset] - lost
        return np.where(full > 0, 2, (self.state.tape[dataset] > 0).astype(np.int8)).astype(np.int8)

    def size(self, index: Ints) -> Ints:
        values = self.state.size[self.replicas[index]]
        positions, counts, hidden = self._where_hidden(index)
        if len(counts):
            values[hidden] = sums_of_groups(self.state.arrays.row_size[self.rows[positions]], counts)
        return values

    def is_incomplete(self, index: Ints) -> Mask:
        """Some visible block replica is not complete; a replica that has none at all is incomplete too [102]."""
        replicas = self.replicas[index]
        missing: Mask = (self.state.num_rows[replicas] > self.state.num_complete[replicas]) | (self.state.num_rows[replicas] == 0)
        positions, counts, hidden = self._where_hidden(index)
        if len(counts):
            incomplete = (~self.state.arrays.row_complete[self.rows[positions]]).astype(np.int64)
            missing[hidden] = sums_of_groups(incomplete, counts) > 0
        return missing

    def newest(self, index: Ints) -> NDArray[np.float64]:
        return self._times(index)[0]

    def oldest(self, index: Ints) -> NDArray[np.float64]:
        return self._times(index)[1]

    def _times(self, index: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        newest = self.state.newest[self.replicas[index]]
        oldest = self.state.oldest[self.replicas[index]]
        positions, counts, hidden = self._where_hidden(index)
        if len(counts):
            newest[hidden], oldest[hidden] = extreme_times(self.state.arrays.row_time[self.rows[positions]], counts)
        return newest, oldest

    def num_disk_copies_common_owner(self, index: Ints) -> Ints:
        """Full replicas at ready disk sites, itself included, that share an owner with the replica's visible blocks."""
        return self._common_owner(index, self.state.arrays.site_is_ready_disk, with_itself=True)

    def num_other_copies_common_owner(self, index: Ints) -> Ints:
        """Full replicas at other ready sites, whatever their storage, that share an owner with the replica's visible blocks."""
        return self._common_owner(index, self.state.arrays.site_is_ready, with_itself=False)

    def _common_owner(self, index: Ints, site_counts: Mask, *, with_itself: bool) -> Ints:
        state, arrays = self.state, self.state.arrays
        others, position = arrays.replicas_of(self.dataset[index])
        itself = others == self.replicas[index][position]
        counted = state.full[others] & site_counts[arrays.replica_site[others]]
        counted &= (~self.hidden[index][position] | ~itself) if with_itself else ~itself
        others, position = others[counted], position[counted]
        owners = self._owners(index)
        shared = ((state.owners[others] & owners[position]) != 0).any(axis=1)
        return np.bincount(position[shared], minlength=len(index))

    def _owners(self, index: Ints) -> NDArray[np.uint64]:
        sets = self.state.owners[self.replicas[index]]
        positions, counts, hidden = self._where_hidden(index)
        if len(counts):
            owner = np.repeat(np.arange(len(counts)), counts)
            sets[hidden] = self.state.owner_sets(self.rows[positions], owner, len(counts))
        return sets

    def _where_hidden(self, index: Ints) -> tuple[Ints, Ints, Ints]:
        """Return visible rows and their counts for the replicas of *index* with hidden blocks, and their positions in *index*."""
        hidden = np.flatnonzero(self.hidden[index])
        if len(hidden) == 0:
            return hidden, hidden, hidden
        which = index[hidden]
        positions, owner = expand_ranges(self._starts[which], self._counts[which])
        kept = self.visible[positions]
        return positions[kept], np.bincount(owner[kept], minlength=len(which)), hidden
