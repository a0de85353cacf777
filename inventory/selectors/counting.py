"""Sums the inventory up by keys, in one pass over the replicas; names come in only where the sums are small.

Read some million blocks at a time, so that the memory is that of one part whatever the inventory's size. A dataset is never
in two parts, and no sum needs more than the replicas of one dataset.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from inventory.selectors.reading import Reader

#: Blocks per part: with a few copies each some hundred megabytes.
BLOCKS_PER_PART = 1_000_000

#: Key of the owner that nobody is.
NOBODY = -1

KIND = ("tier", "status", "data_type", "release")
CELL_SUMS = (
    "size_bytes",
    "num_files",
    "projected_bytes",
    "projected_files",
    "num_block_replicas",
    "whole_bytes",
    "anywhere_bytes",
    "anywhere_projected_bytes",
)
UNIQUE_SUMS = ("num_datasets", "num_blocks", "size_bytes", "num_files")

_DATASETS = "SELECT id, tier, status, data_type, COALESCE(release, ''), size_bytes, num_files, num_blocks FROM inventory_dataset"
_COPIES = (
    "SELECT id, dataset_id, site_id, COALESCE(group_id, -1), CASE WHEN is_growing THEN 1 ELSE 0 END FROM inventory_datasetreplica"
)
_BLOCKS = "SELECT id, dataset_id, size_bytes, num_files FROM inventory_block"
_REPLICAS = (
    "SELECT r.dataset_replica_id, r.block_id, COALESCE(r.group_id, -1), r.size_bytes, r.num_files FROM inventory_blockreplica r"
)
_OF_THOSE = " JOIN inventory_datasetreplica c ON c.id = r.dataset_replica_id WHERE c.dataset_id BETWEEN {first} AND {last}"
_BETWEEN = " WHERE dataset_id BETWEEN {first} AND {last}"


@dataclass(frozen=True, slots=True)
class Counted:
    """The sums of one moment.

    ``cells``: KIND, site, group, CELL_SUMS; ``unique``: KIND, is_any_group, group, UNIQUE_SUMS; ``copies``: dataset_id,
    num_copies, num_complete_copies of every dataset; ``incomplete``: id of each dataset replica that lacks blocks or files.
    ``group`` is null for nobody.
    """

    cells: pl.DataFrame
    unique: pl.DataFrame
    copies: pl.DataFrame
    incomplete: pl.DataFrame


def count_inventory(reader: Reader) -> Counted:
    """Sum up what *reader* sees. A growing replica is projected to take up every block of its dataset that it lacks."""
    datasets = reader.frame(
        _DATASETS,
        {
            "dataset_id": pl.Int64,
            **dict.fromkeys(KIND, pl.String),
            "dataset_bytes": pl.Int64,
            "dataset_files": pl.Int64,
            "num_blocks": pl.Int64,
        },
    ).sort("dataset_id")
    kinds = datasets.select(KIND).unique().with_row_index("kind")
    datasets = datasets.join(kinds, on=KIND).drop(KIND).sort("dataset_id")
    parts = [_part(reader, datasets, where) for where in _ranges(datasets)]
    if not parts:
        parts = [_part(reader, datasets, None)]
    cells = pl.concat([part.cells for part in parts]).group_by("kind", "site", "group").agg(pl.col(CELL_SUMS).sum())
    unique = pl.concat([part.unique for part in parts]).group_by("kind", "is_any_group", "group").agg(pl.col(UNIQUE_SUMS).sum())
    return Counted(
        cells=_named(cells, kinds),
        unique=_named(unique, kinds),
        copies=pl.concat([part.copies for part in parts]),
        incomplete=pl.concat([part.incomplete for part in parts]),
    )


def _ranges(datasets: pl.DataFrame) -> Iterator[tuple[int, int] | None]:
    """Yield first and last key of the datasets of each part, None for all of them at once."""
    number = (datasets["num_blocks"].cum_sum() // BLOCKS_PER_PART).alias("part")
    bounds = datasets.select("dataset_id", number).group_by("part").agg(first=pl.min("dataset_id"), last=pl.max("dataset_id"))
    if bounds.height <= 1:
        yield None
        return
    yield from bounds.sort("part").select("first", "last").iter_rows()


def _part(reader: Reader, datasets: pl.DataFrame, where: tuple[int, int] | None) -> Counted:
    """Return the sums of some datasets, by kind and owner as numbers."""
    between, of_those = "", ""
    if where is not None:
        first, last = where
        between, of_those = (text.format(first=first, last=last) for text in (_BETWEEN, _OF_THOSE))
        datasets = datasets.filter(pl.col("dataset_id").is_between(first, last))
    copies = reader.frame(_COPIES + between, _integers("copy", "dataset_id", "site", "owner", "is_growing")).join(
        datasets, on="dataset_id"
    )
    blocks = reader.frame(_BLOCKS + between, _integers("block", "dataset_id", "whole_bytes", "whole_files"))
    replicas = reader.frame(_REPLICAS + of_those, _integers("copy", "block", "group", "size_bytes", "num_files")).join(
        blocks, on="block"
    )
    whole = (pl.col("size_bytes") == pl.col("whole_bytes")) & (pl.col("num_files") == pl.col("whole_files"))
    sums = replicas.group_by("copy").agg(
        pl.col("whole_bytes").sum(), pl.col("whole_files").sum(), num_complete=whole.sum().cast(pl.Int64)
    )
    copies = copies.join(sums, on="copy", how="left").with_columns(
        pl.col("whole_bytes", "whole_files", "num_complete").fill_null(0)
    )
    is_complete = pl.col("num_complete") == pl.col("num_blocks")
    number = copies.group_by("dataset_id").agg(num_copies=pl.len(), num_complete_copies=is_complete.sum())
    return Counted(
        cells=pl.concat([_present(replicas, copies), _to_come(copies)]),
        unique=_each_once(replicas, blocks.join(datasets.select("dataset_id", "kind"), on="dataset_id")),
        copies=datasets.select("dataset_id")
        .join(number, on="dataset_id", how="left")
        .select("dataset_id", pl.col("num_copies", "num_complete_copies").fill_null(0).cast(pl.Int64)),
        incomplete=copies.filter(~is_complete).select("copy"),
    )


def _integers(*names: str) -> dict[str, type[pl.DataType]]:
    return dict.fromkeys(names, pl.Int64)


def _present(replicas: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    """Return the sums of block replicas by kind, site and group."""
    anywhere = replicas.group_by("block").agg(anywhere_bytes=pl.col("size_bytes").sum(), num_anywhere=pl.len())
    return (
        replicas.join(copies.select("copy", "kind", "site"), on="copy")
        .join(anywhere, on="block")
        .group_by("kind", "site", "group")
        .agg(
            pl.col("size_bytes", "num_files").sum(),
            projected_bytes=pl.col("whole_bytes").sum(),
            projected_files=pl.col("whole_files").sum(),
            num_block_replicas=pl.len().cast(pl.Int64),
            whole_bytes=pl.col("whole_bytes").sum(),
            anywhere_bytes=pl.col("anywhere_bytes").sum(),
            anywhere_projected_bytes=(pl.col("whole_bytes") * pl.col("num_anywhere")).sum(),
        )
        .select("kind", "site", "group", *CELL_SUMS)
    )


def _to_come(copies: pl.DataFrame) -> pl.DataFrame:
    """Return what growing dataset replicas will take up besides, in the hands of the owner of new blocks."""
    lacking = copies.filter(pl.col("is_growing") == 1).select(
        "kind",
        "site",
        pl.col("owner").alias("group"),
        projected_bytes=pl.col("dataset_bytes") - pl.col("whole_bytes"),
        projected_files=pl.col("dataset_files") - pl.col("whole_files"),
    )
    others = [pl.lit(0, dtype=pl.Int64).alias(name) for name in CELL_SUMS if not name.startswith("projected")]
    sums = lacking.group_by("kind", "site", "group").agg(pl.col("projected_bytes", "projected_files").sum())
    return sums.with_columns(others).select("kind", "site", "group", *CELL_SUMS)


def _each_once(replicas: pl.DataFrame, blocks: pl.DataFrame) -> pl.DataFrame:
    """Return the sums of blocks that have a replica: of any owner, and of those that a group has somewhere."""
    found = []
    owned = replicas.select("block", "group").unique()
    for pairs, is_any_group in (
        (owned, False),
        (owned.select("block").unique().with_columns(group=pl.lit(NOBODY, pl.Int64)), True),
    ):
        sums = (
            pairs.join(blocks, on="block")
            .group_by("kind", "group")
            .agg(
                num_datasets=pl.col("dataset_id").n_unique().cast(pl.Int64),
                num_blocks=pl.len().cast(pl.Int64),
                size_bytes=pl.col("whole_bytes").sum(),
                num_files=pl.col("whole_files").sum(),
            )
        )
        found.append(sums.select("kind", pl.lit(is_any_group).alias("is_any_group"), "group", *UNIQUE_SUMS))
    return pl.concat(found)


def _named(sums: pl.DataFrame, kinds: pl.DataFrame) -> pl.DataFrame:
    """Return *sums* with what their kinds are called, and nobody as null."""
    owner = pl.when(pl.col("group") != NOBODY).then(pl.col("group")).alias("group")
    return sums.join(kinds, on="kind").drop("kind").with_columns(owner)
