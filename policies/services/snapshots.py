"""The snapshot of a cycle: inventory, quotas and the facts that a policy names, read in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from inventory.selectors.reading import consistent_reader
from inventory.selectors.snapshot import InventoryColumns, read_inventory
from policies.evaluation.columns import OPTIONAL_COLUMNS, Snapshot
from policies.facts.registry import PROVIDERS, UnknownFeed, load_facts
from policies.facts.request import FactRequest, Facts, Provider

_ATTRIBUTES = "dataset.attr"


@dataclass(frozen=True, slots=True)
class TakenSnapshot:
    """A snapshot and the feeds whose facts are unknown in it."""

    snapshot: Snapshot
    unknown: tuple[UnknownFeed, ...]


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
        inventory = read_inventory(reader, with_attributes=_ATTRIBUTES in variables)
        facts = load_facts(FactRequest(reader, inventory, frozenset(variables), now), providers)
    return TakenSnapshot(_compose(inventory, quotas, facts.values), facts.unknown)


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
