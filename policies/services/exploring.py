"""What a text would delete, asked again at every click: on a kept snapshot, recorded nowhere, freezing nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import numpy as np
import polars as pl

from policies.evaluation.columns import NOBODY_NAME, Snapshot
from policies.language.ast import Policy
from policies.planning.outcome import Outcome
from policies.selectors.comparisons import ERA, TIER
from policies.selectors.partitions import guardrails_of, partition_scope
from policies.services.cycles import parsed_policy
from policies.services.kept_snapshots import snapshot_kept
from policies.services.scoped import ReadScope
from policies.services.studied_lists import WHOLE_QUOTA, StudiedList, studied_list

#: Quarters of a year that the histogram of last access reaches back; what lies before is in the last of them.
QUARTERS = 40
_QUARTER = 365.25 * 86400 / 4


@dataclass(frozen=True, slots=True)
class Facet:
    """What the text looks at and what of it would go, for one value of one property of datasets or sites."""

    name: str
    size_bytes: int
    going_bytes: int


@dataclass(frozen=True, slots=True)
class Quarter:
    """What was last read so many quarters of a year ago (None: never; -1: unknown)."""

    quarters_ago: int | None
    size_bytes: int
    going_bytes: int


@dataclass(frozen=True, slots=True)
class Exploration:
    """``studied`` as a study would find it; ``facets`` by property (tier, era, site, owner, status, release), the largest first;
    ``quarters`` from the latest to *never* and *unknown*; ``size_bytes`` of all that the text looks at."""

    studied: StudiedList
    facets: dict[str, tuple[Facet, ...]]
    quarters: tuple[Quarter, ...]
    size_bytes: int


def list_explore(*, text: str, partition_name: str, now: datetime, max_age: timedelta) -> Exploration:
    """Return what *text* would delete in the partition, on an inventory at most *max_age* old; guardrails protect.

    Raises `PolicyInvalidError` with all findings, ``PartitionUnknownError``, ``ProviderFailedError``.
    """
    scope = partition_scope(partition_name)
    policy = _parsed(text, partition_name)
    guardrails = guardrails_of(scope.id)
    taken = snapshot_kept(quotas=scope.quotas, now=now, max_age=max_age)
    outcome = ReadScope(scope, tuple(guardrails), taken, now).plan(policy, deletion_per_iteration=WHOLE_QUOTA)
    studied = studied_list(taken, outcome, scope=scope, guardrails=guardrails, clock=now)
    looked_at = _looked_at(taken.snapshot, outcome, studied.items.get_column("key"))
    return Exploration(
        studied=studied,
        facets=_facets(looked_at, taken.snapshot),
        quarters=_quarters(looked_at, taken.snapshot, now.timestamp()),
        size_bytes=int(looked_at.get_column("size").sum()),
    )


@lru_cache(maxsize=8)
def _parsed(text: str, partition_name: str) -> Policy:
    """Return the checked policy; a campaign's text may have thousands of rules, and most clicks change none of them."""
    return parsed_policy(text, "the text", partition_name=partition_name)


def _looked_at(snapshot: Snapshot, outcome: Outcome, going: pl.Series) -> pl.DataFrame:
    """Return a row per block replica in scope: dataset, site and group (row numbers), size, and as much of it as goes."""
    if snapshot.block_replica_keys is None:
        raise ValueError("the snapshot has no keys of block replicas")
    rows = np.flatnonzero(outcome.in_scope)
    goes = snapshot.block_replica_keys.gather(rows).is_in(going.implode())
    chosen = snapshot.block_replicas.select("replica", "group", "size")[rows]
    replicas = snapshot.replicas[chosen.get_column("replica")]
    size = chosen.get_column("size")
    return pl.DataFrame(
        {
            "dataset": replicas.get_column("dataset"),
            "site": replicas.get_column("site"),
            "group": chosen.get_column("group"),
            "size": size,
            "going": size * goes.cast(pl.Int64),
        }
    )


def _facets(looked_at: pl.DataFrame, snapshot: Snapshot) -> dict[str, tuple[Facet, ...]]:
    datasets = _by_dataset(looked_at, snapshot).with_columns(pl.col("release").fill_null(""))
    owners = pl.concat([pl.Series([NOBODY_NAME], dtype=pl.String), snapshot.groups.get_column("name")])
    sites = _summed(looked_at, "site")
    sites = sites.with_columns(site=snapshot.sites.get_column("name").gather(sites.get_column("site")))
    by_group = _summed(looked_at, "group")
    by_group = by_group.with_columns(group=owners.gather(by_group.get_column("group").cast(pl.Int64) + 1))
    return {
        **{name: _ranked(_summed(datasets, name), name) for name in ("tier", "era", "status", "release")},
        "site": _ranked(sites, "site"),
        "owner": _ranked(by_group, "group"),
    }


def _by_dataset(looked_at: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    sums = _summed(looked_at, "dataset")
    chosen = snapshot.datasets[sums.get_column("dataset")]
    named = pl.DataFrame(
        {"dataset": chosen.get_column("name"), "size": sums.get_column("size"), "going": sums.get_column("going")}
    )
    return named.with_columns(TIER, ERA, status=chosen.get_column("status"), release=chosen.get_column("release"))


def _summed(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    return frame.group_by(column).agg(pl.col("size").sum(), pl.col("going").sum())


def _ranked(frame: pl.DataFrame, column: str) -> tuple[Facet, ...]:
    ordered = frame.sort(["size", column], descending=[True, False])
    return tuple(Facet(*row) for row in ordered.select(column, "size", "going").iter_rows())


def _quarters(looked_at: pl.DataFrame, snapshot: Snapshot, clock: float) -> tuple[Quarter, ...]:
    sums = _summed(looked_at, "dataset")
    last = snapshot.datasets.get_column("last_access").gather(sums.get_column("dataset"))
    age = ((clock - pl.col("last")) / _QUARTER).floor().clip(0, QUARTERS - 1).cast(pl.Int32)
    # Past the last quarter stand what was never read, then what nobody knows of.
    place = pl.when(pl.col("last").is_null()).then(QUARTERS + 1).when(pl.col("last") <= 0).then(QUARTERS).otherwise(age)
    frame = _summed(sums.with_columns(last=last).with_columns(place=place), "place").sort("place")
    return tuple(Quarter(_quarters_ago(place), size, going) for place, size, going in frame.iter_rows())


def _quarters_ago(place: int) -> int | None:
    return {QUARTERS: None, QUARTERS + 1: -1}.get(place, place)
