"""A synthetic snapshot as rows of PostgreSQL, written by COPY: what the benchmarks of the whole way read again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import polars as pl
from django.db import connection, models, transaction

from inventory.choices import FactFeedName
from inventory.models import Block, BlockReplica, Dataset, DatasetFacts, DatasetReplica, FactFeed, Group, Site
from policies.evaluation.columns import Snapshot
from policies.models import Partition, Quota
from tests.factories.snapshots import NOW


def store_snapshot(snapshot: Snapshot, partition: Partition) -> None:
    """Write *snapshot* into empty tables, with its quotas for *partition* and complete feeds; row n gets the key n + 1.

    ``is_locked`` and ``enforcer_protected`` are left out: no lock and no enforced replica is stored.
    """
    with transaction.atomic():
        _places(snapshot, partition)
        datasets = _with_key(snapshot.datasets).with_columns(at=_time("last_update"))
        blocks = _with_key(snapshot.blocks).with_columns(
            dataset_key=pl.col("dataset").cast(pl.Int64) + 1, at=pl.lit(_moment(NOW - 400 * 86400))
        )
        totals = blocks.group_by("dataset_key").agg(files=pl.col("num_files").sum(), count=pl.len())
        datasets = datasets.join(totals, left_on="key", right_on="dataset_key", how="left").fill_null(0).sort("key")
        constants = (pl.lit("").alias("data_type"), pl.lit("f").alias("is_open"), pl.lit("{}").alias("attributes"))
        _copy(
            Dataset,
            "id name status release last_update size_bytes num_files num_blocks data_type is_open attributes",
            datasets.select("key", "name", "status", "release", "at", "size", "files", "count", *constants),
        )
        _copy(
            Block,
            "id dataset_id name size_bytes num_files is_open last_update",
            blocks.select("key", "dataset_key", "name", "size", "num_files", pl.lit("f").alias("is_open"), "at"),
        )
        _replicas(snapshot)
        _facts(datasets)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def _places(snapshot: Snapshot, partition: Partition) -> None:
    sites = [
        Site(pk=key, name=name, status=status, storage_type=storage_type)
        for key, (name, status, storage_type, _) in enumerate(snapshot.sites.rows(), start=1)
    ]
    Site.objects.bulk_create(sites)
    Quota.objects.bulk_create(
        Quota(partition=partition, site_id=key, size_bytes=quota) for key, quota in enumerate(snapshot.sites["quota"], start=1)
    )
    Group.objects.bulk_create(
        Group(pk=key, name=name, ownership_level="DATASET" if is_dataset_level else "BLOCK")
        for key, (name, is_dataset_level) in enumerate(snapshot.groups.rows(), start=1)
    )
    for name in FactFeedName.values:
        FactFeed.objects.update_or_create(name=name, defaults={"source": "benchmark", "measured_at": _moment(NOW)})


def _replicas(snapshot: Snapshot) -> None:
    replicas = _with_key(snapshot.replicas)
    site_key = pl.col("site").cast(pl.Int64) + 1
    nobody = pl.lit(None, dtype=pl.Int64).alias("group")
    _copy(
        DatasetReplica,
        "id dataset_id site_id group_id is_growing",
        replicas.select("key", pl.col("dataset").cast(pl.Int64) + 1, site_key, nobody, pl.lit("f").alias("is_growing")),
    )
    rows = _with_key(snapshot.block_replicas)
    sites = replicas["site"].gather(rows["replica"]).cast(pl.Int64) + 1
    group = pl.when(pl.col("group") >= 0).then(pl.col("group").cast(pl.Int64) + 1)
    _copy(
        BlockReplica,
        "id dataset_replica_id block_id site_id group_id size_bytes num_files is_custodial last_update",
        rows.with_columns(site=sites).select(
            "key",
            pl.col("replica").cast(pl.Int64) + 1,
            pl.col("block").cast(pl.Int64) + 1,
            "site",
            group.alias("owner"),
            "size",
            "num_files",
            pl.lit("f"),
            _time("last_update"),
        ),
    )


def _facts(datasets: pl.DataFrame) -> None:
    booleans = ("tape_copy_requested", "on_protected_site", "unhandled_copy_exists")
    flags = [pl.when(pl.col(name)).then(pl.lit("t")).otherwise(pl.lit("f")).alias(name) for name in booleans]
    columns = f"dataset_id usage_rank num_accesses {' '.join(booleans)}"
    _copy(DatasetFacts, columns, datasets.select("key", "usage_rank", "num_access", *flags))


def _with_key(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_row_index("key", offset=1)


def _time(column: str) -> pl.Expr:
    return pl.from_epoch(pl.col(column).cast(pl.Int64), time_unit="s").dt.replace_time_zone("UTC").alias("at")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def _copy(model: type[models.Model], columns: str, rows: pl.DataFrame) -> None:
    """Write *rows*, whose columns are those named in *columns* in that order, into the table of *model*."""
    names: Sequence[str] = columns.split()
    with connection.cursor() as cursor:
        statement = f'COPY "{model._meta.db_table}" ({", ".join(names)}) FROM STDIN'
        with cursor.copy(statement) as copy:
            lines: Iterable[tuple[Any, ...]] = rows.iter_rows()
            for line in lines:
                copy.write_row(line)
