"""The decisions of a cycle, page by page out of its Parquet file."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from django.core.files.storage import default_storage

from policies.models import Cycle

#: Words of decisions as files hold them.
DECISIONS = ("delete", "keep", "protect", "ignore", "reown", "none")


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One decision: the blocks of a dataset at a site on which the same rule decided the same.

    ``line``: line of the policy, 0 = the default, negative = a guardrail, None = none decided. ``blocks`` None: all that the
    replica had in the partition.
    """

    site: str
    dataset: str
    decision: str
    line: int | None
    rule: str | None
    num_blocks: int
    size_bytes: int
    new_owner: str | None
    blocks: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """What to show; empty = everything. ``name`` takes ``*`` and ``?`` for the whole dataset name, else it is a part of it."""

    site: str = ""
    decision: str = ""
    line: int | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class DecisionsPage:
    """A page of decisions with the sums over all that fit the filter."""

    rows: tuple[DecisionRow, ...]
    number: int
    num_pages: int
    total: int
    size_bytes: int


def decisions_page(file_name: str, wanted: DecisionFilter, *, page: int = 1, per_page: int = 50) -> DecisionsPage:
    """Return page *page* (from 1; beyond the end: the last) of the decisions in the file, in its order.

    Raises ``FileNotFoundError`` when the file is not in the storage any more.
    """
    frame = scan_parquet_file(file_name).filter(*_conditions(wanted))
    sums = frame.select(pl.len().alias("total"), pl.col("bytes").sum().alias("size")).collect().row(0, named=True)
    num_pages = max(1, -(-sums["total"] // per_page))
    number = min(max(1, page), num_pages)
    rows = frame.slice((number - 1) * per_page, per_page).collect().iter_rows(named=True)
    return DecisionsPage(tuple(_row(row) for row in rows), number, num_pages, sums["total"], sums["size"] or 0)


def bytes_by_decision(file_name: str) -> dict[str, int]:
    """Return the bytes per word of decision. Raises ``FileNotFoundError`` like ``decisions_page``."""
    sums = scan_parquet_file(file_name).group_by("decision").agg(pl.col("bytes").sum()).collect()
    return dict(sums.sort("decision").iter_rows())


def decisions_on_copies(file_name: str, *, dataset: str) -> tuple[DecisionRow, ...]:
    """Return what was decided on every replica of a dataset, by site. Raises ``FileNotFoundError`` like ``decisions_page``."""
    rows = scan_parquet_file(file_name).filter(pl.col("dataset") == dataset).collect()
    return tuple(_row(row) for row in rows.iter_rows(named=True))


def cycles_on_file(*, before: int | None = None, num_cycles: int = 10) -> list[Cycle]:
    """Return the latest cycles with decisions on file, newest first; *before*: only those with a smaller key."""
    cycles = Cycle.objects.exclude(decisions_file="").select_related("partition").defer("text").order_by("-pk")
    if before is not None:
        cycles = cycles.filter(pk__lt=before)
    return list(cycles[:num_cycles])


def decisions_on_dataset(dataset_name: str, cycles: Sequence[Cycle]) -> list[tuple[Cycle, tuple[DecisionRow, ...]]]:
    """Return what each of *cycles* decided on the dataset, in their order; those that decided nothing on it are left out.

    A cycle whose file has been removed is left out, too.
    """
    looked_at = [cycle for cycle in cycles if default_storage.exists(cycle.decisions_file)]
    frames = [scan_parquet_file(cycle.decisions_file).filter(pl.col("dataset") == dataset_name) for cycle in looked_at]
    found = []
    for cycle, rows in zip(looked_at, pl.collect_all(frames), strict=True):
        if rows.height:
            found.append((cycle, tuple(_row(row) for row in rows.iter_rows(named=True))))
    return found


def scan_parquet_file(file_name: str) -> pl.LazyFrame:
    """Return the Parquet file of the default storage. Raises ``FileNotFoundError`` when it is not there any more."""
    try:
        path = default_storage.path(file_name)
    except NotImplementedError:  # a storage without local files
        with default_storage.open(file_name) as stored:
            return pl.read_parquet(io.BytesIO(stored.read())).lazy()
    if not default_storage.exists(file_name):
        raise FileNotFoundError(f"the decisions file {file_name} is not in the storage any more")
    return pl.scan_parquet(path)


def _conditions(wanted: DecisionFilter) -> list[pl.Expr]:
    conditions = []
    if wanted.site:
        conditions.append(pl.col("site") == wanted.site)
    if wanted.decision:
        conditions.append(pl.col("decision") == wanted.decision)
    if wanted.line is not None:
        conditions.append(pl.col("line") == wanted.line)
    if wanted.name:
        conditions.append(_name_fits(wanted.name))
    return conditions or [pl.lit(True)]


def _name_fits(name: str) -> pl.Expr:
    if "*" not in name and "?" not in name:
        return pl.col("dataset").str.contains(name, literal=True)
    # Escaped one by one: re.escape's escapes of ASCII punctuation are escapes of Rust's syntax, too.
    pattern = "".join({"*": ".*", "?": "."}.get(character) or re.escape(character) for character in name)
    return pl.col("dataset").str.contains(f"(?s)^{pattern}$")


def _row(row: Mapping[str, Any]) -> DecisionRow:
    return DecisionRow(
        site=row["site"],
        dataset=row["dataset"],
        decision=row["decision"],
        line=row["line"],
        rule=row["rule"],
        num_blocks=row["num_blocks"],
        size_bytes=row["bytes"],
        new_owner=row["new_owner"],
        blocks=tuple(row["blocks"]) if row["blocks"] is not None else None,
    )
