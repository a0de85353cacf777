"""Large snapshots without a database: invented sites, datasets and replicas, with the proportions of a real experiment.

Everything comes from one seeded generator, so two runs measure the same cycle. The numbers of blocks and copies are
log-normal and skewed as in the shared inventory; about 24 block replicas per dataset.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from policies.evaluation.columns import (
    BLOCK_REPLICA_SCHEMA,
    BLOCK_SCHEMA,
    DATASET_SCHEMA,
    GROUP_SCHEMA,
    NOBODY,
    REPLICA_SCHEMA,
    SITE_SCHEMA,
    Snapshot,
)
from tests.factories.inventories import DAY
from tests.factories.snapshots import NOW

GROUPS = (("AnalysisOps", True), ("DataOps", False), ("RelVal", True), ("caf-comm", True), ("local", False))
_TIERS = ("RAW", "RECO", "AOD", "MINIAOD", "NANOAOD", "GEN-SIM", "AODSIM", "MINIAODSIM", "GEN")
_PRIMARY = ("SingleMuon", "JetHT", "TTJets_TuneCP5", "QCD_Pt-15to7000", "ZeroBias", "DYJetsToLL_M-50", "WJetsToLNu")
_NUM_DISK, _NUM_TAPE = 56, 8


def make_snapshot(num_datasets: int, *, seed: int = 1, typical_blocks: float = 4.7) -> Snapshot:
    """Return a snapshot of *num_datasets* datasets whose quotas leave a third of the sites above 90 %.

    *typical_blocks*: the median of blocks in a dataset; with 1.3 there are about 7 block replicas per dataset.
    """
    rng = np.random.default_rng(seed)
    names = sorted(
        f"/{rng.choice(_PRIMARY)}-{number}/Run20{rng.integers(12, 19)}-PU{rng.integers(1, 60)}_v{number % 7}/{rng.choice(_TIERS)}"
        for number in range(num_datasets)
    )
    num_blocks = np.clip(np.exp(rng.normal(np.log(typical_blocks), 1.25, num_datasets)).astype(np.int64), 1, 200)
    block_dataset = np.repeat(np.arange(num_datasets), num_blocks)
    block_size = np.maximum(1000, np.exp(rng.normal(25.0, 1.5, len(block_dataset)))).astype(np.int64)
    blocks = pl.DataFrame(
        {
            "dataset": block_dataset,
            "name": [f"{number:012x}" for number in range(len(block_dataset))],
            "size": block_size,
            "num_files": rng.integers(1, 60, len(block_dataset)),
        },
        schema=BLOCK_SCHEMA,
    )
    replicas, dataset, site = _replicas(rng, num_datasets)
    block_replicas = _block_replicas(rng, blocks, num_blocks, dataset, site)
    return Snapshot(
        sites=_sites(rng, site, block_replicas),
        groups=pl.DataFrame(sorted(GROUPS), schema=GROUP_SCHEMA, orient="row"),
        datasets=_datasets(rng, names, np.bincount(block_dataset, weights=block_size).astype(np.int64)),
        blocks=blocks,
        replicas=replicas,
        block_replicas=block_replicas,
        taken_at=NOW,
    )


def _datasets(rng: np.random.Generator, names: list[str], size: np.ndarray) -> pl.DataFrame:
    count = len(names)
    statuses = rng.choice(["VALID", "PRODUCTION", "INVALID", "DEPRECATED", "UNKNOWN"], count, p=[0.78, 0.12, 0.04, 0.04, 0.02])
    frame = pl.DataFrame(
        {
            "name": names,
            "status": statuses,
            "size": size,
            "last_update": NOW - rng.random(count) ** 1.7 * 1800 * DAY,
            "release": [f"10_{number % 7}_0" for number in range(count)],
        },
        schema=DATASET_SCHEMA,
    )
    return frame.with_columns(
        pl.Series("usage_rank", rng.normal(90, 80, count)),
        pl.Series("num_access", np.where(rng.random(count) < 0.5, 0.0, rng.exponential(20, count))),
        pl.Series("tape_copy_requested", rng.random(count) < 0.02),
        pl.Series("on_protected_site", rng.random(count) < 0.06),
        pl.Series("unhandled_copy_exists", rng.random(count) < 0.012),
    )


def _replicas(rng: np.random.Generator, num_datasets: int) -> tuple[pl.DataFrame, np.ndarray, np.ndarray]:
    """Return one to five copies per dataset on disk and one on tape for most, sorted by (site, dataset)."""
    copies = rng.choice(np.arange(1, 6), num_datasets, p=[0.45, 0.30, 0.15, 0.07, 0.03])
    dataset = np.concatenate((np.repeat(np.arange(num_datasets), copies), np.flatnonzero(rng.random(num_datasets) < 0.6)))
    num_on_disk = int(copies.sum())
    on_disk = (rng.random(num_on_disk) ** 2 * _NUM_DISK).astype(np.int64)
    site = np.concatenate((on_disk, rng.integers(_NUM_DISK, _NUM_DISK + _NUM_TAPE, len(dataset) - num_on_disk)))
    pairs = np.unique(site * num_datasets + dataset)
    site, dataset = pairs // num_datasets, pairs % num_datasets
    frame = pl.DataFrame({"dataset": dataset, "site": site}, schema=REPLICA_SCHEMA)
    return frame.with_columns(pl.Series("enforcer_protected", rng.random(len(pairs)) < 0.01)), dataset, site


def _block_replicas(
    rng: np.random.Generator, blocks: pl.DataFrame, num_blocks: np.ndarray, dataset: np.ndarray, site: np.ndarray
) -> pl.DataFrame:
    first_block = np.cumsum(num_blocks) - num_blocks
    replica = np.repeat(np.arange(len(dataset)), num_blocks[dataset])
    offset = np.arange(len(replica)) - np.repeat(np.cumsum(num_blocks[dataset]) - num_blocks[dataset], num_blocks[dataset])
    block = first_block[dataset[replica]] + offset
    is_partial = (rng.random(len(dataset)) < 0.06)[replica]
    kept = ~(is_partial & (offset > 0) & (rng.random(len(replica)) < 0.4))
    replica, block = replica[kept], block[kept]
    owner = rng.choice([0, 1, 2, 3, 4, NOBODY], len(dataset), p=[0.58, 0.30, 0.04, 0.03, 0.03, 0.02])[replica]
    is_mixed = (rng.random(len(dataset)) < 0.05)[replica] & (rng.random(len(replica)) < 0.3)
    is_incomplete = (rng.random(len(dataset)) < 0.06)[replica] & (rng.random(len(replica)) < 0.5)
    size = blocks["size"].to_numpy()[block]
    files = blocks["num_files"].to_numpy()[block]
    frame = pl.DataFrame(
        {
            "replica": replica,
            "block": block,
            "group": np.where(is_mixed, 1 - np.clip(owner, 0, 1), owner),
            "size": np.where(is_incomplete, size // 2, size),
            "num_files": np.where(is_incomplete, files - 1, files),
            "last_update": NOW - rng.random(len(replica)) * 900 * DAY,
        },
        schema=BLOCK_REPLICA_SCHEMA,
    )
    return frame.with_columns(pl.Series("is_locked", (rng.random(len(dataset)) < 0.02)[replica]))


def _sites(rng: np.random.Generator, site: np.ndarray, block_replicas: pl.DataFrame) -> pl.DataFrame:
    at = site[block_replicas["replica"].to_numpy()]
    used = np.bincount(at, weights=block_replicas["size"].to_numpy(), minlength=_NUM_DISK + _NUM_TAPE)
    target = np.where(rng.random(len(used)) < 1 / 3, rng.uniform(0.92, 1.08, len(used)), rng.uniform(0.45, 0.89, len(used)))
    names = [f"T2_Site_{number:02}" for number in range(_NUM_DISK)] + [f"T3_Tape_{number}_MSS" for number in range(_NUM_TAPE)]
    rows = [
        (name, "READY", "MSS" if name.endswith("MSS") else "DISK", int(size / share))
        for name, size, share in zip(names, used.tolist(), target.tolist(), strict=True)
    ]
    return pl.DataFrame(rows, schema=SITE_SCHEMA, orient="row")
