"""The whole inventory as columns that refer to one another by row number: what a cycle reads.

The order is a contract: sites, groups and datasets by name, blocks by (dataset, name), replicas by (site, dataset), block
replicas by (replica, block); names compare by code point, on every database alike.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from inventory.choices import InjectionState, OwnershipLevel
from inventory.models import Dataset, DatasetFacts, Injection
from inventory.selectors.injections import half_loaded_injections
from inventory.selectors.reading import Reader, seconds_sql
from inventory.selectors.wording import plural

#: Row of ``groups`` for a block replica that nobody owns.
NOBODY = -1

_NAMES_PER_QUERY = 500

Ids = NDArray[np.int64]
Rows = NDArray[np.int32]


class InconsistentInventoryError(RuntimeError):
    """A row refers to another that the same read did not give."""


@dataclass(frozen=True, slots=True)
class InventoryColumns:
    """One consistent read. Row number = identity; every reference is an Int32 row number.

    - ``sites``: name, status, storage_type;
    - ``groups``: name, is_dataset_level;
    - ``datasets``: name, status, size (bytes over all blocks), last_update (s since 1970 UTC), release (null = unknown), and
      attributes (JSON text) if asked for;
    - ``blocks``: dataset, name, size, num_files;
    - ``replicas``: dataset, site;
    - ``block_replicas``: replica, block, group (``NOBODY`` = nobody), size and num_files present, last_update.

    ``dataset_ids``, ``replica_ids`` and ``block_replica_ids`` are the primary keys in row order (negative for block replicas that
    were put back), ``taken_at`` s since 1970 UTC. ``is_part``: only some datasets were read, with all that refers to them.
    """

    sites: pl.DataFrame
    groups: pl.DataFrame
    datasets: pl.DataFrame
    blocks: pl.DataFrame
    replicas: pl.DataFrame
    block_replicas: pl.DataFrame
    dataset_ids: Ids
    replica_ids: Ids
    block_replica_ids: Ids
    taken_at: float
    is_part: bool = False


@dataclass(frozen=True, slots=True)
class FeedState:
    """When a feed was last complete (None: it never came), and how old it may be."""

    measured_at: datetime | None
    max_age_seconds: float

    def is_fresh(self, now: datetime, *, read_at: datetime) -> bool:
        """Tell whether the feed may be believed at the cycle's clock *now*; *read_at* is when the inventory was read.

        A clock that is set back (a test run at a past moment) makes no feed stale that has come since. One measured after
        *read_at* is held against the same yardstick: a wrong date must not keep a feed fresh for ever.
        """
        if self.measured_at is None:
            return False
        age = now - self.measured_at if self.measured_at <= now else self.measured_at - max(now, read_at)
        return age.total_seconds() <= self.max_age_seconds


def read_inventory(
    reader: Reader, *, with_attributes: bool = False, only_datasets: Collection[int] | None = None
) -> InventoryColumns:
    """Read every table that decisions rest on; *only_datasets*: keys of those that are read, with all of their replicas.

    Raises `InconsistentInventoryError` where a reference leads nowhere.
    """
    taken_at = time.time()
    only = None if only_datasets is None else _id_list(only_datasets)
    sites, site_ids = _by_name(reader, "inventory_site", {"name": pl.String, "status": pl.String, "storage_type": pl.String})
    groups, group_ids = _by_name(reader, "inventory_group", {"name": pl.String, "ownership_level": pl.String})
    groups = groups.select("name", is_dataset_level=pl.col("ownership_level") == OwnershipLevel.DATASET.value)
    datasets, dataset_ids = _datasets(reader, _where("id", only), with_attributes=with_attributes)
    blocks, block_ids = _blocks(reader, _where("dataset_id", only), dataset_ids)
    datasets = datasets.insert_column(2, pl.Series("size", _sizes(blocks, datasets.height)))
    replicas, replica_ids = _replicas(reader, _where("dataset_id", only), site_ids, dataset_ids)
    of_those = "" if only is None else f" WHERE dataset_replica_id IN ({_replicas_of(only)})"
    block_replicas, block_replica_ids = _block_replicas(reader, of_those, replica_ids, block_ids, group_ids)
    return InventoryColumns(
        sites=sites,
        groups=groups,
        datasets=datasets,
        blocks=blocks,
        replicas=replicas,
        block_replicas=block_replicas,
        dataset_ids=dataset_ids,
        replica_ids=replica_ids,
        block_replica_ids=block_replica_ids,
        taken_at=taken_at,
        is_part=only is not None,
    )


def read_dataset_facts(
    reader: Reader, schema: dict[str, type[pl.DataType]], dataset_ids: Ids, *, is_part: bool = False
) -> dict[str, pl.Series]:
    """Return columns of ``DatasetFacts`` in the row order of *dataset_ids*, which are not all there are where *is_part*.

    What the feed did not name is 0, 1970 or false: ask only when the feed is fresh. Times are s since 1970 UTC.
    """
    selected = ", ".join(_fact_sql(column, dtype, reader.vendor) for column, dtype in schema.items())
    frame = reader.frame(
        f"SELECT dataset_id, {selected} FROM inventory_datasetfacts"  # noqa: S608 - names out of the code, no input
        + _where("dataset_id", _id_list(dataset_ids) if is_part else None),
        {"dataset_id": pl.Int64, **schema},
    )
    rows = rows_of(frame["dataset_id"].to_numpy(), dataset_ids, "facts of a dataset")
    found = {}
    for column, dtype in schema.items():
        values: np.ndarray[tuple[int], np.dtype[Any]] = np.zeros(
            len(dataset_ids), dtype=np.bool_ if dtype == pl.Boolean else np.float64
        )
        values[rows] = frame[column].to_numpy()
        found[column] = pl.Series(column, values, dtype=dtype)
    return found


def read_measured_attributes(reader: Reader, inventory: InventoryColumns) -> list[tuple[int, str]]:
    """Return row and attributes (the JSON text of an object) of the datasets of *inventory* of which a feed measured some."""
    only = f" AND dataset_id IN ({_id_list(inventory.dataset_ids)})" if inventory.is_part else ""
    frame = reader.frame(
        "SELECT dataset_id, CAST(attributes AS TEXT) FROM inventory_datasetfacts "  # noqa: S608 - a list of integers
        f"WHERE attributes IS NOT NULL{only}",
        {"id": pl.Int64, "attributes": pl.String},
    )
    rows = rows_of(frame["id"].to_numpy(), inventory.dataset_ids, "attributes of a dataset")
    return list(zip(rows.tolist(), frame["attributes"].to_list(), strict=True))


def read_enforced_replicas(reader: Reader, inventory: InventoryColumns) -> pl.Series:
    """Return for each replica of *inventory*, in its order, whether the enforcer wants it to stay."""
    of_those = f" WHERE dataset_replica_id IN ({_replicas_of(_id_list(inventory.dataset_ids))})" if inventory.is_part else ""
    frame = reader.frame(f"SELECT dataset_replica_id FROM inventory_enforcedreplica{of_those}", {"id": pl.Int64})  # noqa: S608
    values = np.zeros(len(inventory.replica_ids), dtype=np.bool_)
    values[rows_of(frame["id"].to_numpy(), inventory.replica_ids, "enforced replica")] = True
    return pl.Series("enforcer_protected", values, dtype=pl.Boolean)


def read_feeds(reader: Reader) -> dict[str, FeedState]:
    """Return the state of every feed that is known, by name; a feed without a row never came."""
    age = "EXTRACT(EPOCH FROM max_age)::float8" if reader.vendor == "postgresql" else "max_age / 1000000.0"
    measured = seconds_sql("measured_at", reader.vendor)
    frame = reader.frame(
        f"SELECT name, {measured}, {age} FROM inventory_factfeed WHERE measured_at IS NOT NULL",  # noqa: S608 - no input
        {"name": pl.String, "measured_at": pl.Float64, "max_age": pl.Float64},
    )
    return {name: FeedState(datetime.fromtimestamp(at, tz=UTC), max_age) for name, at, max_age in frame.iter_rows()}


def inventory_updated_at() -> datetime | None:
    """Return when a document was last brought in completely; None if that never happened."""
    last = Injection.objects.filter(state=InjectionState.COMPLETED, is_dry_run=False).order_by("-finished_at").first()
    return None if last is None else last.finished_at


@dataclass(frozen=True, slots=True)
class InventoryStanding:
    """When a document was last brought in completely (None: never), and what says that one is there by half (empty: none is).

    ``half_loaded_id`` is the injection that is there by half.
    """

    updated_at: datetime | None
    half_loaded: str = ""
    half_loaded_id: int | None = None


def inventory_standing() -> InventoryStanding:
    """Return whether the inventory may be believed, as far as its documents tell."""
    half = half_loaded_injections().order_by("pk").first()
    if half is None:
        return InventoryStanding(inventory_updated_at())
    go_on = f"on its page or by POST injections/{half.pk}/resume/" if half.document else "by the same command"
    return InventoryStanding(
        inventory_updated_at(),
        f"injection {half.pk} of {half.source} has brought in {plural(half.records_kept, 'record')} and is not over: "
        f"wait for its end, "
        f"go on {go_on}, or let it be on its page or by inject --give-up {half.pk}",
        half.pk,
    )


def existing_dataset_names(names: Collection[str]) -> set[str]:
    """Return those of *names* that are datasets of the inventory."""
    wanted = sorted(names)
    found: set[str] = set()
    for start in range(0, len(wanted), _NAMES_PER_QUERY):
        chunk = wanted[start : start + _NAMES_PER_QUERY]
        found.update(Dataset.objects.filter(name__in=chunk).values_list("name", flat=True))
    return found


def dataset_keys(names: Collection[str]) -> list[int]:
    """Return the primary keys of the datasets of *names*, ascending; what is none has no key."""
    wanted = sorted(set(names))
    found: list[int] = []
    for start in range(0, len(wanted), _NAMES_PER_QUERY):
        chunk = wanted[start : start + _NAMES_PER_QUERY]
        found.extend(Dataset.objects.filter(name__in=chunk).order_by("pk").values_list("pk", flat=True))
    return sorted(found)


def datasets_accessed_since(names: Collection[str], since: datetime) -> dict[str, datetime]:
    """Return those datasets of *names* that were read after *since*, and when last; the age of the feed does not matter."""
    found = DatasetFacts.objects.filter(dataset__name__in=list(names), last_access_at__gt=since)
    return {name: at for name, at in found.order_by("dataset_id").values_list("dataset__name", "last_access_at") if at}


def rows_of(values: Ids, ids: Ids, what: str) -> Rows:
    """Return the row number of each of *values* among *ids* (unique, in row order).

    Raises `InconsistentInventoryError`, naming *what*, for a value that is not among them.
    """
    if len(values) == 0:
        return np.zeros(0, dtype=np.int32)
    if len(ids) == 0:
        raise InconsistentInventoryError(f"{what}: refers to {int(values[0])}, which does not exist")
    top = int(ids.max())
    if top <= 16 * len(ids) + 65536 and int(values.min()) >= 0:
        table = np.full(max(top, int(values.max())) + 1, -1, dtype=np.int32)
        table[ids] = np.arange(len(ids), dtype=np.int32)
        rows = table[values]
    else:
        order = np.argsort(ids).astype(np.int32)
        place = np.minimum(np.searchsorted(ids, values, sorter=order), len(ids) - 1)
        rows = order[place]
        rows = np.where(ids[rows] == values, rows, np.int32(-1))
    if (missing := int(rows.min())) < 0:
        lost = int(values[int(np.argmin(rows))])
        raise InconsistentInventoryError(f"{what}: refers to {lost}, which the same read did not give ({missing})")
    return rows


def _id_list(ids: Collection[int] | Ids) -> str:
    """Return keys as SQL's list of an IN; without any, one that no row has."""
    return ", ".join(str(int(key)) for key in ids) or "-1"


def _where(column: str, only: str | None) -> str:
    return "" if only is None else f" WHERE {column} IN ({only})"


def _replicas_of(only: str) -> str:
    return f"SELECT id FROM inventory_datasetreplica WHERE dataset_id IN ({only})"  # noqa: S608 - a list of integers


def _by_name(reader: Reader, table: str, schema: dict[str, type[pl.DataType]]) -> tuple[pl.DataFrame, Ids]:
    frame = reader.frame(f"SELECT id, {', '.join(schema)} FROM {table}", {"id": pl.Int64, **schema}).sort("name")  # noqa: S608
    return frame.drop("id"), frame["id"].to_numpy()


def _datasets(reader: Reader, where: str, *, with_attributes: bool) -> tuple[pl.DataFrame, Ids]:
    schema: dict[str, type[pl.DataType]] = {
        "id": pl.Int64,
        "name": pl.String,
        "status": pl.String,
        "last_update": pl.Float64,
        "release": pl.String,
    }
    selected = f"id, name, status, {seconds_sql('last_update', reader.vendor)}, COALESCE(release, '')"
    if with_attributes:
        schema["attributes"] = pl.String
        selected += ", CAST(attributes AS TEXT)"
    frame = reader.frame(f"SELECT {selected} FROM inventory_dataset{where}", schema).sort("name")  # noqa: S608 - no input
    release = pl.when(pl.col("release") == "").then(None).otherwise(pl.col("release"))
    return frame.drop("id").with_columns(release=release), frame["id"].to_numpy()


def _blocks(reader: Reader, where: str, dataset_ids: Ids) -> tuple[pl.DataFrame, Ids]:
    frame = reader.frame(
        f"SELECT id, dataset_id, name, size_bytes, num_files FROM inventory_block{where}",  # noqa: S608 - no input
        {"id": pl.Int64, "dataset": pl.Int64, "name": pl.String, "size": pl.Int64, "num_files": pl.Int32},
    )
    rows = rows_of(frame["dataset"].to_numpy(), dataset_ids, "block of a dataset")
    frame = frame.with_columns(dataset=pl.Series(rows, dtype=pl.Int32)).sort("dataset", "name")
    return frame.drop("id"), frame["id"].to_numpy()


def _sizes(blocks: pl.DataFrame, num_datasets: int) -> Ids:
    """Return the bytes of each dataset; *blocks* are sorted by dataset."""
    ends = np.searchsorted(blocks["dataset"].to_numpy(), np.arange(num_datasets + 1))
    sums = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(blocks["size"].to_numpy(), dtype=np.int64)])
    sizes: Ids = np.diff(sums[ends])
    return sizes


def _replicas(reader: Reader, where: str, site_ids: Ids, dataset_ids: Ids) -> tuple[pl.DataFrame, Ids]:
    frame = reader.frame(
        f"SELECT id, dataset_id, site_id FROM inventory_datasetreplica{where}",  # noqa: S608 - no input
        {"id": pl.Int64, "dataset": pl.Int64, "site": pl.Int64},
    )
    datasets = rows_of(frame["dataset"].to_numpy(), dataset_ids, "replica of a dataset")
    sites = rows_of(frame["site"].to_numpy(), site_ids, "replica at a site")
    order = _order(sites, datasets, len(dataset_ids))
    replicas = pl.DataFrame({"dataset": datasets[order], "site": sites[order]}, schema={"dataset": pl.Int32, "site": pl.Int32})
    return replicas, frame["id"].to_numpy()[order]


def _block_replicas(reader: Reader, where: str, replica_ids: Ids, block_ids: Ids, group_ids: Ids) -> tuple[pl.DataFrame, Ids]:
    frame = reader.frame(
        "SELECT id, dataset_replica_id, block_id, COALESCE(group_id, 0), size_bytes, num_files, "  # noqa: S608 - no input
        f"{seconds_sql('last_update', reader.vendor)} FROM inventory_blockreplica{where}",
        {
            "id": pl.Int64,
            "replica": pl.Int64,
            "block": pl.Int64,
            "group": pl.Int64,
            "size": pl.Int64,
            "num_files": pl.Int32,
            "last_update": pl.Float64,
        },
    )
    replicas = rows_of(frame["replica"].to_numpy(), replica_ids, "block replica of a replica")
    blocks = rows_of(frame["block"].to_numpy(), block_ids, "replica of a block")
    # Keys start at 1: 0 stands for nobody, in front of the groups, and becomes -1.
    with_nobody = np.concatenate([np.zeros(1, dtype=np.int64), group_ids])
    groups = rows_of(frame["group"].to_numpy(), with_nobody, "group of a block replica") + np.int32(NOBODY)
    order = _order(replicas, blocks, len(block_ids))
    sorted_columns: dict[str, pl.Series] = {
        "replica": pl.Series(replicas[order]),
        "block": pl.Series(blocks[order]),
        "group": pl.Series(groups[order]),
        **{name: frame[name].gather(order) for name in ("size", "num_files", "last_update")},
    }
    return pl.DataFrame(sorted_columns), frame["id"].to_numpy()[order]


def _order(major: Rows, minor: Rows, num_minor: int) -> NDArray[np.int64]:
    return np.argsort(major.astype(np.int64) * max(num_minor, 1) + minor, kind="stable")


def _fact_sql(column: str, dtype: type[pl.DataType], vendor: str) -> str:
    if dtype == pl.Boolean:
        return f"COALESCE({column}, FALSE)"
    if column.endswith("_at"):
        if vendor == "postgresql":
            return f"COALESCE({column}, TIMESTAMPTZ 'epoch')"
        return f"COALESCE({seconds_sql(column, vendor)}, 0.0)"
    return f"COALESCE({column}, 0.0)"
