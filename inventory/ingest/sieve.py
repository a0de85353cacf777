"""Records that say what is there already, found before anything is built for them: what makes a repeated injection cheap.

On PostgreSQL the files of a block come back as one text and the block replicas of a dataset replica as one row, so that a
million of each cost a hundred thousand rows. A record passes only if taking it would change nothing and refuse nothing; whatever
is not plain goes the long way, which decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db import connection
from msgspec import UNSET

from inventory.ingest.batch import DATASET_COLUMNS, askable
from inventory.ingest.datasets import release_of
from inventory.ingest.places import Places
from inventory.ingest.reading import rows_of
from inventory.ingest.records import BlockRecord, DatasetRecord, DatasetReplicaRecord, moment
from inventory.ingest.rows import Counts, DatasetRow
from inventory.models import Dataset

_MICROSECONDS = 10**6
#: Larger blocks go the long way: their listings would be held in memory by the hundred.
_FILES_COMPARED = 1_000
_ROWS_AT_ONCE = 100
_DATASETS_AT_ONCE = 2_000

_BLOCKS = """
    SELECT block.dataset_id, block.id, block.name, block.size_bytes, block.num_files, block.is_open, block.last_update,
           file.listing
    FROM inventory_block AS block
    LEFT JOIN LATERAL (
        SELECT string_agg(lfn || E'\\t' || size_bytes || E'\\t' || checksum, E'\\n' ORDER BY lfn COLLATE "C") AS listing
        FROM inventory_file WHERE block_id = block.id
    ) AS file ON block.num_files <= %s
    WHERE block.dataset_id = ANY(%s)
"""
_REPLICAS = """
    SELECT replica.dataset_id, replica.site_id, replica.group_id, replica.is_growing, part.*
    FROM inventory_datasetreplica AS replica
    LEFT JOIN LATERAL (
        SELECT array_agg(block_id), array_agg(group_id), array_agg(size_bytes), array_agg(num_files), array_agg(is_custodial),
               array_agg((extract(epoch FROM last_update) * 1000000)::bigint)
        FROM inventory_blockreplica WHERE dataset_replica_id = replica.id
    ) AS part ON true
    WHERE replica.dataset_id = ANY(%s)
"""


@dataclass(slots=True)
class _Known:
    """A dataset as it is: ``blocks`` by name are (key, bytes, files, open, last update, listing of the files)."""

    row: DatasetRow
    blocks: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    replicas: dict[int, tuple[Any, ...]] = field(default_factory=dict)


def sieve(records: Sequence[Any], *, places: Places, counts: Counts) -> list[bool]:
    """Tell of each record whether it is in the inventory as it stands; those that are, are counted.

    A replica passes only if the batch changes nothing of its dataset.
    """
    wanted = {r.name if isinstance(r, DatasetRecord) else r.dataset for r in records if _is_compared(r)}
    known = {row[1]: _Known(DatasetRow(*row)) for row in _datasets(wanted)}
    _read(known.values())
    passed = [False] * len(records)
    changing: set[str] = set()
    for place, record in enumerate(records):
        if isinstance(record, DatasetRecord):
            dataset = known.get(record.name)
            passed[place] = dataset is not None and _is_same_dataset(dataset, record)
            if passed[place]:
                _count(counts, record)
            else:
                changing.add(record.name)
    for place, record in enumerate(records):
        if isinstance(record, DatasetReplicaRecord) and record.dataset not in changing:
            dataset = known.get(record.dataset)
            passed[place] = dataset is not None and _is_same_replica(dataset, record, places)
            if passed[place]:
                counts.add("dataset replicas", "unchanged")
                counts.add("block replicas", "unchanged", len(record.blockreplicas))
    return passed


def _is_compared(record: Any) -> bool:
    return isinstance(record, DatasetRecord | DatasetReplicaRecord)


def _datasets(names: set[str]) -> Iterator[tuple[Any, ...]]:
    return rows_of(Dataset, DATASET_COLUMNS, key="name", values=askable(names))


def _read(datasets: Iterable[_Known]) -> None:
    by_pk = {known.row.pk: known for known in datasets}
    pks = sorted(pk for pk in by_pk if pk is not None)
    for start in range(0, len(pks), _DATASETS_AT_ONCE):
        some = pks[start : start + _DATASETS_AT_ONCE]
        for dataset_pk, pk, name, *rest in _rows(_BLOCKS, [_FILES_COMPARED, some]):
            by_pk[dataset_pk].blocks[name] = (pk, *rest)
        for dataset_pk, site_pk, *rest in _rows(_REPLICAS, [some]):
            by_pk[dataset_pk].replicas[site_pk] = tuple(rest)


def _rows(statement: str, values: list[Any]) -> Iterator[tuple[Any, ...]]:
    with connection.wrap_database_errors, psycopg.ServerCursor(connection.connection, "dynamo_sieve") as cursor:
        cursor.execute(statement, values, binary=True)
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield from rows


def _is_same_dataset(known: _Known, record: DatasetRecord) -> bool:
    row = known.row
    if (
        (record.status is not UNSET and record.status.upper() != row.status)
        or record.data_type not in {UNSET, row.data_type}
        or record.is_open not in {UNSET, row.is_open}
        or (record.last_update is not UNSET and moment(record.last_update) != row.last_update)
        or (record.attributes is not UNSET and record.attributes != row.attributes)
    ):
        return False
    if record.software_version is not UNSET:
        problems: list[Any] = []
        if release_of(record, problems) != row.release or problems:
            return False
    if len({block.name for block in record.blocks}) < len(record.blocks):
        return False
    return all(_is_same_block(known.blocks.get(block.name), block) for block in record.blocks)


def _is_same_block(known: tuple[Any, ...] | None, given: BlockRecord) -> bool:
    if known is None:
        return False
    _, size_bytes, num_files, is_open, last_update, listing = known
    if (
        given.size not in {UNSET, size_bytes}
        or given.num_files not in {UNSET, num_files}
        or given.is_open not in {UNSET, is_open}
        or (given.last_update is not UNSET and moment(given.last_update) != last_update)
    ):
        return False
    if given.files is UNSET:
        return True
    if len(given.files) != num_files or not num_files:
        return False
    lines = []
    for file in given.files:
        if file.adler32 is UNSET:
            lines.append(f"{file.name}\t{file.size}\t{'' if file.checksum is UNSET else file.checksum}")
        elif file.checksum is UNSET:
            lines.append(f"{file.name}\t{file.size}\tadler32:{file.adler32.lower().zfill(8)}")
        else:
            return False
    lines.sort()
    return bool("\n".join(lines) == listing)


def _is_same_replica(known: _Known, record: DatasetReplicaRecord, places: Places) -> bool:
    problems: list[Any] = []
    found = known.replicas.get(places.site_id(record.site, "", problems))
    if found is None or problems:
        return False
    group_id, is_growing, block_pks, *columns = found
    given_group: Any = UNSET if record.group is UNSET else places.group_id(record.group, "", problems)
    if problems or given_group not in {UNSET, group_id} or record.growing not in {UNSET, is_growing}:
        return False
    parts = dict(zip(block_pks or (), zip(*(column or () for column in columns), strict=True), strict=True))
    for given in record.blockreplicas:
        block = known.blocks.get(given.block)
        # Taken out, so that a block that is named twice is not found again.
        part = parts.pop(block[0], None) if block is not None else None
        if block is None or part is None or given.files is not UNSET:
            return False
        group, size_bytes, num_files, is_custodial, last_update = part
        if given.size is UNSET and given.num_files is UNSET:
            if size_bytes != block[1] or num_files != block[2]:
                return False
        elif given.size != size_bytes or given.num_files != num_files or not num_files:
            return False
        wanted = given_group if given.group is UNSET else places.group_id(given.group, "", problems)
        if wanted is not UNSET and wanted != group:
            return False
        if given.is_custodial is not UNSET and given.is_custodial != is_custodial:
            return False
        if given.last_update is not UNSET and given.last_update * _MICROSECONDS != last_update:
            return False
    return not problems


def _count(counts: Counts, record: DatasetRecord) -> None:
    counts.add("datasets", "unchanged")
    counts.add("blocks", "unchanged", len(record.blocks))
    counts.add("files", "unchanged", sum(len(block.files) for block in record.blocks if block.files is not UNSET))
