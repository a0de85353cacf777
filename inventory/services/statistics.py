"""Sums up the inventory, so that statistics of tens of millions of replicas open at once and say of which moment they are."""

from __future__ import annotations

import logging
import time

from django.db import connection, transaction
from django.utils import timezone

from inventory.models import CountedDataset, IncompleteCopy, StatisticsCell, StatisticsCount, StatisticsUnique

logger = logging.getLogger(__name__)

_TEMPORARY = ("statistics_copies", "statistics_blocks", "statistics_whole")
_KIND = "d.tier, d.status, d.data_type, COALESCE(d.release, '')"

_COPIES = """
    CREATE TEMPORARY TABLE statistics_copies AS
    SELECT r.dataset_replica_id, r.group_id, SUM(r.size_bytes) AS size_bytes, SUM(r.num_files) AS num_files,
           SUM(b.size_bytes) AS whole_bytes, SUM(b.num_files) AS whole_files, COUNT(*) AS num_blocks,
           SUM(CASE WHEN r.size_bytes = b.size_bytes AND r.num_files = b.num_files THEN 1 ELSE 0 END) AS num_complete
    FROM inventory_blockreplica r JOIN inventory_block b ON b.id = r.block_id
    GROUP BY r.dataset_replica_id, r.group_id
"""
# What is there and will be there of the blocks that have come, and for growing replicas what is to come besides.
_CELLS = f"""
    INSERT INTO inventory_statisticscell
        (tier, status, data_type, release, site_id, group_id,
         size_bytes, num_files, projected_bytes, projected_files, num_block_replicas)
    SELECT {_KIND}, part.site_id, part.group_id,
           SUM(part.size_bytes), SUM(part.num_files), SUM(part.whole_bytes), SUM(part.whole_files), SUM(part.num_blocks)
    FROM (
        SELECT c.dataset_id, c.site_id, p.group_id, p.size_bytes, p.num_files, p.whole_bytes, p.whole_files, p.num_blocks
        FROM statistics_copies p JOIN inventory_datasetreplica c ON c.id = p.dataset_replica_id
        UNION ALL
        SELECT c.dataset_id, c.site_id, c.group_id, 0, 0,
               g.size_bytes - COALESCE(SUM(p.whole_bytes), 0), g.num_files - COALESCE(SUM(p.whole_files), 0), 0
        FROM inventory_datasetreplica c JOIN inventory_dataset g ON g.id = c.dataset_id
        LEFT JOIN statistics_copies p ON p.dataset_replica_id = c.id
        WHERE c.is_growing
        GROUP BY c.id, c.dataset_id, c.site_id, c.group_id, g.size_bytes, g.num_files
    ) part JOIN inventory_dataset d ON d.id = part.dataset_id
    GROUP BY {_KIND}, part.site_id, part.group_id
"""  # noqa: S608 - no value in it
_UNIQUE = f"""
    INSERT INTO inventory_statisticsunique
        (tier, status, data_type, release, is_any_group, group_id, num_datasets, num_blocks, size_bytes, num_files)
    SELECT {_KIND}, %s, u.group_id, COUNT(*), SUM(u.num_blocks), SUM(u.size_bytes), SUM(u.num_files)
    FROM (
        SELECT b.dataset_id, x.group_id, COUNT(*) AS num_blocks, SUM(b.size_bytes) AS size_bytes, SUM(b.num_files) AS num_files
        FROM (SELECT DISTINCT block_id, {{group}} AS group_id FROM statistics_blocks) x
        JOIN inventory_block b ON b.id = x.block_id GROUP BY b.dataset_id, x.group_id
    ) u JOIN inventory_dataset d ON d.id = u.dataset_id
    GROUP BY {_KIND}, u.group_id
"""  # noqa: S608 - no value in it
_BLOCKS = """
    CREATE TEMPORARY TABLE statistics_blocks AS SELECT DISTINCT block_id, group_id FROM inventory_blockreplica
"""
_WHOLE = """
    CREATE TEMPORARY TABLE statistics_whole AS
    SELECT c.id, c.dataset_id, CASE WHEN COALESCE(SUM(p.num_complete), 0) = d.num_blocks THEN 1 ELSE 0 END AS is_complete
    FROM inventory_datasetreplica c
    JOIN inventory_dataset d ON d.id = c.dataset_id LEFT JOIN statistics_copies p ON p.dataset_replica_id = c.id
    GROUP BY c.id, c.dataset_id, d.num_blocks
"""
_INCOMPLETE = """
    INSERT INTO inventory_incompletecopy (dataset_replica_id) SELECT id FROM statistics_whole WHERE is_complete = 0
"""
# Only what differs is written: most datasets are as they were at the last count.
_COUNTED = """
    INSERT INTO inventory_counteddataset AS old (dataset_id, num_copies, num_complete_copies)
    SELECT d.id, COUNT(w.id), COALESCE(SUM(w.is_complete), 0)
    FROM inventory_dataset d LEFT JOIN statistics_whole w ON w.dataset_id = d.id WHERE true GROUP BY d.id
    ON CONFLICT (dataset_id) DO UPDATE
    SET num_copies = EXCLUDED.num_copies, num_complete_copies = EXCLUDED.num_complete_copies
    WHERE old.num_copies <> EXCLUDED.num_copies OR old.num_complete_copies <> EXCLUDED.num_complete_copies
"""
_FORGOTTEN = """
    DELETE FROM inventory_counteddataset
    WHERE NOT EXISTS (SELECT 1 FROM inventory_dataset d WHERE d.id = inventory_counteddataset.dataset_id)
"""


def statistics_refresh(*, older_than_seconds: float = 0) -> bool:
    """Sum up the inventory of one moment; return False when the last count is younger than *older_than_seconds*.

    One transaction that reads one moment of the database (PostgreSQL: REPEATABLE READ, unless the caller has a transaction
    open) and locks no row of the inventory: deletions and injections go on beside it. Of two counts at once the later one
    waits. What pages show are the old sums until the new ones are whole.
    """
    begun = time.monotonic()
    is_outermost = not connection.in_atomic_block
    with transaction.atomic():
        if connection.vendor == "postgresql":
            _wait_for_turn(takes_moment=is_outermost)
        now = timezone.now()
        count, _ = StatisticsCount.objects.get_or_create(pk=1)
        if count.counted_at is not None and (now - count.counted_at).total_seconds() < older_than_seconds:
            return False
        _sum_up()
        count.counted_at = now
        count.seconds = time.monotonic() - begun
        count.save(update_fields=["counted_at", "seconds"])
    logger.info("statistics counted in %.1f s", count.seconds, extra={"action": "inventory.statistics_refresh"})
    return True


def _wait_for_turn(*, takes_moment: bool) -> None:
    with connection.cursor() as cursor:
        if takes_moment:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        # Locking a table takes no snapshot: the moment of the inventory is the one after the wait.
        cursor.execute("LOCK TABLE inventory_statisticscount IN EXCLUSIVE MODE")


def _sum_up() -> None:
    for model in (StatisticsCell, StatisticsUnique, IncompleteCopy):
        model._default_manager.all().delete()
    with connection.cursor() as cursor:
        for name in _TEMPORARY:
            cursor.execute(f"DROP TABLE IF EXISTS {name}")
        if connection.vendor == "postgresql":
            # Sums over millions of groups: with the 4 MB that a server gives by default they go by way of the disk.
            cursor.execute("SET LOCAL work_mem = '128MB'")
        cursor.execute(_COPIES)
        cursor.execute(_BLOCKS)
        for name in ("statistics_copies", "statistics_blocks"):
            cursor.execute(f"ANALYZE {name}")
        cursor.execute(_CELLS)
        cursor.execute(_UNIQUE.format(group="group_id"), [False])
        cursor.execute(_UNIQUE.format(group="CAST(NULL AS bigint)"), [True])
        cursor.execute(_WHOLE)
        for statement in (_INCOMPLETE, _COUNTED, _FORGOTTEN):
            cursor.execute(statement)
        for name in _TEMPORARY:
            cursor.execute(f"DROP TABLE {name}")
        # At once, not when autovacuum comes by: until then lists would be planned as if these tables were empty.
        for counted in (StatisticsCell, StatisticsUnique, IncompleteCopy, CountedDataset):
            cursor.execute(f"ANALYZE {counted._meta.db_table}")
