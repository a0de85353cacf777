"""The columns that a cycle reads: one consistent picture of the inventory, in a fixed order, without Django.

Every frame is referred to by row number. The order is part of the contract, so that the same inventory gives the
same plan on every machine: sites and datasets by name, blocks by (dataset, name), replicas by (site, dataset),
block replicas by (replica, block); names compare by code point.

Null is *unknown* (language page, section 2, Unknown) and nothing else: a feed that was loaded and is fresh says
itself what absence means, so its provider fills in 0, 1970 or false.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

#: Group index of a block replica that nobody owns; its owner reads as the text ``None``.
NOBODY = -1
NOBODY_NAME = "None"

SITE_SCHEMA = {"name": pl.String, "status": pl.String, "storage_type": pl.String, "quota": pl.Int64}
GROUP_SCHEMA = {"name": pl.String, "is_dataset_level": pl.Boolean}
DATASET_SCHEMA = {
    "name": pl.String,
    "status": pl.String,
    "size": pl.Int64,
    "last_update": pl.Float64,
    "release": pl.String,
}
BLOCK_SCHEMA = {"dataset": pl.Int32, "name": pl.String, "size": pl.Int64, "num_files": pl.Int32}
REPLICA_SCHEMA = {"dataset": pl.Int32, "site": pl.Int32}
BLOCK_REPLICA_SCHEMA = {
    "replica": pl.Int32,
    "block": pl.Int32,
    "group": pl.Int32,
    "size": pl.Int64,
    "num_files": pl.Int32,
    "last_update": pl.Float64,
}

#: Columns that appear only when a policy names a variable that needs them: variable name -> (frame, column, dtype).
OPTIONAL_COLUMNS: dict[str, tuple[str, str, type[pl.DataType]]] = {
    "dataset.attr": ("datasets", "attributes", pl.String),
    "dataset.tape_copy_requested": ("datasets", "tape_copy_requested", pl.Boolean),
    "dataset.last_access": ("datasets", "last_access", pl.Float64),
    "dataset.usage_rank": ("datasets", "usage_rank", pl.Float64),
    "dataset.demand_rank": ("datasets", "demand_rank", pl.Float64),
    "dataset.is_latest_production_release": ("datasets", "is_latest_production_release", pl.Boolean),
    "dataset.on_protected_site": ("datasets", "on_protected_site", pl.Boolean),
    "dataset.unknown_in_all_dbs": ("datasets", "unknown_in_all_dbs", pl.Boolean),
    "dataset.unhandled_copy_exists": ("datasets", "unhandled_copy_exists", pl.Boolean),
    "replica.num_access": ("datasets", "num_access", pl.Float64),
    "replica.enforcer_protected": ("replicas", "enforcer_protected", pl.Boolean),
    "blockreplica.is_locked": ("block_replicas", "is_locked", pl.Boolean),
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One consistent read of the inventory for one partition.

    Frames and units (row number = identity):

    - ``sites``: ``SITE_SCHEMA``; ``quota`` is the partition's quota there, bytes, negative = unlimited, none = 0;
    - ``groups``: ``GROUP_SCHEMA``, sorted by name;
    - ``datasets``: ``DATASET_SCHEMA``; ``size`` bytes over all blocks, times in s since 1970 UTC, ``release`` null =
      unknown; optional columns as in ``OPTIONAL_COLUMNS``; ``attributes`` is the JSON text of an object;
    - ``blocks``: ``BLOCK_SCHEMA``: every block of every dataset, with the size and number of files that make it complete;
    - ``replicas``: ``REPLICA_SCHEMA``: every dataset replica, also one without block replicas;
    - ``block_replicas``: ``BLOCK_REPLICA_SCHEMA``: ``size`` and ``num_files`` are what is physically present,
      ``group`` a row of ``groups`` or ``NOBODY``.

    ``taken_at`` is the time of the read, s since 1970 UTC. ``block_replica_keys`` holds the primary keys of the inventory's rows
    in the same order, or None where the snapshot was not read from a database.
    """

    sites: pl.DataFrame
    groups: pl.DataFrame
    datasets: pl.DataFrame
    blocks: pl.DataFrame
    replicas: pl.DataFrame
    block_replicas: pl.DataFrame
    taken_at: float
    block_replica_keys: pl.Series | None = None
