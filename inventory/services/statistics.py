"""Sums up the inventory, so that statistics of tens of millions of replicas open at once and say of which moment they are."""

from __future__ import annotations

import logging
import time
from typing import Any

import polars as pl
from django.db import connection, models, transaction
from django.utils import timezone

from inventory.models import CountedDataset, CountedPlace, IncompleteCopy, StatisticsCell, StatisticsCount, StatisticsUnique
from inventory.selectors.counting import CELL_SUMS, KIND, UNIQUE_SUMS, Counted, count_inventory
from inventory.selectors.reading import consistent_reader

logger = logging.getLogger(__name__)

#: Rows per statement on SQLite.
_BATCH_ROWS = 10_000

#: What COPY reads as null; texts stand in quotes and are never taken for it.
_NULL = "\\N"


def statistics_refresh(*, older_than_seconds: float = 0) -> bool:
    """Sum up the inventory of one moment; return False when the last count is younger than *older_than_seconds*.

    The inventory is read in one transaction (PostgreSQL: REPEATABLE READ, READ ONLY) that locks no row of it: deletions and
    injections go on beside it. The sums are written in another; of two counts at once the one of the later moment stays, and
    the other one returns False. What pages show are the old sums until the new ones are whole.
    """
    begun, now = time.monotonic(), timezone.now()
    last = StatisticsCount.objects.filter(pk=1).values_list("counted_at", flat=True).first()
    if last is not None and (now - last).total_seconds() < older_than_seconds:
        return False
    with consistent_reader() as reader:
        counted = count_inventory(reader)
    with transaction.atomic():
        StatisticsCount.objects.get_or_create(pk=1)
        count = StatisticsCount.objects.select_for_update().get(pk=1)
        if count.counted_at is not None and count.counted_at > now:
            return False
        _write(counted)
        count.counted_at = now
        count.seconds = time.monotonic() - begun
        count.save(update_fields=["counted_at", "seconds"])
    logger.info("statistics counted in %.1f s", count.seconds, extra={"action": "inventory.statistics_refresh"})
    return True


def _write(counted: Counted) -> None:
    for model in (StatisticsCell, StatisticsUnique, CountedPlace):
        model._default_manager.all().delete()
    kind = list(KIND)
    _insert(StatisticsCell, counted.cells.select(*kind, site_id="site", group_id="group", **{name: name for name in CELL_SUMS}))
    unique = counted.unique.select(*kind, "is_any_group", group_id="group", **{name: name for name in UNIQUE_SUMS})
    _insert(StatisticsUnique, unique)
    places = counted.cells.group_by("tier", "status", "site", "group").agg(pl.col("num_block_replicas").sum())
    _insert(CountedPlace, places.select("tier", "status", "num_block_replicas", site_id="site", group_id="group"))
    # Only what differs is written: most datasets and replicas are as they were at the last count.
    _renew(CountedDataset, counted.copies)
    _renew(IncompleteCopy, counted.incomplete.rename({"copy": "dataset_replica_id"}))
    # At once, not when autovacuum comes by: until then lists would be planned as if these tables were empty.
    with connection.cursor() as cursor:
        for table in (StatisticsCell, StatisticsUnique, CountedPlace, IncompleteCopy, CountedDataset):
            cursor.execute(f"ANALYZE {table._meta.db_table}")


def _renew(model: type[models.Model], rows: pl.DataFrame) -> None:
    """Make the table of *model* hold *rows*, the first column of which is its key, and nothing else."""
    key = rows.columns[0]
    present = pl.DataFrame(
        list(model._default_manager.order_by().values_list(*rows.columns)),
        schema=dict.fromkeys(rows.columns, pl.Int64),
        orient="row",
    )
    is_new = rows.join(present, on=rows.columns, how="anti")
    gone = present.join(rows, on=rows.columns, how="anti")[key].to_list()
    for start in range(0, len(gone), _BATCH_ROWS):
        model._default_manager.filter(pk__in=gone[start : start + _BATCH_ROWS])._raw_delete(connection.alias)
    _insert(model, is_new)


def _insert(model: type[models.Model], rows: pl.DataFrame) -> None:
    """Add *rows*, whose columns are called as those of the table: by COPY on PostgreSQL."""
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(connection.ops.quote_name(name) for name in rows.columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN (FORMAT csv, NULL '{_NULL}')") as copy:
                for some in rows.iter_slices(_BATCH_ROWS * 10):
                    copy.write(some.write_csv(include_header=False, null_value=_NULL, quote_style="non_numeric"))
            return
        places: Any = ", ".join(["%s"] * rows.width)
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", rows.rows())  # noqa: S608 - names of our own
