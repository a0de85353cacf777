"""What the inventory looks like at one moment of a cycle: which block replicas are still there, whose they are, and the sums
over them that the variables need.

Only ``remove``, ``leave_empty`` and ``hand_over`` change it; each brings the sums of the replicas and datasets
concerned up to date, nothing else is touched.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from policies.evaluation.columns import NOBODY
from policies.evaluation.inventory_arrays import Ints, InventoryArrays
from policies.evaluation.matching import Mask
from policies.language.types import NO_BLOCK_TIME

#: Variables that need more than sizes and counts; their sums are kept up only for policies that name them.
_BLOCK_COUNTS = frozenset({"blockreplica.num_full_disk_copy", "blockreplica.on_tape", "blockreplica.is_last_transfer_source"})
_OWNER_SETS = frozenset({"replica.num_full_disk_copy_common_owner", "replica.num_full_other_copy_common_owner"})
_TIMES = frozenset({"replica.last_block_created", "replica.first_block_created"})
_WORD = 64


class CycleState:
    """The changing part of a cycle.

    - ``present``: (n_block_replicas,) bool, in the cycle's scope and neither deleted nor handed out of the partition;
    - ``group``: (n_block_replicas,) owner now;
    - ``in_scope``: ``present`` at the start;
    - ``empty``: (n_replicas,) bool, replicas at tape sites without any block replica that still take part;
    - ``size``, ``num_rows``, ``num_complete``: per replica, over its present block replicas; ``full``: a copy of every block;
    - ``newest``, ``oldest``: per replica, of ``last_update``, where a policy asks;
    - ``owners``: per replica, set of owners as bits, where a policy asks; nobody is the last bit;
    - ``full_disk``, ``tape``, ``tape_full``: per dataset, full replicas at ready disk sites, replicas at tape sites and full
      ones of these;
    - ``block_complete``, ``block_incomplete``, ``block_tape``, ``block_ready_disk``: per block, where a policy asks:
      complete and incomplete replicas, complete ones at tape sites and at ready disk sites.
    """

    def __init__(self, arrays: InventoryArrays, in_scope: Mask, empty: Mask, variables: Collection[str]) -> None:
        self.arrays = arrays
        self.in_scope = in_scope
        self.present = in_scope.copy()
        self.group = arrays.row_group.copy()
        self.empty = empty.copy()
        self._needs_blocks = not _BLOCK_COUNTS.isdisjoint(variables)
        self._needs_owners = not _OWNER_SETS.isdisjoint(variables)
        self._needs_times = not _TIMES.isdisjoint(variables)
        n = arrays.num_replicas
        self.size = np.zeros(n, dtype=np.int64)
        self.num_rows = np.zeros(n, dtype=np.int64)
        self.num_complete = np.zeros(n, dtype=np.int64)
        self.full = np.zeros(n, dtype=np.bool_)
        self.exists = np.zeros(n, dtype=np.bool_)
        self.newest = np.zeros(n if self._needs_times else 0, dtype=np.float64)
        self.oldest = np.zeros(n if self._needs_times else 0, dtype=np.float64)
        self.owner_words = (arrays.num_groups + _WORD) // _WORD
        self.owners = np.zeros((n if self._needs_owners else 0, self.owner_words), dtype=np.uint64)
        self.full_disk = np.zeros(arrays.num_datasets, dtype=np.int64)
        self.tape = np.zeros(arrays.num_datasets, dtype=np.int64)
        self.tape_full = np.zeros(arrays.num_datasets, dtype=np.int64)
        if self._needs_blocks:
            self._count_blocks()
        self._refresh(np.flatnonzero(_any_per_replica(arrays, in_scope) | empty))

    def _count_blocks(self) -> None:
        arrays = self.arrays
        rows = np.flatnonzero(self.present)
        block = arrays.row_block[rows]
        complete = arrays.row_complete[rows]
        site = arrays.replica_site[arrays.row_replica[rows]]

        def count(mask: Mask) -> NDArray[np.int32]:
            return np.bincount(block[mask], minlength=arrays.num_blocks).astype(np.int32)

        self.block_complete = count(complete)
        self.block_incomplete = count(~complete)
        self.block_tape = count(complete & arrays.site_is_tape[site])
        self.block_ready_disk = count(complete & arrays.site_is_ready_disk[site])

    def present_rows(self, replicas: Ints) -> tuple[Ints, Ints]:
        """Return the rows of the present block replicas of *replicas*, and for each the position of its replica."""
        rows, owner = self.arrays.rows_of(replicas)
        kept = self.present[rows]
        return rows[kept], owner[kept]

    def remove(self, rows: Ints) -> None:
        """Take present block replicas out of the cycle: deleted, or handed out of the partition."""
        if len(rows) == 0:
            return
        self.present[rows] = False
        arrays = self.arrays
        if self._needs_blocks:
            block = arrays.row_block[rows]
            complete = arrays.row_complete[rows]
            site = arrays.replica_site[arrays.row_replica[rows]]
            np.subtract.at(self.block_complete, block[complete], 1)
            np.subtract.at(self.block_incomplete, block[~complete], 1)
            np.subtract.at(self.block_tape, block[complete & arrays.site_is_tape[site]], 1)
            np.subtract.at(self.block_ready_disk, block[complete & arrays.site_is_ready_disk[site]], 1)
        self._refresh(_unique_sorted(arrays.row_replica[rows]))

    def leave_empty(self, replicas: Ints) -> None:
        """Take replicas without block replicas out of the cycle."""
        self.empty[replicas] = False
        self._refresh(replicas)

    def hand_over(self, rows: Ints, groups: Ints) -> None:
        """Give each of the present block replicas *rows* to its group; ``remove`` those that leave the partition by that."""
        self.group[rows] = groups
        if self._needs_owners:
            self._refresh(_unique_sorted(self.arrays.row_replica[rows]))

    def _refresh(self, replicas: Ints) -> None:
        """Bring the sums of *replicas* (no duplicates) and the counts of their datasets up to date."""
        arrays = self.arrays
        rows, owner = self.present_rows(replicas)
        count = len(replicas)
        num_rows = np.bincount(owner, minlength=count)
        self.size[replicas] = sums_of_groups(arrays.row_size[rows], num_rows)
        self.num_rows[replicas] = num_rows
        num_complete = np.bincount(owner[arrays.row_complete[rows]], minlength=count)
        self.num_complete[replicas] = num_complete
        dataset = arrays.replica_dataset[replicas]
        site = arrays.replica_site[replicas]
        full = (num_complete == arrays.dataset_blocks[dataset]) & (num_complete > 0)
        exists = (num_rows > 0) | self.empty[replicas]
        full_change = full.astype(np.int64) - self.full[replicas]
        tape = arrays.site_is_tape[site]
        np.add.at(self.full_disk, dataset, full_change * arrays.site_is_ready_disk[site])
        np.add.at(self.tape_full, dataset, full_change * tape)
        np.add.at(self.tape, dataset, (exists.astype(np.int64) - self.exists[replicas]) * tape)
        self.full[replicas] = full
        self.exists[replicas] = exists
        if self._needs_times:
            self.newest[replicas], self.oldest[replicas] = extreme_times(arrays.row_time[rows], num_rows)
        if self._needs_owners:
            self.owners[replicas] = self.owner_sets(rows, owner, count)

    def owner_sets(self, rows: Ints, owner: Ints, count: int) -> NDArray[np.uint64]:
        """Return the owners of *rows* as bits, one set for each of the *count* replicas that *owner* numbers."""
        group = self.group[rows].astype(np.int64)
        group[group == NOBODY] = self.arrays.num_groups
        sets = np.zeros((count, self.owner_words), dtype=np.uint64)
        bits = np.left_shift(np.uint64(1), (group % _WORD).astype(np.uint64))
        if self.owner_words == 1 and len(rows):
            numbers = np.bincount(owner, minlength=count)
            filled = numbers > 0
            starts = (np.cumsum(numbers) - numbers)[filled]
            sets[filled, 0] = np.bitwise_or.reduceat(bits, starts)
        else:
            np.bitwise_or.at(sets, (owner, group // _WORD), bits)
        return sets


def _any_per_replica(arrays: InventoryArrays, rows: Mask) -> Mask:
    return np.bincount(arrays.row_replica[rows], minlength=arrays.num_replicas) > 0


def _unique_sorted(replicas: NDArray[np.integer]) -> Ints:
    return np.unique(replicas).astype(np.int64)


def sums_of_groups(values: NDArray[np.int64], counts: Ints) -> Ints:
    """Sum consecutive groups of *values*, ``counts[i]`` numbers in group i, exactly (floats round above 2**53 bytes)."""
    total: Ints = np.concatenate(([0], np.cumsum(values)))
    ends = np.cumsum(counts)
    sums: Ints = total[ends] - total[ends - counts]
    return sums


def extreme_times(times: NDArray[np.float64], counts: Ints) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return newest and oldest of consecutive groups of *times*; of an empty group 0 and 4294967295 (language page, 3)."""
    newest = np.zeros(len(counts), dtype=np.float64)
    oldest = np.full(len(counts), float(NO_BLOCK_TIME), dtype=np.float64)
    filled = counts > 0
    if filled.any():
        starts = (np.cumsum(counts) - counts)[filled]
        newest[filled] = np.maximum.reduceat(times, starts)
        oldest[filled] = np.minimum.reduceat(times, starts)
    return newest, oldest
