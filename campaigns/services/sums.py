"""What people ask of a list, added up once when it is frozen: by site, tier, era, group; last access; largest; in the way."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import polars as pl

from campaigns.constants import LARGEST_SHOWN
from policies.services.limits import Reading
from policies.services.studied_lists import StudiedList

_YEAR = 365.25 * 86400
#: Upper bounds of the bins of last access, in years.
_AGES = (0.25, 0.5, 1.0, 2.0, 3.0, 5.0)
_LABELS = ("under 3 months", "3 to 6 months", "6 to 12 months", "1 to 2 years", "2 to 3 years", "3 to 5 years", "over 5 years")
NEVER, UNKNOWN = "never", "unknown"
#: Accesses since so long count as recent.
RECENT = 90 * 86400.0

_BYTES = pl.col("size").sum().alias("size_bytes")
_ITEMS = pl.col("num").sum().alias("items")
_DATASETS = pl.col("dataset_row").n_unique().alias("datasets")
#: What is the same for all block replicas of a dataset at a site.
_OF_REPLICAS = ("site", "dataset", "dataset_row", "tier", "era", "status", "last_access", "is_tape")


def list_sums(
    studied: StudiedList, *, in_other_campaigns: Collection[int], in_transfer: Collection[str], readings: Sequence[Reading]
) -> dict[str, Any]:
    """Return the sums of a list as JSON holds them; every one adds up to the whole list, in bytes and in block replicas.

    *in_other_campaigns*: keys of block replicas; *in_transfer*: datasets of which a copy is on its way; *readings*: of the safety
    limits, for the list as it is.
    """
    items = studied.items.with_columns(num=pl.lit(1, dtype=pl.Int64))
    # Most of what is asked is the same for all blocks of a replica: a tenth of the rows, added up once.
    replicas = items.group_by("replica_row").agg(pl.col("size", "num").sum(), pl.col(*_OF_REPLICAS).first())
    elsewhere = pl.Series("key", list(in_other_campaigns), dtype=pl.Int64)
    moving = pl.Series("dataset", sorted(in_transfer), dtype=pl.String)
    return {
        "sites": _by(replicas, "site"),
        "tiers": _by(replicas, "tier"),
        "eras": _by(replicas, "era"),
        "groups": _by(items, "owner"),
        "statuses": _by(replicas, "status"),
        "rules": _by(items, "rule")[:200],
        "last_access": last_access_bins(replicas, studied.clock),
        "largest": _largest(replicas),
        "last_copies": _largest(items.filter("is_last_copy"), shown=200),
        "tape": _by(replicas.filter("is_tape"), "site"),
        "locked": total(items.filter("is_locked")),
        "recently_accessed": total(replicas.filter(pl.col("last_access") > studied.clock.timestamp() - RECENT)),
        "in_other_campaigns": total(items.filter(pl.col("key").is_in(elsewhere.implode()))),
        "in_transfer": total(replicas.filter(pl.col("dataset").is_in(moving.implode()))),
        "against_guardrails": studied.against_guardrails,
        "num_handed_over": studied.num_handed_over,
        "unknown_feeds": list(studied.unknown_feeds),
        "feeds": list(studied.feeds),
        "loads": [asdict(load) for load in studied.loads],
        "readings": [reading.as_json() for reading in readings],
    }


def total(items: pl.DataFrame) -> dict[str, int]:
    """Return bytes, block replicas and datasets of a part of a list."""
    return {
        "size_bytes": int(items.get_column("size").sum()),
        "items": int(items.get_column("num").sum()),
        "datasets": items.get_column("dataset_row").n_unique() if items.height else 0,
    }


def last_access_bins(items: pl.DataFrame, clock: datetime) -> list[dict[str, Any]]:
    """Return the list by how long ago its datasets were last read, the longest ago last, then never and unknown."""
    age = (clock.timestamp() - pl.col("last_access")) / _YEAR
    label = pl.when(pl.col("last_access").is_null()).then(pl.lit(UNKNOWN)).when(pl.col("last_access") <= 0).then(pl.lit(NEVER))
    for bound, name in zip(_AGES, _LABELS, strict=False):
        label = label.when(age < bound).then(pl.lit(name))
    binned = items.with_columns(bin=label.otherwise(pl.lit(_LABELS[-1])))
    found = {row["bin"]: row for row in binned.group_by("bin").agg(_BYTES, _ITEMS, _DATASETS).iter_rows(named=True)}
    return [_named(found[name], "bin") for name in (*_LABELS, NEVER, UNKNOWN) if name in found]


def _by(items: pl.DataFrame, column: str) -> list[dict[str, Any]]:
    frame = items.group_by(column).agg(_BYTES, _ITEMS, _DATASETS).sort(["size_bytes", column], descending=[True, False])
    return [_named(row, column) for row in frame.iter_rows(named=True)]


def _largest(items: pl.DataFrame, shown: int = LARGEST_SHOWN) -> list[dict[str, Any]]:
    of_dataset = (pl.col("dataset", "last_access").first(), pl.col("site").n_unique().alias("sites"))
    frame = items.group_by("dataset_row").agg(_BYTES, _ITEMS, *of_dataset)
    ordered = frame.drop("dataset_row").sort(["size_bytes", "dataset"], descending=[True, False])
    return list(ordered.head(shown).iter_rows(named=True))


def _named(row: dict[str, Any], column: str) -> dict[str, Any]:
    return {"name": row[column], "size_bytes": row["size_bytes"], "items": row["items"], "datasets": row["datasets"]}
