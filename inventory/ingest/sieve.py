"""Records that say what is there already, found before anything is built for them: what makes a repeated injection cheap.

On PostgreSQL the files of a block come back as one text and the block replicas of a dataset replica as one row, so that a
million of each cost a hundred thousand rows. A record passes only if taking it would change nothing and refuse nothing; whatever
is not plain goes the long way, which decides.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from django.db import connection
from msgspec import UNSET

from inventory.ingest.batch import DATASET_COLUMNS, askable
from inventory.ingest.datasets import release_of
from inventory.ingest.places import Places
from inventory.ingest.reading import rows_of
from inventory.ingest.records import BlockRecord, DatasetRecord, DatasetReplicaRecord, FileRecord, moment
from inventory.ingest.rows import Counts, DatasetRow
from inventory.models import Dataset

_MICROSECONDS = 10**6
_ROWS_AT_ONCE = 500

# Only what the records name is read, and the listing only of a block that has as many files as its record: what is held in memory
# is bounded by the records, however large their datasets are.
_BLOCKS = """
    SELECT block.dataset_id, block.id, block.name, block.size_bytes, block.num_files, block.is_open, block.last_update,
           file.listing
    FROM unnest(string_to_array(%s, ',')::bigint[], string_to_array(%s, E'\\n'), string_to_array(%s, ',')::int[])
        AS named (dataset_id, name, num_files)
    JOIN inventory_block AS block ON block.dataset_id = named.dataset_id AND block.name = named.name
    LEFT JOIN LATERAL (
        SELECT string_agg(lfn || E'\\t' || size_bytes || E'\\t' || checksum, E'\\n' ORDER BY lfn COLLATE "C") AS listing
        FROM inventory_file WHERE block_id = block.id
    ) AS file ON block.num_files = named.num_files
"""
_REPLICAS = """
    SELECT replica.dataset_id, replica.site_id, replica.group_id, replica.is_growing, part.*
    FROM unnest(string_to_array(%s, ',')::bigint[], string_to_array(%s, ',')::bigint[]) AS named (dataset_id, site_id)
    JOIN inventory_datasetreplica AS replica ON replica.dataset_id = named.dataset_id AND replica.site_id = named.site_id
    LEFT JOIN LATERAL (
        SELECT array_agg(block_id), array_agg(group_id), array_agg(size_bytes), array_agg(num_files), array_agg(is_custodial),
               array_agg((extract(epoch FROM last_update) * 1000000)::bigint)
        FROM inventory_blockreplica WHERE dataset_replica_id = replica.id
    ) AS part ON true
"""
#: In place of a number of files that no block has: its listing is not asked for.
_NO_FILES = -1


@dataclass(slots=True)
class Known:
    """A dataset as it is: ``blocks`` by name are (key, bytes, files, open, last update, listing of the files)."""

    row: DatasetRow
    blocks: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    replicas: dict[int, tuple[Any, ...]] = field(default_factory=dict)


def look(records: Sequence[Any], places: Places) -> dict[str, Known]:
    """Return the datasets that *records* name, as far as they exist, with those of their blocks and replicas that are named.

    Asks the database; `sieve` does the rest.
    """
    names = {record.name if isinstance(record, DatasetRecord) else record.dataset for record in records}
    known = {row[1]: Known(DatasetRow(*row)) for row in rows_of(Dataset, DATASET_COLUMNS, key="name", values=askable(names))}
    if not known:
        return known
    blocks: dict[tuple[int, str], int] = {}
    replicas: set[tuple[int, int]] = set()
    for record in records:
        dataset = known.get(record.name if isinstance(record, DatasetRecord) else record.dataset)
        if dataset is None or dataset.row.pk is None:
            continue
        if isinstance(record, DatasetRecord):
            for block in record.blocks:
                blocks[dataset.row.pk, block.name] = _NO_FILES if block.files is UNSET else len(block.files)
        elif isinstance(record, DatasetReplicaRecord):
            replicas.add((dataset.row.pk, places.site_id(record.site, "", [])))
            for part in record.blockreplicas:
                blocks.setdefault((dataset.row.pk, part.block), _NO_FILES)
    _read(known.values(), {key: count for key, count in blocks.items() if key[1].isprintable()}, replicas)
    return known


def sieve(records: Sequence[Any], known: Mapping[str, Known], *, places: Places, counts: Counts) -> list[bool]:
    """Tell of each record whether it is in the inventory as it stands; those that are, are counted.

    *known* is what `look` has found. A replica passes only if the batch changes nothing of its dataset.
    """
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


def _read(datasets: Iterable[Known], blocks: Mapping[tuple[int, str], int], replicas: Collection[tuple[int, int]]) -> None:
    by_pk = {known.row.pk: known for known in datasets}
    # Lists go as one text each: that of ten thousand names takes psycopg longer than all else together.
    pks = ",".join([str(pk) for pk, _ in blocks])
    counts = ",".join(map(str, blocks.values()))
    for row in _rows(_BLOCKS, [pks, "\n".join([name for _, name in blocks]), counts]):
        by_pk[row[0]].blocks[row[2]] = (row[1], *row[3:])
    for row in _rows(_REPLICAS, [",".join([str(pk) for pk, _ in replicas]), ",".join([str(site) for _, site in replicas])]):
        by_pk[row[0]].replicas[row[1]] = row[2:]


def _rows(statement: str, values: list[str]) -> Iterator[tuple[Any, ...]]:
    if not values[0]:
        return
    with connection.wrap_database_errors, psycopg.ServerCursor(connection.connection, "dynamo_sieve") as cursor:
        cursor.execute(statement, values, binary=True)
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield from rows


def _is_same_dataset(known: Known, record: DatasetRecord) -> bool:
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
        (given.size is not UNSET and given.size != size_bytes)
        or (given.num_files is not UNSET and given.num_files != num_files)
        or (given.is_open is not UNSET and given.is_open != is_open)
        or (given.last_update is not UNSET and moment(given.last_update) != last_update)
    ):
        return False
    if given.files is UNSET:
        return True
    if len(given.files) != num_files or not num_files:
        return False
    # As it stands in nearly all documents; only what differs so is looked at more closely.
    lines = [f"{file.name}\t{file.size}\tadler32:{file.adler32}" for file in given.files if file.checksum is UNSET]
    lines.sort()
    return bool("\n".join(lines) == listing or _listing(given.files) == listing)


def _listing(files: Sequence[FileRecord]) -> str:
    """Return the files as the database would list them; nothing for what is not plain."""
    lines = []
    for file in files:
        if file.adler32 is UNSET:
            lines.append(f"{file.name}\t{file.size}\t{'' if file.checksum is UNSET else file.checksum}")
        elif file.checksum is UNSET:
            lines.append(f"{file.name}\t{file.size}\tadler32:{file.adler32.lower().zfill(8)}")
        else:
            return ""
    return "\n".join(sorted(lines))


def _is_same_replica(known: Known, record: DatasetReplicaRecord, places: Places) -> bool:
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
