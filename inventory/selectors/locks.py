"""Which block replicas a lock holds: for the snapshot of a cycle and for the check before each deletion."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from django.db.models import Q

from inventory.models import Lock, Site
from inventory.selectors.locks_in_force import locks_in_force

_ANY = "*"
_COLUMNS = ("dataset", "block", "site", "group")


@dataclass(frozen=True, slots=True)
class ActiveLock:
    """The patterns of a lock that holds now; a site pattern that fits no site of the inventory is ``*`` here (fail safe)."""

    key: int
    dataset: str
    block: str
    site: str
    group: str


def on_dataset(name: str) -> Q:
    """Return the condition of a lock whose dataset pattern fits *name*; the patterns with wildcards are read once for it."""
    wild = Lock.objects.filter(Q(dataset_pattern__contains="*") | Q(dataset_pattern__contains="?")).order_by()
    names = pl.Series([name], dtype=pl.String)
    patterns = wild.values_list("dataset_pattern", flat=True).distinct().iterator(chunk_size=10_000)
    fitting = [pattern for pattern in patterns if matches(names, pattern).item()]
    return Q(dataset_pattern=name) | Q(dataset_pattern__in=fitting)


def active_locks(now: datetime) -> list[ActiveLock]:
    """Return the locks in force at *now*, ordered by key; those whose site pattern fits no site lock everywhere."""
    rows = list(
        locks_in_force(now)
        .order_by("pk")
        .values_list("pk", "dataset_pattern", "block_pattern", "site_pattern", "group_pattern")
        .iterator(chunk_size=10_000)
    )
    sites = pl.Series(list(Site.objects.order_by("name").values_list("name", flat=True)), dtype=pl.String)
    fits = {pattern: bool(matches(sites, pattern).any()) for pattern in {row[3] for row in rows}}
    return [ActiveLock(key, dataset, block, site if fits[site] else _ANY, group) for key, dataset, block, site, group in rows]


def locked_rows(frame: pl.DataFrame, *, now: datetime) -> pl.Series:
    """Tell for each row of *frame* whether a lock in force at *now* holds it: a Boolean Series in the order of the rows.

    *frame* has the text columns ``dataset``, ``block``, ``site`` and ``group`` (``None`` for nobody); other columns
    do not matter. Locks without wildcards cost one hash join for all of them, those with wildcards a linear-time match
    over the distinct names each.
    """
    return rows_held_by(active_locks(now), frame)


def rows_held_by(locks: Sequence[ActiveLock], frame: pl.DataFrame) -> pl.Series:
    """Tell for each row of *frame* whether one of *locks* holds it; see ``locked_rows``."""
    names = frame.select(pl.col(column).cast(pl.String) for column in _COLUMNS)
    held = np.zeros(names.height, dtype=np.bool_)
    if names.height:
        plain = [lock for lock in locks if not any(_is_wild(getattr(lock, column)) for column in _COLUMNS)]
        wild = [lock for lock in locks if any(_is_wild(getattr(lock, column)) for column in _COLUMNS)]
        _hold_plain(plain, names, held)
        _hold_wild(wild, names, held)
    return pl.Series("is_locked", held, dtype=pl.Boolean)


def matches(values: pl.Series, pattern: str) -> pl.Series:
    """Tell for each of *values* whether the whole of it fits *pattern*, in which ``*`` is any text and ``?`` any character."""
    if pattern == _ANY:
        return pl.Series([True], dtype=pl.Boolean).new_from_index(0, len(values))
    if "*" not in pattern and "?" not in pattern:
        return values == pattern
    return values.str.contains(f"(?s)^{_regular_expression(pattern)}$")


def _regular_expression(pattern: str) -> str:
    # Escaped one by one: re.escape's escapes (ASCII punctuation) are all escapes of Rust's syntax, too.
    return "".join({"*": ".*", "?": "."}.get(character) or re.escape(character) for character in pattern)


def _is_wild(pattern: str) -> bool:
    return pattern != _ANY and ("*" in pattern or "?" in pattern)


def _hold_plain(locks: Iterable[ActiveLock], names: pl.DataFrame, held: np.ndarray) -> None:
    """Mark what locks hold whose patterns are exact or ``*``: one semi-join for each set of exact columns."""
    by_columns: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    for lock in locks:
        exact = tuple(column for column in _COLUMNS if getattr(lock, column) != _ANY)
        by_columns.setdefault(exact, set()).add(tuple(getattr(lock, column) for column in exact))
    numbered = names.with_row_index("row")
    for exact, values in by_columns.items():
        if not exact:
            held[:] = True
            return
        wanted = pl.DataFrame(sorted(values), schema=dict.fromkeys(exact, pl.String), orient="row")
        held[numbered.join(wanted, on=list(exact), how="semi")["row"].to_numpy()] = True


def _hold_wild(locks: Sequence[ActiveLock], names: pl.DataFrame, held: np.ndarray) -> None:
    """Mark what locks with wildcards hold: rows of the datasets that fit, then the other columns among those rows."""
    if not locks:
        return
    datasets = _Grouped(names["dataset"])
    for lock in locks:
        rows = datasets.rows(lock.dataset)
        for column in ("site", "group", "block"):
            pattern = getattr(lock, column)
            if pattern != _ANY and len(rows):
                rows = rows[matches(names[column].gather(rows), pattern).to_numpy()]
        held[rows] = True


class _Grouped:
    """Row numbers of a text column by value, so that a pattern is matched once per distinct value."""

    def __init__(self, values: pl.Series) -> None:
        grouped = pl.DataFrame({"value": values}).with_row_index("row").group_by("value", maintain_order=True).agg("row")
        self._values = grouped["value"]
        self._rows = grouped["row"]

    def rows(self, pattern: str) -> np.ndarray:
        """Return the rows whose value fits *pattern*, as (n,) uint32."""
        return self._rows.filter(matches(self._values, pattern)).explode(empty_as_null=False).to_numpy()
