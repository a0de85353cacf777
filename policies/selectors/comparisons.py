"""What changes from one policy text to another: sums over the changed block replicas, and the changed replicas page by page.

The frame of block replicas is that of ``policies.planning.comparing.Comparison.changes``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from policies.planning.comparing import GONE
from policies.selectors.decisions import scan_parquet_file

#: Rows kept per kind of sum, those with the most bytes.
MOST_ROWS = 100
#: What "tier" means: the last part of a dataset's name.
TIER = pl.col("dataset").str.extract(r"([^/]*)$").alias("tier")

#: What "era" means: the first word of the second part of a dataset's name, as Run2026A in /A/Run2026A-v1/RAW.
ERA = pl.col("dataset").str.extract(r"^/[^/]*/([^/-]*)").fill_null("").alias("era")
#: Columns of the file of changed replicas, a row per (replica, change).
REPLICA_COLUMNS = ("site", "dataset", "old", "new", "old_line", "new_line", "num_blocks", "size_bytes")

_GOES = (pl.col("new") == "delete") & (pl.col("old") != "delete")
#: What the newer of two cycles did not find any more is neither deleted nor spared by it.
_IS_GONE = pl.col("new") == GONE
_STAYS = (pl.col("old") == "delete") & (pl.col("new") != "delete") & ~_IS_GONE
_OTHER = ~_GOES & ~_STAYS & ~_IS_GONE


@dataclass(frozen=True, slots=True)
class ChangedReplica:
    """Blocks of one replica whose decision changes in the same way; lines as in a decision, None where no rule decided."""

    site: str
    dataset: str
    old: str
    new: str
    old_line: int | None
    new_line: int | None
    num_blocks: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ChangesPage:
    """A page of changed replicas, with the number of all that fit."""

    rows: tuple[ChangedReplica, ...]
    number: int
    num_pages: int
    total: int


def changed_replicas(changes: pl.DataFrame) -> pl.DataFrame:
    """Return the changed block replicas by replica and change, those with the most bytes first."""
    keys = ["site", "dataset", "old", "new", "old_line", "new_line"]
    grouped = changes.group_by(keys).agg(num_blocks=pl.len(), size_bytes=pl.col("bytes").sum())
    return grouped.sort(["size_bytes", *keys], descending=[True, *[False] * len(keys)]).select(REPLICA_COLUMNS)


def changes_summary(changes: pl.DataFrame) -> dict[str, Any]:
    """Return the sums of *changes* as JSON takes them.

    ``goes`` is what would be deleted now and was not before, ``stays`` the reverse, ``gone`` what the newer of two cycles did
    not find any more, ``others`` every other change; each with bytes, replicas and sites. ``sites`` and ``tiers``: the same bytes
    by name; ``rules``: by pair of lines and decisions.
    """
    return {
        "goes": _totals(changes.filter(_GOES)),
        "stays": _totals(changes.filter(_STAYS)),
        "gone": _totals(changes.filter(_IS_GONE)),
        "others": _totals(changes.filter(_OTHER)),
        "sites": _by_name(changes, pl.col("site")),
        "tiers": _by_name(changes, TIER),
        "rules": _by_rules(changes),
    }


def changes_page(
    file_name: str, *, site: str = "", dataset: str = "", old: str = "", new: str = "", page: int = 1, per_page: int = 50
) -> ChangesPage:
    """Return a page of the changed replicas in the file, those with the most bytes first; *dataset* is a part of the name.

    Raises ``FileNotFoundError`` when the file is not in the storage any more.
    """
    frame = scan_parquet_file(file_name)
    for column, wanted in (("site", site), ("old", old), ("new", new)):
        if wanted:
            frame = frame.filter(pl.col(column) == wanted)
    if dataset:
        frame = frame.filter(pl.col("dataset").str.contains(dataset, literal=True))
    total = frame.select(pl.len()).collect().item()
    num_pages = max(1, -(-total // per_page))
    number = min(max(1, page), num_pages)
    rows = frame.slice((number - 1) * per_page, per_page).collect()
    return ChangesPage(tuple(ChangedReplica(**row) for row in rows.iter_rows(named=True)), number, num_pages, total)


def _totals(changes: pl.DataFrame) -> dict[str, int]:
    return {
        "size_bytes": int(changes["bytes"].sum()),
        "num_replicas": changes.select("site", "dataset").n_unique() if changes.height else 0,
        "num_sites": changes["site"].n_unique(),
    }


def _by_name(changes: pl.DataFrame, key: pl.Expr) -> list[dict[str, Any]]:
    size = pl.col("bytes")
    sums = changes.group_by(key.alias("name")).agg(
        goes_bytes=size.filter(_GOES).sum(),
        stays_bytes=size.filter(_STAYS).sum(),
        gone_bytes=size.filter(_IS_GONE).sum(),
        other_bytes=size.filter(_OTHER).sum(),
        num_replicas=pl.struct("site", "dataset").n_unique(),
        all_bytes=size.sum(),
    )
    return sums.sort("all_bytes", "name", descending=[True, False]).drop("all_bytes").head(MOST_ROWS).to_dicts()


def _by_rules(changes: pl.DataFrame) -> list[dict[str, Any]]:
    keys = ["old", "old_line", "new", "new_line"]
    sums = changes.group_by(keys).agg(size_bytes=pl.col("bytes").sum(), num_replicas=pl.struct("site", "dataset").n_unique())
    return sums.sort(["size_bytes", *keys], descending=[True, *[False] * len(keys)]).head(MOST_ROWS).to_dicts()
