"""A batch into the database: what is new or changed of it, table by table, each after those that it points to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from django.db import connection
from django.db.models import Count, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from inventory.ingest.batch import Batch
from inventory.ingest.rows import BlockReplicaRow
from inventory.ingest.writing import Upsert
from inventory.models import Block, BlockReplica, Dataset, DatasetReplica, File, PresentFile

_DATASET_FIELDS = ("status", "data_type", "release", "is_open", "last_update", "attributes")
_DATASETS = Upsert(Dataset, ("name", *_DATASET_FIELDS, "size_bytes", "num_files", "num_blocks"), ("name",), _DATASET_FIELDS)
_BLOCK_FIELDS = ("size_bytes", "num_files", "is_open", "last_update")
_BLOCKS = Upsert(Block, ("dataset_id", "name", *_BLOCK_FIELDS), ("dataset_id", "name"), _BLOCK_FIELDS)
_FILES = Upsert(File, ("block_id", "lfn", "size_bytes", "checksum"), ("lfn",), ("size_bytes", "checksum"))
_REPLICAS = Upsert(
    DatasetReplica, ("dataset_id", "site_id", "group_id", "is_growing"), ("dataset_id", "site_id"), ("group_id", "is_growing")
)
_PART_FIELDS = ("group_id", "size_bytes", "num_files", "is_custodial", "last_update")
_PARTS = Upsert(
    BlockReplica,
    ("dataset_replica_id", "block_id", "site_id", *_PART_FIELDS),
    ("block_id", "site_id"),
    ("dataset_replica_id", *_PART_FIELDS),
)
_PRESENT = Upsert(PresentFile, ("block_replica_id", "file_id"), ("block_replica_id", "file_id"), ())
_KEYS_PER_QUERY = 5000


def flush(batch: Batch) -> None:
    """Write the datasets, blocks, files and replicas of *batch* that are new or changed, and bring the sums up to date."""
    _flush_datasets(batch)
    _keep_what_was_complete(batch)
    _flush_blocks(batch)
    _flush_files(batch)
    _flush_replicas(batch)
    _flush_block_replicas(batch)
    changed = {block.dataset.pk for block in batch.touched_blocks if block.is_dirty or block.gains_files}
    _sum_up(pk for pk in changed if pk is not None)


def _flush_datasets(batch: Batch) -> None:
    dirty = [row for row in batch.datasets.values() if row.is_new or row.is_dirty]
    rows = [(row.name, *(getattr(row, name) for name in _DATASET_FIELDS), 0, 0, 0) for row in dirty]
    keys = _DATASETS.write(rows, want_keys=any(row.is_new for row in dirty))
    for row in dirty:
        if row.is_new:
            row.pk = keys[row.name,]


def _keep_what_was_complete(batch: Batch) -> None:
    """Note which files replicas have that were complete until now, and are no longer because their block gains files."""
    grown = [block.pk for block in batch.touched_blocks if block.gains_files and block.pk is not None]
    statement = """
        INSERT INTO inventory_presentfile (block_replica_id, file_id)
        SELECT part.id, file.id
        FROM inventory_blockreplica AS part
        JOIN inventory_block AS block ON block.id = part.block_id
        JOIN inventory_file AS file ON file.block_id = block.id
        WHERE part.size_bytes = block.size_bytes AND part.num_files = block.num_files AND block.id IN ({})
        ON CONFLICT (block_replica_id, file_id) DO NOTHING
    """
    with connection.cursor() as cursor:
        for some in _chunks(grown):
            cursor.execute(statement.format(", ".join(["%s"] * len(some))), some)


def _flush_blocks(batch: Batch) -> None:
    dirty = [row for row in batch.touched_blocks if row.is_new or row.is_dirty]
    rows = [(row.dataset.pk, row.name, *(getattr(row, name) for name in _BLOCK_FIELDS)) for row in dirty]
    keys = _BLOCKS.write(rows, want_keys=any(row.is_new for row in dirty))
    for row in dirty:
        if row.is_new:
            row.pk = keys[row.dataset.pk, row.name]
            row.is_dirty = True  # the sums of its dataset change


def _flush_files(batch: Batch) -> None:
    rows = []
    for row in batch.touched_files:
        row.block_pk = row.block.pk if row.block is not None else row.block_pk
        rows.append((row.block_pk, row.lfn, row.size_bytes, row.checksum))
    needed = any(part.present for part in batch.touched_block_replicas)
    keys = _FILES.write(rows, want_keys=needed)
    if needed:
        for row in batch.touched_files:
            row.pk = keys[row.lfn,]


def _flush_replicas(batch: Batch) -> None:
    dirty = [row for row in batch.touched_replicas if row.is_new or row.is_dirty]
    rows = [(row.dataset.pk, row.site_id, row.group_id, row.is_growing) for row in dirty]
    keys = _REPLICAS.write(rows, want_keys=any(row.is_new for row in dirty))
    for row in dirty:
        if row.is_new:
            row.pk = keys[row.dataset.pk, row.site_id]


def _flush_block_replicas(batch: Batch) -> None:
    listing = _different_listings(batch.touched_block_replicas)
    rows = []
    for row in batch.touched_block_replicas:
        row.is_dirty = row.is_dirty or id(row) in listing
        batch.counts.row("block replicas", row)
        if row.is_new or row.is_dirty:
            fields = (getattr(row, name) for name in _PART_FIELDS)
            rows.append((row.replica.pk, row.block.pk, row.replica.site_id, *fields))
    is_listing_new = any(row.is_new for row in listing.values())
    keys = _PARTS.write(rows, want_keys=is_listing_new)
    for row in listing.values():
        if row.is_new:
            row.pk = keys[row.block.pk, row.replica.site_id]
    for some in _chunks(row.pk for row in listing.values()):
        PresentFile.objects.filter(block_replica_id__in=some).delete()
    _PRESENT.write([(row.pk, file.pk) for row in listing.values() for file in row.present or ()])


def _different_listings(parts: Sequence[BlockReplicaRow]) -> dict[int, BlockReplicaRow]:
    """Return the block replicas whose recorded present files are not those wanted, by ``id``."""
    known = {row.pk: row for row in parts if row.present is not None and not row.is_new}
    recorded: dict[int | None, set[int]] = {}
    for some in _chunks(known):
        pairs = PresentFile.objects.filter(block_replica_id__in=some).order_by()
        for pk, file_pk in pairs.values_list("block_replica_id", "file_id").iterator(chunk_size=5000):
            recorded.setdefault(pk, set()).add(file_pk)
    different = {id(row): row for row in parts if row.is_new and row.present}
    for row in known.values():
        if {file.pk for file in row.present or ()} != recorded.get(row.pk, set()):
            different[id(row)] = row
    return different


def _sum_up(dataset_pks: Iterable[int]) -> None:
    """Bring size, number of files and number of blocks of these datasets up to date with their blocks."""
    for some in _chunks(sorted(dataset_pks)):
        blocks = Block.objects.filter(dataset_id=OuterRef("pk")).order_by().values("dataset_id")
        Dataset.objects.filter(pk__in=some).update(
            size_bytes=Coalesce(Subquery(blocks.annotate(all=Sum("size_bytes")).values("all")), 0),
            num_files=Coalesce(Subquery(blocks.annotate(all=Sum("num_files")).values("all")), 0),
            num_blocks=Coalesce(Subquery(blocks.annotate(all=Count("pk")).values("all")), 0),
        )


def refresh_statistics() -> None:
    """Let PostgreSQL's planner know how large the tables are now, inside the running transaction."""
    if connection.vendor != "postgresql":
        return
    tables = (model._meta.db_table for model in (Dataset, Block, File, DatasetReplica, BlockReplica, PresentFile))
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {', '.join(connection.ops.quote_name(table) for table in tables)}")


def _chunks(values: Iterable[Any]) -> Iterator[list[Any]]:
    rest = iter(values)
    while some := list(islice(rest, _KEYS_PER_QUERY)):
        yield some
