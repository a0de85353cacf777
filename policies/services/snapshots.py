"""The snapshot of a cycle: inventory, quotas and the facts that a policy names, read in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import polars as pl

from inventory.selectors.reading import consistent_reader
from inventory.selectors.snapshot import InventoryColumns, dataset_keys, read_inventory
from policies.evaluation.columns import NOBODY, OPTIONAL_COLUMNS, Snapshot
from policies.facts.attributes import ATTRIBUTES_VARIABLE
from policies.facts.registry import PROVIDERS, UnknownFeed, load_facts
from policies.facts.request import FactRequest, Facts, Provider
from policies.language.ast import Condition, Policy, predicates
from policies.selectors.partitions import PartitionScope


@dataclass(frozen=True, slots=True)
class TakenSnapshot:
    """A snapshot and the feeds whose facts are unknown in it."""

    snapshot: Snapshot
    unknown: tuple[UnknownFeed, ...]


@dataclass(frozen=True, slots=True)
class GoneBlockReplica:
    """A block replica that was deleted and is to count as if it were there still, whole."""

    site_name: str
    dataset_name: str
    block_name: str
    group_name: str


def snapshot_take(
    *,
    quotas: Mapping[str, int],
    variables: Collection[str],
    now: datetime,
    providers: Mapping[str, Provider] = PROVIDERS,
) -> TakenSnapshot:
    """Read one consistent picture of the inventory with the facts behind *variables* as they stand at the clock *now*.

    *quotas*: bytes by site name, negative = unlimited, absent = 0. Raises `ProviderFailedError` when a feed cannot be
    loaded, and the driver's error when the database cannot be read; there is no partial snapshot.
    """
    with consistent_reader() as reader:
        inventory = read_inventory(reader, with_attributes=ATTRIBUTES_VARIABLE in variables)
        facts = load_facts(FactRequest(reader, inventory, frozenset(variables), now), providers)
    return TakenSnapshot(_compose(inventory, quotas, facts.values), facts.unknown)


def snapshot_take_part(
    *,
    datasets: Collection[str],
    variables: Collection[str],
    now: datetime,
    put_back: Sequence[GoneBlockReplica] = (),
    providers: Mapping[str, Provider] = PROVIDERS,
) -> TakenSnapshot:
    """Read *datasets* alone, with all their replicas, all sites and groups, and no quotas; see `snapshot_take`.

    *put_back*: what counts as present although it is gone; where not even its dataset replica is left, it does not.
    """
    with consistent_reader() as reader:
        keys = dataset_keys(datasets)
        found = read_inventory(reader, with_attributes=ATTRIBUTES_VARIABLE in variables, only_datasets=keys)
        inventory = _with_put_back(found, put_back)
        facts = load_facts(FactRequest(reader, inventory, frozenset(variables), now), providers)
    return TakenSnapshot(_compose(inventory, {}, facts.values), facts.unknown)


def _with_put_back(inventory: InventoryColumns, gone: Sequence[GoneBlockReplica]) -> InventoryColumns:
    rows = _gone_rows(inventory, gone)
    if not rows:
        return inventory
    extra = pl.DataFrame(rows, schema=inventory.block_replicas.schema, orient="row")
    ids = np.concatenate([inventory.block_replica_ids, -np.arange(1, len(rows) + 1, dtype=np.int64)])
    frame = pl.concat([inventory.block_replicas, extra]).with_columns(id=pl.Series(ids)).sort("replica", "block")
    return replace(inventory, block_replicas=frame.drop("id"), block_replica_ids=frame["id"].to_numpy())


def _gone_rows(inventory: InventoryColumns, gone: Sequence[GoneBlockReplica]) -> list[tuple[object, ...]]:
    sites, datasets, groups = (
        {name: row for row, name in enumerate(frame["name"])} for frame in (inventory.sites, inventory.datasets, inventory.groups)
    )
    replicas = {pair: row for row, pair in enumerate(inventory.replicas.select("dataset", "site").iter_rows())}
    blocks = {pair: row for row, pair in enumerate(inventory.blocks.select("dataset", "name").iter_rows())}
    present = set(inventory.block_replicas.select("replica", "block").iter_rows())
    # As new as the newest that is left, so that neither the oldest nor the newest of the replica changes.
    newest = dict(inventory.block_replicas.group_by("replica").agg(pl.col("last_update").max()).iter_rows())
    rows: list[tuple[object, ...]] = []
    for one in gone:
        dataset = datasets.get(one.dataset_name, -1)
        replica = replicas.get((dataset, sites.get(one.site_name, -1)))
        block = blocks.get((dataset, one.block_name))
        if replica is None or block is None or (replica, block) in present:
            continue
        present.add((replica, block))
        _, _, size, num_files = inventory.blocks.row(block)
        rows.append((replica, block, groups.get(one.group_name, NOBODY), size, num_files, newest.get(replica, 0.0)))
    return rows


def scope_variables(policies: Sequence[Policy], scope: PartitionScope, conditions: Sequence[Condition] = ()) -> frozenset[str]:
    """Return the names of all variables that *policies*, their partition and *conditions* read."""
    named = {p.variable.name for condition in (*scope.conditions, *conditions) for p in predicates(condition.expression)}
    return frozenset(named | {variable.name for policy in policies for variable in policy.variables()})


def _compose(inventory: InventoryColumns, quotas: Mapping[str, int], facts: Facts) -> Snapshot:
    added: dict[str, dict[str, pl.Series]] = {"datasets": {}, "replicas": {}, "block_replicas": {}}
    for variable, values in facts.items():
        frame, column, _ = OPTIONAL_COLUMNS[variable]
        added[frame][column] = values
    quota = pl.Series([quotas.get(name, 0) for name in inventory.sites["name"]], dtype=pl.Int64)
    return Snapshot(
        sites=inventory.sites.with_columns(quota=quota),
        groups=inventory.groups,
        datasets=inventory.datasets.with_columns(**added["datasets"]),
        blocks=inventory.blocks,
        replicas=inventory.replicas.with_columns(**added["replicas"]),
        block_replicas=inventory.block_replicas.with_columns(**added["block_replicas"]),
        taken_at=inventory.taken_at,
        block_replica_keys=pl.Series("key", inventory.block_replica_ids),
    )
