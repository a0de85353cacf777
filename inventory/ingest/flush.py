"""A batch into the database: what is new or changed of it, table by table, each after those that it points to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Count, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce
from msgspec import UNSET

from inventory.ingest.ahead import Ahead, AtOnce, Writer
from inventory.ingest.batch import Batch
from inventory.ingest.reading import rows_of
from inventory.ingest.records import DatasetRecord, DatasetReplicaRecord
from inventory.ingest.rows import BlockReplicaRow, BlockRow, DatasetRow, FileRow, ReplicaRow
from inventory.ingest.writing import Upsert, draw
from inventory.models import Block, BlockReplica, Dataset, DatasetReplica, File, PresentFile

_DATASET_FIELDS = ("status", "data_type", "release", "is_open", "last_update", "attributes")
_DATASETS = Upsert(Dataset, ("name", "size_bytes", "num_files", "num_blocks", *_DATASET_FIELDS), ("name",), _DATASET_FIELDS)
_BLOCK_FIELDS = ("size_bytes", "num_files", "is_open", "last_update")
_BLOCKS = Upsert(Block, ("dataset_id", "name", *_BLOCK_FIELDS), ("dataset_id", "name"), _BLOCK_FIELDS)
_FILES = Upsert(File, ("block_id", "lfn", "size_bytes", "checksum"), ("lfn",), ("size_bytes", "checksum"))
_REPLICAS = Upsert(
    DatasetReplica, ("dataset_id", "site_id", "group_id", "is_growing"), ("dataset_id", "site_id"), ("group_id", "is_growing")
)
_PART_FIELDS = ("dataset_replica_id", "group_id", "size_bytes", "num_files", "is_custodial", "last_update")
_PARTS = Upsert(BlockReplica, ("block_id", "site_id", *_PART_FIELDS), ("block_id", "site_id"), _PART_FIELDS)
_PRESENT = Upsert(PresentFile, ("block_replica_id", "file_id"), ("block_replica_id", "file_id"), ())
_KEYS_PER_QUERY = 5000

#: Rows that are held as text until they can be sent; a portion that is one very large record is sent as it is made up.
_ROWS_MADE_UP = 100_000


class FileIsKnown(Exception):
    """A file that was taken for new is known already, in another block; nothing of the batch was written."""


def flush(batch: Batch) -> None:
    """Write the datasets, blocks, files and replicas of *batch* that are new or changed, and bring the sums up to date.

    Raises ``FileIsKnown`` for a batch that did not look for its files; then the caller fills another one that does.
    """
    try:
        with transaction.atomic(savepoint=not batch.looks_for_files):
            if batch.made_up is None:
                _flush(batch, AtOnce())
            else:
                batch.made_up.carry_out()
    except IntegrityError as error:
        if batch.looks_for_files:
            raise
        raise FileIsKnown from error


def keys_of(records: Sequence[Any]) -> Mapping[Upsert, Sequence[int]]:
    """Draw keys for all rows that *records* may bring, on PostgreSQL; none at all for more rows than `make_up` may hold.

    Those of a record that is rejected are lost, as a transaction's that is taken back.
    """
    blocks = [block for record in records if isinstance(record, DatasetRecord) for block in record.blocks]
    replicas = [record for record in records if isinstance(record, DatasetReplicaRecord)]
    numbers = {
        _DATASETS: sum([isinstance(record, DatasetRecord) for record in records]),
        _BLOCKS: len(blocks),
        _FILES: sum([len(block.files) for block in blocks if block.files is not UNSET]),
        _REPLICAS: len(replicas),
        _PARTS: sum([len(record.blockreplicas) for record in replicas]),
    }
    if sum(numbers.values()) > _ROWS_MADE_UP:
        return {}
    return draw(numbers)


def make_up(batch: Batch, keys: Mapping[Upsert, Sequence[int]]) -> None:
    """Do all of `flush` that asks nothing of the database, for a batch of datasets that are all new; *keys* are for its rows."""
    batch.made_up = Ahead(keys)
    _flush(batch, batch.made_up)
    # Sent as they were made up: nobody needs the rows any more.
    batch.forget_rows()


def _flush(batch: Batch, writer: Writer) -> None:
    fresh = _flush_datasets(batch, writer)
    for table, rows in (("blocks", batch.touched_blocks), ("block replicas", batch.touched_block_replicas)):
        batch.counts.add(table, "bytes", sum([row.size_bytes - row.bytes_before for row in rows]))
    _keep_what_was_complete(batch)
    _flush_blocks(batch, writer)
    _flush_files(batch, writer)
    _flush_replicas(batch, writer)
    _flush_block_replicas(batch, writer)
    changed = {block.dataset.pk for block in batch.touched_blocks if block.is_dirty or block.gains_files}
    _sum_up(pk for pk in changed - fresh if pk is not None)


def _flush_datasets(batch: Batch, writer: Writer) -> set[int | None]:
    """Write the datasets; return the keys of new ones, whose sums are right from the start: all their blocks are in the batch."""
    new = [row for row in batch.datasets.values() if row.is_new]
    sums = {row.name: [0, 0, 0] for row in new}
    for block in batch.touched_blocks:
        if block.dataset.is_new:
            of = sums[block.dataset.name]
            of[0] += block.size_bytes
            of[1] += block.num_files
            of[2] += 1
    pks = writer.create(_DATASETS, [(row.name, *sums[row.name], *_values(row, _DATASET_FIELDS)) for row in new])
    for row, pk in zip(new, pks, strict=True):
        row.pk = pk
    fresh: set[int | None] = set(pks)
    _change(_DATASETS, [row for row in batch.datasets.values() if row.is_dirty and row.pk not in fresh], _dataset_values)
    return fresh


def _change(table: Upsert, rows: Sequence[Any], values: Callable[[Any], tuple[Any, ...]]) -> None:
    table.change([row.pk for row in rows], [values(row) for row in rows])


def _values(row: Any, names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(getattr(row, name) for name in names)


def _dataset_values(row: DatasetRow) -> tuple[Any, ...]:
    return (row.name, 0, 0, 0, *_values(row, _DATASET_FIELDS))


def _keep_what_was_complete(batch: Batch) -> None:
    """Note which files replicas have that were complete until now, and are no longer because their block gains files."""
    grown = [block.pk for block in batch.touched_blocks if block.gains_files and block.pk is not None]
    if not grown:
        return
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


def _flush_blocks(batch: Batch, writer: Writer) -> None:
    new = [row for row in batch.touched_blocks if row.is_new]
    _change(_BLOCKS, [row for row in batch.touched_blocks if row.is_dirty and not row.is_new], _block_values)
    for row, pk in zip(new, writer.create(_BLOCKS, [_block_values(row) for row in new]), strict=True):
        row.pk = pk
        row.is_dirty = True  # the sums of its dataset change


def _block_values(row: BlockRow) -> tuple[Any, ...]:
    return (row.dataset.pk, row.name, row.size_bytes, row.num_files, row.is_open, row.last_update)


def _flush_files(batch: Batch, writer: Writer) -> None:
    for row in batch.touched_files:
        if row.block is not None:
            row.block_pk = row.block.pk
    new = [row for row in batch.touched_files if row.pk is None]
    _change(_FILES, [row for row in batch.touched_files if row.pk is not None], _file_values)
    for row, pk in zip(new, writer.create(_FILES, [_file_values(row) for row in new]), strict=True):
        row.pk = pk


def _file_values(row: FileRow) -> tuple[Any, ...]:
    return (row.block_pk, row.lfn, row.size_bytes, row.checksum)


def _flush_replicas(batch: Batch, writer: Writer) -> None:
    new = [row for row in batch.touched_replicas if row.is_new]
    _change(_REPLICAS, [row for row in batch.touched_replicas if row.is_dirty and not row.is_new], _replica_values)
    for row, pk in zip(new, writer.create(_REPLICAS, [_replica_values(row) for row in new]), strict=True):
        row.pk = pk


def _replica_values(row: ReplicaRow) -> tuple[Any, ...]:
    return (row.dataset.pk, row.site_id, row.group_id, row.is_growing)


def _flush_block_replicas(batch: Batch, writer: Writer) -> None:
    listing = _different_listings(batch.touched_block_replicas)
    for row in listing.values():
        row.is_dirty = True
    new = [row for row in batch.touched_block_replicas if row.pk is None]
    changed = [row for row in batch.touched_block_replicas if row.is_dirty and row.pk is not None]
    batch.counts.add("block replicas", "created", len(new))
    batch.counts.add("block replicas", "changed", len(changed))
    batch.counts.add("block replicas", "unchanged", len(batch.touched_block_replicas) - len(new) - len(changed))
    _change(_PARTS, changed, _part_values)
    known = [row.pk for row in listing.values() if not row.is_new]
    for row, pk in zip(new, writer.create(_PARTS, [_part_values(row) for row in new]), strict=True):
        row.pk = pk
    for some in _chunks(known):
        PresentFile.objects.filter(block_replica_id__in=some).delete()
    present = [(row.pk, file.pk) for row in listing.values() for file in row.present or ()]
    if present:
        writer.add(_PRESENT, present)


def _part_values(row: BlockReplicaRow) -> tuple[Any, ...]:
    return (
        row.block.pk,
        row.replica.site_id,
        row.replica.pk,
        row.group_id,
        row.size_bytes,
        row.num_files,
        row.is_custodial,
        row.last_update,
    )


def _different_listings(parts: Sequence[BlockReplicaRow]) -> dict[int, BlockReplicaRow]:
    """Return the block replicas whose recorded present files are not those wanted, by ``id``."""
    known = {row.pk: row for row in parts if row.present is not None and not row.is_new and not row.stays_complete}
    recorded: dict[int | None, set[int]] = {}
    for pk, file_pk in rows_of(PresentFile, ("block_replica_id", "file_id"), key="block_replica_id", values=known):
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


def check_references() -> None:
    """Let PostgreSQL check now that what the written rows refer to is there, instead of all of it at the end.

    The end of a large document would else take three quarters of its time, in which nobody sees how far it is. Outside of the
    batch's savepoint: the locks that this takes on rows of other tables then belong to one transaction, not to hundreds.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


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
