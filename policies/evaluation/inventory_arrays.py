"""The snapshot as arrays: what never changes during a cycle, and the ranges that lead from datasets to block replicas."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from policies.evaluation.columns import OPTIONAL_COLUMNS, Snapshot

Ints = NDArray[np.int64]


class MissingColumn(LookupError):
    """The snapshot lacks a column that a policy needs: its facts were not loaded."""

    def __init__(self, variable: str) -> None:
        self.variable = variable
        super().__init__(
            f"the snapshot holds no values for '{variable}'; load the facts that policy.facts() names before planning"
        )


class UnsortedSnapshot(ValueError):
    """A frame of the snapshot is not in its promised order, or names a thing twice: ranges of rows would mix up replicas."""

    def __init__(self, frame: str, order: str) -> None:
        super().__init__(f"the snapshot's {frame} must be sorted by {order} without duplicates; nothing was evaluated")


def expand_ranges(starts: Ints, counts: Ints) -> tuple[Ints, Ints]:
    """Return the numbers of all ranges ``start .. start + count - 1`` one after the other, and the range that each is of."""
    owner = np.repeat(np.arange(len(counts)), counts)
    offsets = np.cumsum(counts) - counts
    return np.arange(len(owner)) + (starts - offsets)[owner], owner


class InventoryArrays:
    """Arrays of one snapshot, by row number.

    Replicas are sorted by (site, dataset) and block replicas by (replica, block), as ``Snapshot`` promises, so the
    block replicas of a replica are the range ``first_row[r] .. first_row[r + 1]`` and the replicas of a site are
    ``site_first[s] .. site_first[s + 1]``. ``by_dataset[dataset_first[d] : dataset_first[d + 1]]`` are the replicas
    of a dataset, by site.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        """Raises ``UnsortedSnapshot`` where the promised order is broken."""
        _check_order(snapshot)
        self.snapshot = snapshot
        self.num_sites = snapshot.sites.height
        self.num_datasets = snapshot.datasets.height
        self.num_blocks = snapshot.blocks.height
        self.num_replicas = snapshot.replicas.height
        self.num_rows = snapshot.block_replicas.height

        self.replica_dataset = _ints(snapshot.replicas, "dataset")
        self.replica_site = _ints(snapshot.replicas, "site")
        self.site_first = _firsts(self.replica_site, self.num_sites)
        self.by_dataset: Ints = np.argsort(self.replica_dataset, kind="stable")
        self.dataset_first = _firsts(self.replica_dataset[self.by_dataset], self.num_datasets)

        rows = snapshot.block_replicas
        self.row_replica = rows.get_column("replica").to_numpy()
        self.row_block = rows.get_column("block").to_numpy()
        self.row_group = rows.get_column("group").to_numpy()
        self.row_size = rows.get_column("size").to_numpy()
        self.row_time = rows.get_column("last_update").to_numpy()
        self.first_row = _firsts(self.row_replica, self.num_replicas)

        blocks = snapshot.blocks
        self.row_complete = (self.row_size == blocks.get_column("size").to_numpy()[self.row_block]) & (
            rows.get_column("num_files").to_numpy() == blocks.get_column("num_files").to_numpy()[self.row_block]
        )
        self.dataset_blocks = np.bincount(blocks.get_column("dataset").to_numpy(), minlength=self.num_datasets)

        storage = snapshot.sites.get_column("storage_type")
        ready = snapshot.sites.get_column("status") == "READY"
        self.site_is_tape = (storage == "MSS").to_numpy()
        self.site_is_ready = ready.to_numpy()
        self.site_is_ready_disk = (ready & (storage == "DISK")).to_numpy()
        self.site_quota = snapshot.sites.get_column("quota").to_numpy()
        self.site_names: list[str] = snapshot.sites.get_column("name").to_list()
        self.group_is_dataset_level = snapshot.groups.get_column("is_dataset_level").to_numpy()
        self.num_groups = snapshot.groups.height

    def rows_of(self, replicas: Ints) -> tuple[Ints, Ints]:
        """Return the rows of all block replicas of *replicas*, and for each the position of its replica in *replicas*."""
        starts = self.first_row[replicas]
        return expand_ranges(starts, self.first_row[replicas + 1] - starts)

    def replicas_of(self, datasets: Ints) -> tuple[Ints, Ints]:
        """Return the replicas of all *datasets*, by site within each, and for each the position of its dataset."""
        starts = self.dataset_first[datasets]
        positions, owner = expand_ranges(starts, self.dataset_first[datasets + 1] - starts)
        return self.by_dataset[positions], owner

    def optional(self, variable: str) -> pl.Series:
        """Return the column of facts of *variable*.

        Raises:
            MissingColumn: its facts were not loaded.
        """
        frame_name, column, _ = OPTIONAL_COLUMNS[variable]
        frame: pl.DataFrame = getattr(self.snapshot, frame_name)
        if column not in frame.columns:
            raise MissingColumn(variable)
        return frame.get_column(column)


def _check_order(snapshot: Snapshot) -> None:
    for name, frame in (("sites", snapshot.sites), ("groups", snapshot.groups), ("datasets", snapshot.datasets)):
        names = frame.get_column("name")
        if not (names[1:] > names[:-1]).all():
            raise UnsortedSnapshot(name, "name")
    blocks = snapshot.blocks.get_column("dataset").to_numpy()
    names = snapshot.blocks.get_column("name")
    if not ((blocks[1:] > blocks[:-1]) | ((blocks[1:] == blocks[:-1]) & (names[1:] > names[:-1]).to_numpy())).all():
        raise UnsortedSnapshot("blocks", "dataset and name")
    for name, frame, major, minor in (
        ("replicas", snapshot.replicas, "site", "dataset"),
        ("block replicas", snapshot.block_replicas, "replica", "block"),
    ):
        outer, inner = frame.get_column(major).to_numpy(), frame.get_column(minor).to_numpy()
        if not ((outer[1:] > outer[:-1]) | ((outer[1:] == outer[:-1]) & (inner[1:] > inner[:-1]))).all():
            raise UnsortedSnapshot(name, f"{major} and {minor}")


def _ints(frame: pl.DataFrame, column: str) -> Ints:
    return frame.get_column(column).to_numpy().astype(np.int64)


def _firsts(sorted_keys: NDArray[np.integer], count: int) -> Ints:
    """Return where each key of ``0 .. count`` begins in *sorted_keys* (``count + 1`` numbers)."""
    return np.concatenate(([0], np.cumsum(np.bincount(sorted_keys, minlength=count)))).astype(np.int64)
