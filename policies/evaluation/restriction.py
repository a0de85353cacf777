"""One dataset out of a snapshot: every variable of a replica depends on the replicas of its own dataset and on sites alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from policies.evaluation.columns import Snapshot
from policies.evaluation.inventory_arrays import Ints


@dataclass(frozen=True, slots=True)
class DatasetExtract:
    """A snapshot of one dataset, all sites and all groups; ``replicas`` and ``rows`` are its rows in the whole one."""

    snapshot: Snapshot
    replicas: Ints
    rows: Ints


def extract_dataset(snapshot: Snapshot, dataset: int) -> DatasetExtract:
    """Return the *dataset* (a row of ``snapshot.datasets``) alone, in the same order as in the whole snapshot."""
    replicas = np.flatnonzero(snapshot.replicas.get_column("dataset").to_numpy() == dataset)
    rows = np.flatnonzero(np.isin(snapshot.block_replicas.get_column("replica").to_numpy(), replicas))
    first_block = int(np.searchsorted(snapshot.blocks.get_column("dataset").to_numpy(), dataset))
    chosen = snapshot.block_replicas[rows]
    small = Snapshot(
        sites=snapshot.sites,
        groups=snapshot.groups,
        datasets=snapshot.datasets[dataset : dataset + 1],
        blocks=snapshot.blocks.filter(pl.col("dataset") == dataset).with_columns(pl.lit(0, dtype=pl.Int32).alias("dataset")),
        replicas=snapshot.replicas[replicas].with_columns(pl.lit(0, dtype=pl.Int32).alias("dataset")),
        block_replicas=chosen.with_columns(
            pl.Series("replica", np.searchsorted(replicas, chosen.get_column("replica").to_numpy()), dtype=pl.Int32),
            (pl.col("block") - first_block).alias("block"),
        ),
        taken_at=snapshot.taken_at,
    )
    return DatasetExtract(small, replicas, rows)
