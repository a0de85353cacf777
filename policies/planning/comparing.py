"""What two rounds of decisions decide differently, block replica by block replica."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

#: Decision of a block replica that only one of two sides looked at.
OUTSIDE = "outside"
#: Decision of one that the older of two cycles decided on and the newer one did not find any more.
GONE = "gone"
#: What a side is: a row per block replica in scope; ``bytes`` present, the word of the decision and the line that made it.
SIDE_COLUMNS = ("site", "dataset", "block", "bytes", "decision", "line")

_KEYS = ["site", "dataset", "block"]


@dataclass(frozen=True, slots=True)
class Comparison:
    """How decisions differ, a row per block replica that changes.

    ``changes``: site, dataset, block, bytes (on the new side where it is there), old, new (words of decisions, `OUTSIDE` and
    `GONE` where a side does not have it), old_line, new_line. ``old_bytes`` and ``new_bytes``: bytes by word of decision.
    """

    changes: pl.DataFrame
    old_bytes: dict[str, int]
    new_bytes: dict[str, int]


def decisions_compare(old: pl.DataFrame, new: pl.DataFrame, *, without_new: str = OUTSIDE) -> Comparison:
    """Return how *new* differs from *old*, frames of `SIDE_COLUMNS`; *without_new*: the word for what only *old* has."""
    sides = [
        frame.select(*_KEYS, *(pl.col(name).alias(f"{side}_{name}") for name in ("bytes", "decision", "line")))
        for side, frame in (("old", old), ("new", new))
    ]
    joined = sides[0].join(sides[1], on=_KEYS, how="full", coalesce=True)
    decided = joined.with_columns(
        bytes=pl.coalesce("new_bytes", "old_bytes"),
        old=pl.col("old_decision").fill_null(OUTSIDE),
        new=pl.col("new_decision").fill_null(without_new),
    )
    changes = decided.filter(pl.col("old") != pl.col("new")).select(*_KEYS, "bytes", "old", "new", "old_line", "new_line")
    return Comparison(changes.sort(_KEYS), _bytes(old), _bytes(new))


def _bytes(frame: pl.DataFrame) -> dict[str, int]:
    return dict(frame.group_by("decision").agg(pl.col("bytes").sum()).sort("decision").iter_rows())
