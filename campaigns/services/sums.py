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
_ITEMS = pl.len().alias("items")
_DATASETS = pl.col("dataset").n_unique().alias("datasets")


def list_sums(
    studied: StudiedList, *, in_other_campaigns: Collection[int], in_transfer: Collection[str], readings: Sequence[Reading]
) -> dict[str, Any]:
    """Return the sums of a list as JSON holds them; every one adds up to the whole list, in bytes and in block replicas.

    *in_other_campaigns*: keys of block replicas; *in_transfer*: datasets of which a copy is on its way; *readings*: of the safety
    limits, for the list as it is.
    """
    items = studied.items
    elsewhere = pl.Series("key", sorted(in_other_campaigns), dtype=pl.Int64)
    moving = pl.Series("dataset", sorted(in_transfer), dtype=pl.String)
    return {
        "sites": _by(items, "site"),
        "tiers": _by(items, "tier"),
        "eras": _by(items, "era"),
        "groups": _by(items, "owner"),
        "statuses": _by(items, "status"),
        "rules": _by(items, "rule")[:200],
        "last_access": last_access_bins(items, studied.clock),
        "largest": _largest(items),
        "last_copies": _largest(items.filter("is_last_copy"), shown=200),
        "tape": _by(items.filter("is_tape"), "site"),
        "locked": total(items.filter("is_locked")),
        "recently_accessed": total(items.filter(pl.col("last_access") > studied.clock.timestamp() - RECENT)),
        "in_other_campaigns": total(items.filter(pl.col("key").is_in(elsewhere.implode()))),
        "in_transfer": total(items.filter(pl.col("dataset").is_in(moving.implode()))),
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
        "items": items.height,
        "datasets": items.get_column("dataset").n_unique() if items.height else 0,
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
    frame = items.group_by("dataset").agg(_BYTES, _ITEMS, pl.col("last_access").first(), pl.col("site").n_unique().alias("sites"))
    return list(frame.sort(["size_bytes", "dataset"], descending=[True, False]).head(shown).iter_rows(named=True))


def _named(row: dict[str, Any], column: str) -> dict[str, Any]:
    return {"name": row[column], "size_bytes": row["size_bytes"], "items": row["items"], "datasets": row["datasets"]}
