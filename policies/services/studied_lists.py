"""What a text would delete, item by item with all that people ask about it: what a campaign studies, freezes and signs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
import polars as pl

from inventory.selectors.locks import locked_rows
from inventory.selectors.replicas import LIVING_STATUSES
from inventory.services.audit import Actor
from policies.choices import CycleKind
from policies.evaluation.columns import NOBODY_NAME, Snapshot
from policies.evaluation.inventory_arrays import InventoryArrays
from policies.evaluation.membership import Membership
from policies.models import Cycle
from policies.planning.outcome import NOT_HANDED_OVER, Outcome
from policies.selectors.comparisons import ERA, TIER
from policies.selectors.partitions import GuardrailScope, PartitionScope
from policies.services.cycles import cycle_carry_out, cycle_start
from policies.services.finishing import feeds_relied_on
from policies.services.guarding import rows_against_guardrails
from policies.services.limits import SiteLoad
from policies.services.listed import ListedReplica
from policies.services.snapshots import TakenSnapshot

#: A list is one decision: no step ends because enough of a quota was deleted in it.
WHOLE_QUOTA = 1.0
_LAST_ACCESS = "dataset.last_access"


@dataclass(frozen=True, slots=True)
class StudiedList:
    """A row per block replica that a text deletes, in the order in which it was decided.

    ``items``: key, site, storage_type, dataset, status, last_access (s since 1970, null = unknown, 0 = never), block, owner,
    size, num_files, line, rule, may_be_last_copy, tier, era, copies_left (complete copies at living sites that the list
    leaves), is_last_copy (complete here, and none left), is_tape, is_locked; dataset_row and replica_row, rows of the snapshot:
    numbers are counted many times faster than names. ``against_guardrails``: bytes and block replicas
    that the text would delete but a guardrail forbids, by guardrail; they are not among the items. ``partition_bytes``: of the
    whole partition. ``loads``: what goes at each site beside its quota. ``feeds``: of measured facts, those that decided.
    """

    items: pl.DataFrame
    clock: datetime
    snapshot_at: datetime
    partition_bytes: int
    num_handed_over: int
    against_guardrails: dict[str, dict[str, int]]
    unknown_feeds: tuple[str, ...]
    loads: tuple[SiteLoad, ...]
    feeds: tuple[str, ...] = ()


def list_study_start(*, text: str, source: str, partition_name: str, actor: Actor, now: datetime) -> Cycle:
    """Record a test run with guardrails, to be carried out by `list_study`. Raises what ``cycle_start`` raises."""
    return cycle_start(
        text=text,
        source=source,
        kind=CycleKind.TEST_RUN,
        actor=actor,
        now=now,
        partition_name=partition_name,
        deletion_per_iteration=WHOLE_QUOTA,
        with_guardrails=True,
    )


def list_study(*, cycle_id: int, actor: Actor) -> StudiedList:
    """Carry out a test run that `list_study_start` recorded, and return what its text would delete.

    Last copies are those after the whole list: of two copies that both go, both are last. Raises what ``cycle_carry_out`` raises.
    """
    result = cycle_carry_out(cycle_id=cycle_id, actor=actor, also_read=(_LAST_ACCESS,))
    read = result.read
    studied = studied_list(read.taken, result.outcome, scope=read.scope, guardrails=read.guardrails, clock=result.cycle.clock)
    return replace(studied, feeds=tuple(sorted(feeds_relied_on(result))))


def studied_list(
    taken: TakenSnapshot, outcome: Outcome, *, scope: PartitionScope, guardrails: Sequence[GuardrailScope], clock: datetime
) -> StudiedList:
    """Return the list that *outcome* gives on the snapshot, without what a guardrail forbids."""
    snapshot, now = taken.snapshot, clock.timestamp()
    forbidden = rows_against_guardrails(outcome, snapshot, [rail.rule for rail in guardrails], now=now)
    arrays = InventoryArrays(snapshot)
    members = Membership(scope.conditions, arrays, now).members()
    items = _items(snapshot, outcome, *_deleted(outcome, forbidden), clock=clock)
    return StudiedList(
        items=items,
        clock=clock,
        snapshot_at=datetime.fromtimestamp(snapshot.taken_at, tz=UTC),
        partition_bytes=int(arrays.row_size[members].sum(dtype=np.int64)),
        num_handed_over=int((outcome.new_owner != NOT_HANDED_OVER).sum()),
        against_guardrails=_left_out(forbidden, arrays),
        unknown_feeds=tuple(feed.name for feed in taken.unknown),
        loads=_loads(items, outcome, snapshot),
    )


def listed_replicas(items: pl.DataFrame) -> Iterator[ListedReplica]:
    """Yield the items of a `StudiedList` as a plan freezes them."""
    columns = ["key", "site", "dataset", "block", "owner", "size", "num_files", "line", "rule", "may_be_last_copy"]
    for key, site, dataset, block, owner, size, files, line, rule, may_be_last in items.select(columns).iter_rows():
        yield ListedReplica(
            block_replica_key=key,
            site_name=site,
            dataset_name=dataset,
            block_name=block,
            owner=owner,
            size_bytes=size,
            num_files=files,
            rule_text=rule,
            line=line,
            may_be_last_copy=may_be_last,
        )


_Rows = np.ndarray[tuple[int], np.dtype[np.int64]]


def _deleted(outcome: Outcome, forbidden: dict[int, str]) -> tuple[_Rows, _Rows]:
    """Return the rows of block replicas that go, in the order of the plan, and the rule that decided each."""
    if not outcome.deletions:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    counts = [len(deletion.block_replicas) for deletion in outcome.deletions]
    rows = np.concatenate([deletion.block_replicas for deletion in outcome.deletions]).astype(np.int64)
    rules = np.repeat(np.array([deletion.rule for deletion in outcome.deletions], dtype=np.int64), counts)
    goes = ~np.isin(rows, np.array(sorted(forbidden), dtype=np.int64))
    return rows[goes], rules[goes]


def _items(snapshot: Snapshot, outcome: Outcome, rows: _Rows, rules: _Rows, *, clock: datetime) -> pl.DataFrame:
    if snapshot.block_replica_keys is None:
        raise ValueError("the snapshot has no keys of block replicas: only what was read from the database can be planned")
    chosen = snapshot.block_replicas.select("replica", "block", "group", "size", "num_files")[rows]
    replicas = snapshot.replicas[chosen.get_column("replica")]
    # What is of a dataset is worked out once for each, then gathered.
    datasets = snapshot.datasets.with_columns(dataset=pl.col("name")).with_columns(TIER, ERA)[replicas.get_column("dataset")]
    owners = pl.concat([pl.Series([NOBODY_NAME], dtype=pl.String), snapshot.groups.get_column("name")])
    blocks = snapshot.blocks[chosen.get_column("block")]
    is_complete = (chosen.get_column("size") == blocks.get_column("size")) & (
        chosen.get_column("num_files") == blocks.get_column("num_files")
    )
    left = _copies_left(snapshot, rows)[chosen.get_column("block").to_numpy()]
    lines = pl.Series([rule.decision_line for rule in outcome.rules], dtype=pl.Int32)
    texts = pl.Series([rule.text for rule in outcome.rules], dtype=pl.String)
    last_access = (
        datasets.get_column("last_access")
        if "last_access" in datasets.columns
        else pl.Series([None]).new_from_index(0, len(rows))
    )
    frame = pl.DataFrame(
        {
            "key": snapshot.block_replica_keys.gather(rows),
            "site": snapshot.sites.get_column("name").gather(replicas.get_column("site")),
            "storage_type": snapshot.sites.get_column("storage_type").gather(replicas.get_column("site")),
            "dataset": datasets.get_column("name"),
            "dataset_row": replicas.get_column("dataset"),
            "replica_row": chosen.get_column("replica"),
            "tier": datasets.get_column("tier"),
            "era": datasets.get_column("era"),
            "status": datasets.get_column("status"),
            "last_access": last_access.cast(pl.Float64),
            "block": blocks.get_column("name"),
            "owner": owners.gather(chosen.get_column("group").cast(pl.Int64) + 1),
            "size": chosen.get_column("size"),
            "num_files": chosen.get_column("num_files"),
            "line": lines.gather(rules),
            "rule": texts.gather(rules),
            "may_be_last_copy": pl.Series([rule.allows_last_copy for rule in outcome.rules], dtype=pl.Boolean).gather(rules),
            "copies_left": pl.Series(left, dtype=pl.Int32),
            "is_last_copy": is_complete & pl.Series(left == 0, dtype=pl.Boolean),
        }
    )
    frame = frame.with_columns(is_tape=pl.col("storage_type") == "MSS", group=pl.col("owner"))
    return frame.with_columns(is_locked=locked_rows(frame, now=clock)).drop("group")


def _copies_left(snapshot: Snapshot, going: _Rows) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return for each block how many complete copies lie at living sites beside those that go, in the whole inventory."""
    replicas = snapshot.block_replicas
    blocks = snapshot.blocks[replicas.get_column("block")]
    is_complete = (replicas.get_column("size") == blocks.get_column("size")) & (
        replicas.get_column("num_files") == blocks.get_column("num_files")
    )
    site = snapshot.replicas.get_column("site").gather(replicas.get_column("replica"))
    is_living = snapshot.sites.get_column("status").gather(site).is_in([status.value for status in LIVING_STATUSES])
    stays = (is_complete & is_living).to_numpy().copy()
    stays[going] = False
    return np.bincount(replicas.get_column("block").to_numpy()[stays], minlength=snapshot.blocks.height)


def _loads(items: pl.DataFrame, outcome: Outcome, snapshot: Snapshot) -> tuple[SiteLoad, ...]:
    deleted = dict(items.group_by("site").agg(pl.col("size").sum()).iter_rows())
    names = snapshot.sites.get_column("name").to_list()
    return tuple(
        SiteLoad(names[site.site], site.quota_bytes, site.bytes_before, deleted.get(names[site.site], 0))
        for site in outcome.target_sites
    )


def _left_out(forbidden: dict[int, str], arrays: InventoryArrays) -> dict[str, dict[str, int]]:
    sums: dict[str, dict[str, int]] = {}
    for row, name in forbidden.items():
        entry = sums.setdefault(name, {"items": 0, "size_bytes": 0})
        entry["items"] += 1
        entry["size_bytes"] += int(arrays.row_size[row])
    return sums
