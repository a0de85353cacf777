"""An outcome in the words of its readers: rows of a decisions file, a frame per block replica, the digest of the plan.

Everything names sites, datasets and blocks; row numbers of a snapshot never leave the process.
Source: data page, section Decisions.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from policies.evaluation.columns import NOBODY_NAME, Snapshot
from policies.planning.outcome import NOT_HANDED_OVER, Decision, Outcome

#: Words of a decisions file; a block replica in the partition without a decision is ``none``.
WORDS = {
    Decision.OUTSIDE: "none",
    Decision.IGNORE: "ignore",
    Decision.PROTECT: "protect",
    Decision.KEEP: "keep",
    Decision.DELETE: "delete",
}


def decision_rows(outcome: Outcome, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Return one row per (replica, decision, line), and one per new owner of handed-over blocks, in no particular order.

    ``blocks`` is ``ALL`` where the row names as many blocks as the replica had in the partition at the start, else the sorted
    names; ``bytes`` is what is physically present in them.
    """
    return [*_decided_rows(outcome, snapshot), *_handed_over_rows(outcome, snapshot), *_empty_rows(outcome, snapshot)]


def decision_lines(outcome: Outcome, snapshot: Snapshot) -> list[str]:
    """Return the rows as compact JSON with sorted keys, sorted as text."""
    return sorted(json.dumps(row, sort_keys=True, separators=(",", ":")) for row in decision_rows(outcome, snapshot))


def write_decisions_jsonl(path: Path, outcome: Outcome, snapshot: Snapshot) -> int:
    """Write the decisions file and return its number of rows."""
    lines = decision_lines(outcome, snapshot)
    with path.open("w", encoding="utf-8") as target:
        target.writelines(f"{line}\n" for line in lines)
    return len(lines)


def decisions_frame(outcome: Outcome, snapshot: Snapshot) -> pl.DataFrame:
    """Return one row per block replica in the cycle's scope, in the snapshot's order, to be kept as Parquet.

    Columns: site, dataset, block, bytes, decision (``WORDS``), line (null where none decided), rule (text of the line), new_owner
    (null where it was not handed over).
    """
    rows = np.flatnonzero(outcome.in_scope)
    replica = snapshot.block_replicas.get_column("replica").gather(rows)
    block = snapshot.block_replicas.get_column("block").gather(rows)
    decided = outcome.rule[rows]
    rule = pl.Series(np.where(decided < 0, 0, decided))
    is_decided = pl.Series(decided >= 0)
    owner = outcome.new_owner[rows]
    decision, line = decided_columns(outcome, rows)
    frame = pl.DataFrame(
        {
            "site": snapshot.sites.get_column("name").gather(snapshot.replicas.get_column("site").gather(replica)),
            "dataset": snapshot.datasets.get_column("name").gather(snapshot.replicas.get_column("dataset").gather(replica)),
            "block": snapshot.blocks.get_column("name").gather(block),
            "bytes": snapshot.block_replicas.get_column("size").gather(rows),
            "decision": decision,
            "line": line,
            "rule": pl.Series([r.text for r in outcome.rules], dtype=pl.String).gather(rule),
            "new_owner": _group_names(snapshot).gather(np.where(owner < 0, snapshot.groups.height, owner)),
        }
    )
    is_handed = pl.Series(owner != NOT_HANDED_OVER)
    return frame.with_columns(
        pl.when(is_decided).then(pl.col("rule")).alias("rule"),
        pl.when(is_handed).then(pl.col("new_owner")).alias("new_owner"),
    )


def decided_columns(outcome: Outcome, rows: NDArray[np.int64]) -> list[pl.Series]:
    """Return for the block replicas *rows* the ``decision`` in words and the ``line`` that made it, null where none did."""
    rule = outcome.rule[rows]
    words = pl.Series("decision", [WORDS[d] for d in Decision]).gather(outcome.decision[rows].astype(np.int64))
    # A rule of -1 has no line; it becomes null through an index that is null.
    index = pl.select(pl.when(pl.Series(rule >= 0)).then(pl.Series(rule))).to_series()
    return [words, pl.Series("line", [r.decision_line for r in outcome.rules], dtype=pl.Int32).gather(index)]


def plan_digest(outcome: Outcome, snapshot: Snapshot) -> str:
    """Return the SHA-256 of the plan: the ordered deletions, then the handed-over blocks in the snapshot's order.

    One JSON array per line, names only: ``["delete",step,site,dataset,bytes,[blocks]]``, ``["reown",site,dataset,block,to]``.
    """
    digest = hashlib.sha256()
    sites = snapshot.sites.get_column("name").to_list()
    datasets = snapshot.datasets.get_column("name")
    replicas = snapshot.replicas.select("dataset", "site")
    for deletion, names in zip(outcome.deletions, deleted_block_names(outcome, snapshot), strict=True):
        dataset_row, site_row = replicas.row(deletion.replica)
        item = ["delete", deletion.step, sites[site_row], datasets[dataset_row], deletion.size_bytes, names]
        digest.update(_line(item))
    frame = _handed_over(outcome, snapshot)
    for site, dataset, block, owner in frame.select("site", "dataset", "block", "to").iter_rows():
        digest.update(_line(["reown", site, dataset, block, owner]))
    return digest.hexdigest()


def deleted_block_names(outcome: Outcome, snapshot: Snapshot) -> list[list[str]]:
    """Return the block names of every deletion, in the order of the plan."""
    counts = [len(deletion.block_replicas) for deletion in outcome.deletions]
    if not counts:
        return []
    rows = np.concatenate([deletion.block_replicas for deletion in outcome.deletions]).astype(np.int64)
    names = snapshot.blocks.get_column("name").gather(snapshot.block_replicas.get_column("block").gather(rows)).to_list()
    ends = np.cumsum(counts).tolist()
    return [names[end - count : end] for count, end in zip(counts, ends, strict=True)]


def _line(item: list[Any]) -> bytes:
    return json.dumps(item, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n"


def _group_names(snapshot: Snapshot) -> pl.Series:
    """Names by group row; nobody is the one after the last."""
    return pl.Series([*snapshot.groups.get_column("name").to_list(), NOBODY_NAME], dtype=pl.String)


def _named_blocks(snapshot: Snapshot, rows: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pl.DataFrame:
    """Return replica, block name and bytes of the block replicas *rows*, in their order."""
    chosen = snapshot.block_replicas.select("replica", "block", "size")[rows]
    return chosen.select(
        pl.col("replica"),
        snapshot.blocks.get_column("name").gather(chosen.get_column("block")).alias("block"),
        pl.col("size").alias("bytes"),
    )


def _decided_rows(outcome: Outcome, snapshot: Snapshot) -> list[dict[str, Any]]:
    rows = np.flatnonzero(outcome.decision != Decision.OUTSIDE)
    lines = np.array([rule.decision_line for rule in outcome.rules], dtype=np.int32)
    named = _named_blocks(snapshot, rows).with_columns(
        pl.Series("decision", outcome.decision[rows]), pl.Series("line", lines[outcome.rule[rows]])
    )
    in_partition = np.bincount(
        snapshot.block_replicas.get_column("replica").to_numpy()[outcome.in_scope], minlength=snapshot.replicas.height
    )
    grouped = named.group_by("replica", "decision", "line").agg(pl.col("block"), pl.col("bytes").sum())
    sites, datasets = _replica_names(snapshot)
    return [
        {
            "blocks": "ALL" if len(blocks) == in_partition[replica] else sorted(blocks),
            "bytes": size,
            "dataset": datasets[replica],
            "decision": WORDS[Decision(decision)],
            "line": line,
            "site": sites[replica],
        }
        for replica, decision, line, blocks, size in grouped.iter_rows()
    ]


def _handed_over(outcome: Outcome, snapshot: Snapshot) -> pl.DataFrame:
    """Return site, dataset, block, bytes and new owner (``to``) of every handed-over block, in the snapshot's order."""
    rows = np.flatnonzero(outcome.new_owner != NOT_HANDED_OVER)
    named = _named_blocks(snapshot, rows)
    replica = named.get_column("replica")
    return named.with_columns(
        snapshot.sites.get_column("name").gather(snapshot.replicas.get_column("site").gather(replica)).alias("site"),
        snapshot.datasets.get_column("name").gather(snapshot.replicas.get_column("dataset").gather(replica)).alias("dataset"),
        _group_names(snapshot).gather(outcome.new_owner[rows].astype(np.int64)).alias("to"),
    )


def _handed_over_rows(outcome: Outcome, snapshot: Snapshot) -> list[dict[str, Any]]:
    frame = _handed_over(outcome, snapshot)
    if frame.is_empty():
        return []
    in_partition = np.bincount(
        snapshot.block_replicas.get_column("replica").to_numpy()[outcome.in_scope], minlength=snapshot.replicas.height
    )
    grouped = frame.group_by("replica", "site", "dataset", "to").agg(pl.col("block"), pl.col("bytes").sum())
    return [
        {
            "blocks": "ALL" if len(blocks) == in_partition[replica] else sorted(blocks),
            "bytes": size,
            "dataset": dataset,
            "decision": "reown",
            "line": None,
            "site": site,
            "to": owner,
        }
        for replica, site, dataset, owner, blocks, size in grouped.iter_rows()
    ]


def _empty_rows(outcome: Outcome, snapshot: Snapshot) -> list[dict[str, Any]]:
    sites, datasets = _replica_names(snapshot)
    return [
        {
            "blocks": "ALL",
            "bytes": 0,
            "dataset": datasets[replica],
            "decision": WORDS[decision],
            "line": outcome.rules[rule].decision_line,
            "site": sites[replica],
        }
        for replica, (decision, rule) in outcome.empty_replicas.items()
    ]


def _replica_names(snapshot: Snapshot) -> tuple[pl.Series, pl.Series]:
    """Return site and dataset name by row of the replica."""
    sites = snapshot.sites.get_column("name").gather(snapshot.replicas.get_column("site"))
    return sites, snapshot.datasets.get_column("name").gather(snapshot.replicas.get_column("dataset"))
