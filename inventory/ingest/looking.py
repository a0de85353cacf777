"""What PostgreSQL knows of the datasets that some records name, in as few rows as there are datasets and dataset replicas.

Whatever has one value per block, file or block replica comes as one text per dataset or dataset replica, each with one line for
each: made by the database, and compared with such a text made of the records, a million rows cost a hundred thousand.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import psycopg
from django.db import connection
from msgspec import UNSET

from inventory.ingest.batch import DATASET_COLUMNS, askable
from inventory.ingest.places import Places
from inventory.ingest.reading import rows_of
from inventory.ingest.records import DatasetRecord, DatasetReplicaRecord, dataset_name
from inventory.ingest.rows import DatasetRow
from inventory.models import Dataset

_ROWS_AT_ONCE = 500


def escaped(column: str) -> str:
    """Return what writes a text as JSON without its quotes, sooner than ``to_json``: no text of ours has control characters."""
    return rf"""replace(replace({column}, '\', '\\'), '"', '\"')"""


#: Writes a file as the list of a record has it.
FILE_AS_TEXT = f"""'{{"name":"' || {escaped("lfn")} || '","size":' || size_bytes || CASE
    WHEN checksum = '' THEN '}}'
    WHEN left(checksum, 8) = 'adler32:' THEN ',"adler32":"' || substr(checksum, 9) || '"}}'
    ELSE ',"checksum":"' || {escaped("checksum")} || '"}}' END"""
# Only what the records name is read, and the listing only of a block that has as many files as its record: what is held in memory
# is bounded by the records, however large their datasets are. Blocks come in the order in which they are named, the rest in that
# in which it was written: mostly that of the document. Names hold no control characters (`name_problem`, `lfn_problem`). OFFSET 0
# keeps the planner from reading a whole table for the blocks of one portion.
_BLOCKS = f"""
    SELECT dataset_id, string_agg(name, E'\\n'), string_agg(id::text, E'\\n'),
           string_agg(size_bytes || E'\\t' || num_files, E'\\n'), string_agg(is_open::int::text, E'\\n'),
           string_agg(updated::text, E'\\n'), string_agg(listing, E'\\n')
    FROM (
        SELECT block.*, (extract(epoch FROM block.last_update) * 1000000)::bigint AS updated,
               coalesce('[' || file.listing || ']', '') AS listing
        FROM unnest(string_to_array(%s, ',')::bigint[], string_to_array(%s, E'\\n'), string_to_array(%s, ',')::int[])
            WITH ORDINALITY AS named (dataset_id, name, num_files, place)
        CROSS JOIN LATERAL (
            SELECT * FROM inventory_block WHERE dataset_id = named.dataset_id AND name = named.name OFFSET 0
        ) AS block
        LEFT JOIN LATERAL (
            SELECT string_agg({FILE_AS_TEXT}, ',' ORDER BY id) AS listing
            FROM inventory_file WHERE block_id = block.id
        ) AS file ON block.num_files = named.num_files
        ORDER BY block.dataset_id, named.place
    ) AS block
    GROUP BY dataset_id
"""  # noqa: S608 - constants
_REPLICAS = """
    SELECT replica.dataset_id, replica.site_id, replica.group_id, replica.is_growing, part.*
    FROM unnest(string_to_array(%s, ',')::bigint[], string_to_array(%s, ',')::bigint[]) AS named (dataset_id, site_id)
    CROSS JOIN LATERAL (
        SELECT * FROM inventory_datasetreplica WHERE dataset_id = named.dataset_id AND site_id = named.site_id OFFSET 0
    ) AS replica
    LEFT JOIN LATERAL (
        SELECT string_agg(block_id || E'\\t' || size_bytes || E'\\t' || num_files, E'\\n'),
               string_agg(coalesce(group_id::text, ''), E'\\n'), string_agg(is_custodial::int::text, E'\\n'),
               string_agg((extract(epoch FROM last_update) * 1000000)::bigint::text, E'\\n')
        FROM (SELECT * FROM inventory_blockreplica WHERE dataset_replica_id = replica.id ORDER BY id) AS part
    ) AS part ON true
"""
#: In place of a number of files that no block has: its listing is not asked for.
_NO_FILES = -1


class KnownBlocks(NamedTuple):
    """Some blocks of a dataset, a line of each text for each: key, bytes and files, open (1, 0), last update (microseconds since
    1970), and the files as the list of a record, empty where it was not asked for.
    """

    names: str = ""
    keys: str = ""
    sizes: str = ""
    opens: str = ""
    updates: str = ""
    listings: str = ""


class KnownParts(NamedTuple):
    """A dataset replica, and a line of each text for each of its block replicas.

    Lines: key of the block, bytes and files; group (empty for nobody); custodial (1, 0); last update (microseconds since 1970).
    """

    group_id: int | None
    is_growing: bool
    sizes: str | None
    groups: str | None
    custodials: str | None
    updates: str | None


@dataclass
class Known:
    """A dataset as it is, with those of its blocks and replicas (by site) that were asked for."""

    row: DatasetRow
    blocks: KnownBlocks = field(default_factory=KnownBlocks)
    replicas: dict[int, KnownParts] = field(default_factory=dict)

    @cached_property
    def complete(self) -> dict[str, str]:
        """Return, by the name of each block, the line of a block replica that has all of it."""
        if not self.blocks.names:
            return {}
        names, keys, sizes = (column.split("\n") for column in self.blocks[:3])
        return {name: f"{key}\t{size}" for name, key, size in zip(names, keys, sizes, strict=True)}


def look(records: Sequence[Any], places: Places) -> dict[str, Known]:
    """Return the datasets that *records* name, as far as they exist, with those of their blocks and replicas that are named."""
    names = {dataset_name(record) for record in records}
    known = {row[1]: Known(DatasetRow(*row)) for row in rows_of(Dataset, DATASET_COLUMNS, key="name", values=askable(names))}
    if not known:
        return known
    blocks: dict[tuple[int, str], int] = {}
    replicas: set[tuple[int, int]] = set()
    for record in records:
        dataset = known.get(dataset_name(record))
        if dataset is None or (pk := dataset.row.pk) is None:
            continue
        if isinstance(record, DatasetRecord):
            blocks.update(
                [((pk, block.name), _NO_FILES if block.files is UNSET else len(block.files)) for block in record.blocks]
            )
        elif isinstance(record, DatasetReplicaRecord):
            replicas.add((pk, places.site_id(record.site, "", [])))
            for part in record.blockreplicas:
                blocks.setdefault((pk, part.block), _NO_FILES)
    _read(known.values(), {key: count for key, count in blocks.items() if key[1].isprintable()}, replicas)
    return known


def _read(datasets: Iterable[Known], blocks: Mapping[tuple[int, str], int], replicas: Collection[tuple[int, int]]) -> None:
    by_pk = {known.row.pk: known for known in datasets}
    # Lists go as one text each: that of ten thousand names takes psycopg longer than all else together.
    pks = ",".join([str(pk) for pk, _ in blocks])
    counts = ",".join(map(str, blocks.values()))
    for pk, *columns in _rows(_BLOCKS, [pks, "\n".join([name for _, name in blocks]), counts]):
        by_pk[pk].blocks = KnownBlocks(*columns)
    for pk, site_id, *columns in _rows(
        _REPLICAS, [",".join([str(pk) for pk, _ in replicas]), ",".join([str(site) for _, site in replicas])]
    ):
        by_pk[pk].replicas[site_id] = KnownParts(*columns)


def _rows(statement: str, values: list[str]) -> Iterator[tuple[Any, ...]]:
    if not values[0]:
        return
    with connection.wrap_database_errors, psycopg.ServerCursor(connection.connection, "dynamo_look") as cursor:
        cursor.execute(statement, values, binary=True)
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield from rows
