"""What a cycle leaves behind: the decisions as a Parquet file, sums per site and per rule, and the items of the plan."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage

from policies.choices import PlanAction
from policies.evaluation.columns import NOBODY, NOBODY_NAME, Snapshot
from policies.language.ast import Condition
from policies.models import Cycle, CycleRule, CycleSite
from policies.planning.decisions import WORDS
from policies.planning.evidence import write_evidence
from policies.planning.outcome import NOT_HANDED_OVER, Decision, GuardrailRule, Outcome
from policies.services.listed import PlanRow

#: Columns of a decisions file: a row per (replica, decision, line) and per new owner of handed-over blocks. ``blocks`` is null
#: where the row has all the blocks that the replica had in the partition at the start (num_blocks says how many).
DECISION_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "site": pl.String,
    "dataset": pl.String,
    "decision": pl.String,
    "line": pl.Int32,
    "rule": pl.String,
    "num_blocks": pl.Int32,
    "bytes": pl.Int64,
    "new_owner": pl.String,
    "blocks": pl.List(pl.String),
}
_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Sums:
    """Bytes and counts of an outcome: per decision in all, per (site, decision), per rule."""

    by_decision: dict[Decision, int]
    by_site: dict[int, dict[Decision, int]]
    num_deleted_replicas: int


def outcome_sums(outcome: Outcome, snapshot: Snapshot) -> Sums:
    """Return the sums of *outcome*, exact in bytes."""
    rows = np.flatnonzero(outcome.in_scope)
    chosen = snapshot.block_replicas.select("replica", "size")[rows]
    frame = pl.DataFrame(
        {
            "site": snapshot.replicas.get_column("site").gather(chosen.get_column("replica")),
            "decision": outcome.decision[rows],
            "size": chosen.get_column("size"),
        }
    )
    by_decision = dict.fromkeys(Decision, 0)
    by_site: dict[int, dict[Decision, int]] = {}
    for site, number, size in frame.group_by("site", "decision").agg(pl.col("size").sum()).iter_rows():
        decision = Decision(number)
        by_decision[decision] += size
        by_site.setdefault(site, dict.fromkeys(Decision, 0))[decision] = size
    return Sums(by_decision, by_site, len({deletion.replica for deletion in outcome.deletions}))


def decisions_table(outcome: Outcome, snapshot: Snapshot) -> pl.DataFrame:
    """Return the decisions with the columns of `DECISION_SCHEMA`, sorted by site, dataset, decision and line."""
    frame = pl.concat([_decided(outcome, snapshot), _handed_over(outcome, snapshot), _empty(outcome, snapshot)])
    return frame.sort("site", "dataset", "decision", "line")


def decisions_save(cycle: Cycle, table: pl.DataFrame) -> str:
    """Write the decisions to the default file storage and return the name there."""
    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd", row_group_size=50_000)
    return default_storage.save(f"decisions/cycle-{cycle.pk:08d}.parquet", ContentFile(buffer.getvalue()))


def evidence_save(
    cycle: Cycle, outcome: Outcome, snapshot: Snapshot, *, membership: Sequence[Condition], guardrails: Sequence[GuardrailRule]
) -> str:
    """Write what the cycle saw to the default file storage, for explanations, and return the name there."""
    with tempfile.TemporaryFile() as written:
        write_evidence(written, outcome, snapshot, membership=membership, guardrails=guardrails)
        written.seek(0)
        return default_storage.save(f"evidence/cycle-{cycle.pk:08d}.parquet", File(written))


def site_rows(cycle: Cycle, outcome: Outcome, snapshot: Snapshot, sums: Sums) -> list[CycleSite]:
    """Return what the cycle found and decided at each target site."""
    names = snapshot.sites.get_column("name").to_list()
    none = dict.fromkeys(Decision, 0)
    return [
        CycleSite(
            cycle=cycle,
            site_name=names[site.site],
            quota_bytes=site.quota_bytes,
            bytes_before=site.bytes_before,
            bytes_after=site.bytes_after,
            protected_bytes=sums.by_site.get(site.site, none)[Decision.PROTECT],
            kept_bytes=sums.by_site.get(site.site, none)[Decision.KEEP],
            deleted_bytes=sums.by_site.get(site.site, none)[Decision.DELETE],
            ignored_bytes=sums.by_site.get(site.site, none)[Decision.IGNORE],
            is_triggered=site.is_triggered,
            is_released=site.is_released,
        )
        for site in outcome.target_sites
    ]


def rule_rows(cycle: Cycle, outcome: Outcome, snapshot: Snapshot) -> list[CycleRule]:
    """Return how much each rule of the stack decided, also the rules that decided nothing."""
    rows = np.flatnonzero(outcome.rule >= 0)
    chosen = snapshot.block_replicas.select("replica", "size")[rows].with_columns(rule=pl.Series(outcome.rule[rows]))
    sums = chosen.group_by("rule").agg(
        num_replicas=pl.col("replica").n_unique(), num_block_replicas=pl.len(), size_bytes=pl.col("size").sum()
    )
    found = {rule: (replicas, blocks, size) for rule, replicas, blocks, size in sums.iter_rows()}
    for _, rule in outcome.empty_replicas.values():
        replicas, blocks, size = found.get(rule, (0, 0, 0))
        found[rule] = (replicas + 1, blocks, size)
    stack = enumerate(outcome.rules)
    return [_rule_row(cycle, rule.decision_line, rule.text, found.get(row, (0, 0, 0))) for row, rule in stack]


def plan_item_rows(plan_id: int, outcome: Outcome, snapshot: Snapshot) -> Iterator[PlanRow]:
    """Yield the items of a plan in order: hand-overs first, then the deletions as they were decided.

    Raises ``ValueError`` if the snapshot was not read from a database.
    """
    sequence = -1
    for item in _reown_rows(outcome, snapshot):
        sequence += 1
        yield PlanRow(plan_id=plan_id, sequence=sequence, action=PlanAction.REOWN, line=None, **item)
    for item in _delete_rows(outcome, snapshot):
        sequence += 1
        yield PlanRow(plan_id=plan_id, sequence=sequence, action=PlanAction.DELETE, **item)


def _rule_row(cycle: Cycle, line: int, text: str, found: tuple[int, int, int]) -> CycleRule:
    return CycleRule(cycle=cycle, line=line, text=text, num_replicas=found[0], num_block_replicas=found[1], size_bytes=found[2])


def _delete_rows(outcome: Outcome, snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    if not outcome.deletions:
        return
    counts = [len(deletion.block_replicas) for deletion in outcome.deletions]
    rows = np.concatenate([deletion.block_replicas for deletion in outcome.deletions]).astype(np.int64)
    decided = [
        {"line": rule.decision_line, "rule_text": rule.text, "may_be_last_copy": rule.allows_last_copy} for rule in outcome.rules
    ]
    rules = np.repeat([deletion.rule for deletion in outcome.deletions], counts)
    for start in range(0, len(rows), _BATCH):
        batch = slice(start, start + _BATCH)
        for item, rule in zip(_named(rows[batch], snapshot), rules[batch].tolist(), strict=True):
            yield item | decided[rule]


def _reown_rows(outcome: Outcome, snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    rows = np.flatnonzero(outcome.new_owner != NOT_HANDED_OVER)
    owners = _owner_names(snapshot).gather(outcome.new_owner[rows].astype(np.int64) + 1).to_list()
    for start in range(0, len(rows), _BATCH):
        batch = slice(start, start + _BATCH)
        for item, owner in zip(_named(rows[batch], snapshot), owners[batch], strict=True):
            yield item | {"new_owner": owner}


def _named(rows: np.ndarray[tuple[int], np.dtype[np.int64]], snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    if snapshot.block_replica_keys is None:
        raise ValueError("the snapshot has no keys of block replicas: only what was read from the database can be planned")
    chosen = snapshot.block_replicas.select("replica", "block", "group", "size", "num_files")[rows]
    replicas = snapshot.replicas[chosen.get_column("replica")]
    frame = pl.DataFrame(
        {
            "site_name": snapshot.sites.get_column("name").gather(replicas.get_column("site")),
            "dataset_name": snapshot.datasets.get_column("name").gather(replicas.get_column("dataset")),
            "block_name": snapshot.blocks.get_column("name").gather(chosen.get_column("block")),
            "block_replica_key": snapshot.block_replica_keys.gather(rows),
            "size_bytes": chosen.get_column("size"),
            "num_files": chosen.get_column("num_files"),
            "owner": _owner_names(snapshot).gather(chosen.get_column("group").cast(pl.Int64) + 1),
        }
    )
    return frame.iter_rows(named=True)


def _decided(outcome: Outcome, snapshot: Snapshot) -> pl.DataFrame:
    rows = np.flatnonzero(outcome.in_scope)
    lines = pl.Series([rule.decision_line for rule in outcome.rules], dtype=pl.Int32)
    texts = pl.Series([rule.text for rule in outcome.rules], dtype=pl.String)
    frame = _grouped(outcome, snapshot, rows, {"decision": outcome.decision[rows], "rule": outcome.rule[rows]})
    # A rule of -1 has no row; it becomes null through an index that is null.
    rule = pl.when(pl.col("rule") >= 0).then(pl.col("rule"))
    index = frame.select(rule).to_series()
    words = pl.Series([WORDS[decision] for decision in Decision], dtype=pl.String)
    return _table(
        frame,
        snapshot,
        decision=words.gather(frame.get_column("decision")),
        line=lines.gather(index),
        rule=texts.gather(index),
        new_owner=pl.Series([None], dtype=pl.String).new_from_index(0, frame.height),
    )


def _handed_over(outcome: Outcome, snapshot: Snapshot) -> pl.DataFrame:
    rows = np.flatnonzero(outcome.new_owner != NOT_HANDED_OVER)
    frame = _grouped(outcome, snapshot, rows, {"owner": outcome.new_owner[rows]})
    nothing = pl.Series([None], dtype=pl.String).new_from_index(0, frame.height)
    return _table(
        frame,
        snapshot,
        decision=pl.Series(["reown"], dtype=pl.String).new_from_index(0, frame.height),
        line=nothing.cast(pl.Int32),
        rule=nothing,
        new_owner=_owner_names(snapshot).gather(frame.get_column("owner") + 1),
    )


def _empty(outcome: Outcome, snapshot: Snapshot) -> pl.DataFrame:
    rows = [
        (
            *_names_of(snapshot, replica),
            WORDS[decision],
            outcome.rules[rule].decision_line,
            outcome.rules[rule].text,
            0,
            0,
            None,
            None,
        )
        for replica, (decision, rule) in outcome.empty_replicas.items()
    ]
    return pl.DataFrame(rows, schema=DECISION_SCHEMA, orient="row")


def _grouped(
    outcome: Outcome, snapshot: Snapshot, rows: np.ndarray[tuple[int], np.dtype[np.int64]], keys: dict[str, np.ndarray]
) -> pl.DataFrame:
    """Return a row per replica and *keys*, with number of blocks, bytes and, where it is not all of them, the blocks' names."""
    chosen = snapshot.block_replicas.select("replica", "block", "size")[rows].with_columns(
        **{name: pl.Series(values) for name, values in keys.items()}
    )
    by = ["replica", *keys]
    frame = chosen.group_by(by).agg(num_blocks=pl.len().cast(pl.Int32), bytes=pl.col("size").sum())
    in_scope = np.bincount(
        snapshot.block_replicas.get_column("replica").to_numpy()[outcome.in_scope], minlength=snapshot.replicas.height
    )
    is_partial = pl.Series(frame.get_column("num_blocks").to_numpy() != in_scope[frame.get_column("replica").to_numpy()])
    partial = chosen.join(frame.filter(is_partial).select(by), on=by, how="semi")
    named = partial.with_columns(block=snapshot.blocks.get_column("name").gather(partial.get_column("block")))
    return frame.join(named.group_by(by).agg(blocks=pl.col("block").sort()), on=by, how="left")


def _table(frame: pl.DataFrame, snapshot: Snapshot, **columns: pl.Series) -> pl.DataFrame:
    replicas = snapshot.replicas[frame.get_column("replica")]
    return pl.DataFrame(
        {
            "site": snapshot.sites.get_column("name").gather(replicas.get_column("site")),
            "dataset": snapshot.datasets.get_column("name").gather(replicas.get_column("dataset")),
            "decision": columns["decision"],
            "line": columns["line"],
            "rule": columns["rule"],
            "num_blocks": frame.get_column("num_blocks"),
            "bytes": frame.get_column("bytes"),
            "new_owner": columns["new_owner"],
            "blocks": frame.get_column("blocks"),
        },
        schema=DECISION_SCHEMA,
    )


def _names_of(snapshot: Snapshot, replica: int) -> tuple[str, str]:
    dataset, site = snapshot.replicas.row(replica)
    return snapshot.sites.get_column("name")[site], snapshot.datasets.get_column("name")[dataset]


def _owner_names(snapshot: Snapshot) -> pl.Series:
    """Names by group row plus one; ``NOBODY`` comes first."""
    if NOBODY != -1:
        raise AssertionError("the index of nobody is expected in front of the first group")
    return pl.concat([pl.Series([NOBODY_NAME], dtype=pl.String), snapshot.groups.get_column("name")])
