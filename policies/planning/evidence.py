"""What a cycle saw and in which order it acted, kept in one Parquet file, so that any of its replicas can be explained later.

The inventory changes and forgets; the file does not. It holds the datasets that took part, sorted by name, so that one of
them is read without the others: a row per block replica, also at sites that are no target, a row without a site for a block
that nobody has, and a row without a block for a replica that holds nothing. A row of a block replica that the cycle decided on
says how, so that two cycles can be compared by blocks. What concerns the cycle as a whole is JSON in the file's metadata.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import polars as pl
import pyarrow.compute as pc
import pyarrow.parquet as pq

from policies.evaluation.columns import (
    BLOCK_REPLICA_SCHEMA,
    BLOCK_SCHEMA,
    DATASET_SCHEMA,
    GROUP_SCHEMA,
    NOBODY,
    OPTIONAL_COLUMNS,
    REPLICA_SCHEMA,
    SITE_SCHEMA,
    Snapshot,
)
from policies.evaluation.inventory_arrays import Ints
from policies.language.ast import Condition
from policies.planning.comparing import SIDE_COLUMNS
from policies.planning.decisions import decided_columns
from policies.planning.outcome import GuardrailRule, Outcome, SiteOutcome

_METADATA = b"dynamo.cycle"
_ROWS_PER_GROUP = 50_000
#: Columns of the file by frame of the snapshot: name there -> name in the file.
_DATASET = {name: name if name in ("status", "release") else f"dataset_{name}" for name in DATASET_SCHEMA} | {"name": "dataset"}
_BLOCK = {"name": "block", "size": "block_size", "num_files": "block_num_files"}
_SITE = {"name": "site", "status": "site_status", "storage_type": "storage_type", "quota": "quota"}
_GROUP = {"name": "owner", "is_dataset_level": "is_dataset_level"}
_PRESENT = ("size", "num_files", "last_update")
#: Columns in which few values repeat: looking for repetitions would take half of the time of writing.
_VARIED = {"block", "block_size", "size", "last_update", "turns", "numbers"}
_STEPS = pl.List(pl.Int32)


@dataclass(frozen=True, slots=True)
class DatasetEvidence:
    """One dataset as a cycle saw it, with what the cycle did elsewhere as far as it matters here.

    - ``snapshot``: the dataset alone, with the sites that have it and the groups that own something of it;
    - ``target_sites``: those of them that were targets, ``site`` being a row of ``snapshot.sites``;
    - ``turns``: by row of ``snapshot.replicas``, the steps in which its turn came;
    - ``numbers``: by row of ``snapshot.replicas``, which deletions of its site were its own, counted from 1;
    - ``conditions``, ``guardrails``: texts of the partition's conditions; names and texts of protecting guardrails.
    """

    snapshot: Snapshot
    target_sites: tuple[SiteOutcome, ...]
    turns: Mapping[int, tuple[int, ...]]
    numbers: Mapping[int, tuple[int, ...]]
    num_steps: int
    newest_in_scope: float
    newest_of_all: float
    conditions: tuple[str, ...]
    guardrails: tuple[tuple[str, str], ...]


def write_evidence(
    target: BinaryIO,
    outcome: Outcome,
    snapshot: Snapshot,
    *,
    membership: Sequence[Condition],
    guardrails: Sequence[GuardrailRule] = (),
) -> None:
    """Write what ``plan_cycle`` made *outcome* of; block replicas are gathered a few ten thousand at a time."""
    metadata = json.dumps(_whole(outcome, snapshot, membership, guardrails))
    writer: pq.ParquetWriter | None = None
    for frame in _groups_of_rows(outcome, snapshot):
        table = frame.to_arrow()
        if writer is None:
            schema = table.schema.with_metadata({_METADATA: metadata.encode()})
            repeating = [name for name in frame.columns if name not in _VARIED]
            writer = pq.ParquetWriter(target, schema, compression="zstd", compression_level=1, use_dictionary=repeating)
        writer.write_table(table)
    if writer is not None:
        writer.close()


def read_evidence(source: BinaryIO, dataset: str) -> DatasetEvidence | None:
    """Return *dataset* as the cycle saw it, None if nothing of it took part; the rest of the file is not read."""
    whole: dict[str, Any] = json.loads(pq.read_metadata(source).metadata[_METADATA])
    source.seek(0)
    frame = pl.DataFrame(pl.from_arrow(pq.read_table(source, filters=pc.field("dataset") == dataset)))
    return _evidence(frame, whole) if frame.height else None


def read_decisions(source: BinaryIO) -> pl.DataFrame | None:
    """Return the decision of every block replica in the cycle's scope, with ``SIDE_COLUMNS``; None if the file is too old."""
    has_decisions = "decision" in pq.read_schema(source).names
    source.seek(0)
    if not has_decisions:
        return None
    columns = [name if name != "bytes" else "size" for name in SIDE_COLUMNS]
    table = pq.read_table(source, columns=columns, filters=pc.field("decision").is_valid())
    return pl.DataFrame(pl.from_arrow(table)).rename({"size": "bytes"}).select(SIDE_COLUMNS)


def deletion_numbers(outcome: Outcome, snapshot: Snapshot) -> list[int]:
    """Return for each deletion which of its site's it was, counted from 1."""
    site_of = snapshot.replicas.get_column("site").to_list()
    counts: dict[int, int] = {}
    numbers = []
    for deletion in outcome.deletions:
        site = site_of[deletion.replica]
        counts[site] = counts.get(site, 0) + 1
        numbers.append(counts[site])
    return numbers


# -- writing -----------------------------------------------------------------------------------------------------------


def _whole(
    outcome: Outcome, snapshot: Snapshot, membership: Sequence[Condition], guardrails: Sequence[GuardrailRule]
) -> dict[str, Any]:
    names = snapshot.sites.get_column("name")
    return {
        "sites": {
            names[site.site]: [
                site.quota_bytes,
                site.bytes_before,
                site.bytes_after,
                site.protected_bytes,
                site.is_triggered,
                site.released_in_step,
                site.num_deletions,
            ]
            for site in outcome.target_sites
        },
        "num_steps": outcome.num_steps,
        "newest_in_scope": outcome.newest_in_scope,
        "newest_of_all": outcome.newest_of_all,
        "taken_at": snapshot.taken_at,
        "conditions": [condition.text for condition in membership],
        "guardrails": [[rail.name, rail.condition.text] for rail in guardrails],
    }


def _groups_of_rows(outcome: Outcome, snapshot: Snapshot) -> Iterator[pl.DataFrame]:
    """Yield the rows by dataset, about ``_ROWS_PER_GROUP`` at a time, whole datasets together; at least one frame."""
    replica = snapshot.block_replicas.get_column("replica").to_numpy()
    dataset_of = snapshot.replicas.get_column("dataset").to_numpy()
    dataset = dataset_of[replica]
    takes_part = np.zeros(snapshot.datasets.height, dtype=np.bool_)
    takes_part[dataset[outcome.in_scope]] = True
    takes_part[dataset_of[list(outcome.empty_replicas)]] = True
    order = np.argsort(dataset, kind="stable")
    ends = np.cumsum(np.bincount(dataset, minlength=len(takes_part)))
    whole = _Acts(outcome, snapshot)
    lonely = np.flatnonzero(
        np.bincount(snapshot.block_replicas.get_column("block").to_numpy(), minlength=snapshot.blocks.height) == 0
    )
    empty = np.flatnonzero(np.bincount(replica, minlength=snapshot.replicas.height) == 0)
    lonely_dataset, empty_dataset = snapshot.blocks.get_column("dataset").to_numpy()[lonely], dataset_of[empty]
    first = 0
    while True:
        done = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, done + _ROWS_PER_GROUP, side="right"))) if len(ends) else 0
        rows = order[done : int(ends[last - 1]) if last else 0]
        here = [
            rows[takes_part[dataset[rows]]],
            _between(lonely, lonely_dataset, first, last, takes_part),
            _between(empty, empty_dataset, first, last, takes_part),
        ]
        if first == 0 or any(len(part) for part in here):
            yield _rows(snapshot, whole, *here)
        if last >= len(ends):
            return
        first = last


def _between(things: Ints, dataset: Ints, first: int, last: int, takes_part: np.ndarray[Any, Any]) -> Ints:
    found: Ints = things[(dataset >= first) & (dataset < last) & takes_part[dataset]]
    return found


class _Acts:
    """What the cycle did: turns and numbers of deletions by replica, decision and line by block replica; null where none."""

    def __init__(self, outcome: Outcome, snapshot: Snapshot) -> None:
        turns = [(replica, step) for step, replica in outcome.turns]
        numbers = zip((deletion.replica for deletion in outcome.deletions), deletion_numbers(outcome, snapshot), strict=True)
        height = snapshot.replicas.height
        self._columns = [_lists("turns", turns, height), _lists("numbers", list(numbers), height)]
        self._outcome = outcome

    def decided(self, rows: Ints) -> list[pl.Series]:
        decided = pl.DataFrame(decided_columns(self._outcome, rows))
        is_in_scope = pl.Series(self._outcome.in_scope[rows])
        return decided.select(pl.when(is_in_scope).then(pl.col(name)).alias(name) for name in decided.columns).get_columns()

    def columns(self, replicas: pl.Series) -> list[pl.Series]:
        return [lists.gather(place.gather(replicas)) for lists, place in self._columns]


def _lists(name: str, pairs: Sequence[tuple[int, int]], height: int) -> tuple[pl.Series, pl.Series]:
    """Return the lists of the second of *pairs* by the first, and for each of *height* replicas the row of its list, if any."""
    frame = pl.DataFrame(pairs, schema={"replica": pl.Int32, name: pl.Int32}, orient="row")
    lists = frame.group_by("replica", maintain_order=True).agg(name)
    place = np.full(height, -1, dtype=np.int32)
    place[lists.get_column("replica").to_numpy()] = np.arange(lists.height, dtype=np.int32)
    # A list more than there are, so that there is something to gather nothing from.
    filled = lists.get_column(name).extend(pl.Series(name, [None], dtype=_STEPS))
    return filled, pl.Series(np.where(place < 0, np.int32(lists.height), place))


def _rows(snapshot: Snapshot, acts: _Acts, rows: Ints, lonely: Ints, empty: Ints) -> pl.DataFrame:
    chosen = snapshot.block_replicas[rows]
    parts = [
        _part(
            snapshot,
            acts,
            replicas=chosen.get_column("replica"),
            blocks=chosen.get_column("block"),
            present=chosen.with_columns(acts.decided(rows)),
        ),
        _part(snapshot, acts, replicas=None, blocks=pl.Series(lonely), present=None),
        _part(snapshot, acts, replicas=pl.Series(empty), blocks=None, present=None),
    ]
    # Every part has the names of its own columns; what it lacks is null.
    return pl.concat(parts, how="diagonal").select(parts[0].columns).sort("dataset", maintain_order=True)


def _part(
    snapshot: Snapshot, acts: _Acts, *, replicas: pl.Series | None, blocks: pl.Series | None, present: pl.DataFrame | None
) -> pl.DataFrame:
    """Return rows of the file for *replicas* and *blocks* side by side; *present*: what is there of the block replicas."""
    columns: list[pl.Series] = []
    if replicas is not None:
        places = snapshot.replicas[replicas]
        datasets = places.get_column("dataset")
        columns += _renamed(snapshot.sites[places.get_column("site")], _SITE)
        columns += places.drop(*REPLICA_SCHEMA).get_columns()
        columns += acts.columns(replicas)
    if blocks is not None:
        found = snapshot.blocks[blocks]
        datasets = found.get_column("dataset")
        columns += _renamed(found, _BLOCK)
    if present is not None:
        group = present.get_column("group")
        nobody = group.set(group == NOBODY, None)
        columns += [
            snapshot.groups.get_column(name).gather(nobody).alias(column)
            if snapshot.groups.height
            else pl.Series(column, [None] * len(group), dtype=GROUP_SCHEMA[name])
            for name, column in _GROUP.items()
        ]
        columns += present.drop("replica", "block", "group").get_columns()
    names = _DATASET | {name: name for name in snapshot.datasets.columns if name not in _DATASET}
    return pl.DataFrame([*_renamed(snapshot.datasets[datasets], names), *columns])


def _renamed(frame: pl.DataFrame, names: Mapping[str, str]) -> list[pl.Series]:
    return [frame.get_column(name).alias(column) for name, column in names.items()]


# -- reading -----------------------------------------------------------------------------------------------------------


def _evidence(frame: pl.DataFrame, whole: Mapping[str, Any]) -> DatasetEvidence:
    facts = {column: frame_name for frame_name, column, _ in OPTIONAL_COLUMNS.values() if column in frame.columns}
    at_sites = frame.filter(pl.col("site").is_not_null())
    sites = _distinct(at_sites, _SITE, SITE_SCHEMA)
    groups = _distinct(frame.filter(pl.col("owner").is_not_null()), _GROUP, GROUP_SCHEMA)
    blocks = _distinct(frame.filter(pl.col("block").is_not_null()), _BLOCK, {**BLOCK_SCHEMA, "dataset": None})
    kept = [column for column, of in facts.items() if of == "datasets"]
    datasets = frame[:1].select(*(pl.col(column).alias(name) for name, column in _DATASET.items()), *kept)
    kept = [column for column, of in facts.items() if of == "replicas"]
    replicas = at_sites.unique("site", keep="first").sort("site").select("site", "turns", "numbers", *kept)
    kept = [column for column, of in facts.items() if of == "block_replicas"]
    present = at_sites.filter(pl.col("block").is_not_null()).select(
        _row_of("site", sites).alias("replica"),
        _row_of("block", blocks).alias("block"),
        _row_of("owner", groups).fill_null(NOBODY).alias("group"),
        *_PRESENT,
        *kept,
    )
    snapshot = Snapshot(
        sites=sites,
        groups=groups,
        datasets=datasets,
        blocks=blocks.select(pl.lit(0, dtype=pl.Int32).alias("dataset"), *_BLOCK),
        replicas=replicas.drop("turns", "numbers").with_columns(
            pl.lit(0, dtype=pl.Int32).alias("dataset"), _row_of("site", sites).alias("site")
        ),
        block_replicas=present.cast(BLOCK_REPLICA_SCHEMA).sort("replica", "block"),  # type: ignore[arg-type]
        taken_at=whole["taken_at"],
    )
    return DatasetEvidence(
        snapshot=snapshot,
        target_sites=tuple(
            SiteOutcome(row, *whole["sites"][name]) for row, name in enumerate(sites.get_column("name")) if name in whole["sites"]
        ),
        turns=_acts(replicas, "turns"),
        numbers=_acts(replicas, "numbers"),
        num_steps=whole["num_steps"],
        newest_in_scope=whole["newest_in_scope"],
        newest_of_all=whole["newest_of_all"],
        conditions=tuple(whole["conditions"]),
        guardrails=tuple((name, text) for name, text in whole["guardrails"]),
    )


def _distinct(frame: pl.DataFrame, names: Mapping[str, str], schema: Mapping[str, Any]) -> pl.DataFrame:
    """Return the things that *frame* names, each once, by name."""
    selected = frame.select(pl.col(column).alias(name).cast(schema[name]) for name, column in names.items())
    return selected.unique("name", keep="first").sort("name")


def _row_of(column: str, things: pl.DataFrame) -> pl.Expr:
    rows = {name: row for row, name in enumerate(things.get_column("name"))}
    return pl.col(column).replace_strict(rows, default=None, return_dtype=pl.Int32)


def _acts(replicas: pl.DataFrame, column: str) -> dict[int, tuple[int, ...]]:
    return {row: tuple(steps) for row, steps in enumerate(replicas.get_column(column)) if steps is not None}
