"""Records of which PostgreSQL would write every word: found without a look at their blocks, files and block replicas.

The database writes what it has as the document does, with the same fields in the same order, and tells only what that hashes to:
a million rows cost some microseconds for each of their datasets. Two texts that are the same say the same; of two that differ
nothing follows, and the record goes the long way. So whatever cannot be said in the document's words is written as a word that
no document has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg
from django.db import connection
from msgspec import UNSET

from inventory.ingest.batch import DATASET_COLUMNS
from inventory.ingest.looking import FILE_AS_TEXT, Known, escaped
from inventory.ingest.places import Places
from inventory.ingest.records import NOTHING, DatasetReplicaText, DatasetText, dataset_name
from inventory.ingest.rows import Counts, DatasetRow
from inventory.ingest.sieve import is_same_head

NOTHING_TEXT = bytes(NOTHING)
#: What stands in the text in place of what the document's words cannot say; no JSON.
_UNSPEAKABLE = "'!'"


# What is gathered comes in the order in which it was written, mostly that of the document. The files of a block nearly always lie
# in that order, too: they are sorted, which takes a fifth of the time, only where they seem not to.
def _files(order: str) -> str:
    return f"""
        CROSS JOIN LATERAL (
            SELECT count(*) AS number, coalesce(sum(size_bytes), 0) AS bytes,
                   coalesce(string_agg({FILE_AS_TEXT}, ','{order}), '') AS listing
            FROM inventory_file WHERE block_id = block.id
        ) AS file
    """  # noqa: S608 - constants


def _moment(column: str) -> str:
    """Return what writes a time as whole seconds since 1970."""
    return (
        f"coalesce(CASE WHEN {column} = date_trunc('second', {column}) THEN date_part('epoch', {column})::bigint::text END, "
        f"{_UNSPEAKABLE})"
    )


def _truth(column: str) -> str:
    return f"CASE WHEN {column} THEN 'true' ELSE 'false' END"


#: How a field is written, by its name in the document.
_OF_BLOCK = {
    "name": f"""'"' || {escaped("block.name")} || '"'""",
    "size": "block.size_bytes::text",
    "num_files": "block.num_files::text",
    "is_open": _truth("block.is_open"),
    "last_update": _moment("block.last_update"),
    # All of a block's files are listed, and it is as large as they are.
    "files": "CASE WHEN (file.number, file.bytes) = (block.num_files, block.size_bytes) THEN '[' || file.listing || ']' "
    f"ELSE {_UNSPEAKABLE} END",
}
_OF_PART = {
    "block": "block.name",
    "group": "coalesce((SELECT to_json(name)::text FROM inventory_group WHERE id = part.group_id), 'null')",
    "size": "part.size_bytes::text",
    # Of no file at all is said otherwise in a document, by an empty list.
    "num_files": f"coalesce(nullif(part.num_files, 0)::text, {_UNSPEAKABLE})",
    "is_custodial": _truth("part.is_custodial"),
    "last_update": _moment("part.last_update"),
}
_COMPLETE = "(part.size_bytes, part.num_files) = (block.size_bytes, block.num_files)"

# A digest only of a dataset that has as many blocks and files as its record names: what is written is bounded by what was read.
# OFFSET 0 keeps the planner from reading a whole table for the datasets of one portion.
_DATASETS = f"""
    SELECT {", ".join(f"dataset.{column}" for column in DATASET_COLUMNS)}, block.digest, dataset.num_blocks, {{num_files}}
    FROM unnest(string_to_array(%s, E'\\n'), string_to_array(%s, ',')::int[]) AS named (name, number)
    CROSS JOIN LATERAL (SELECT * FROM inventory_dataset WHERE name = named.name OFFSET 0) AS dataset
    CROSS JOIN LATERAL (
        SELECT sha256(convert_to('[' || string_agg({{text}}, ',' ORDER BY block.id) || ']', 'UTF8')) AS digest
        FROM inventory_block AS block {{files}} WHERE block.dataset_id = dataset.id AND {{number}} = named.number
    ) AS block
"""  # noqa: S608 - constants
# Gathered from the blocks of a dataset: each is looked for, and its name written, once, not once for each of its replicas.
_REPLICAS = f"""
    SELECT named.name, replica.site_id, part.digest, replica.group_id, replica.is_growing, part.number,
           CASE part.num_owned WHEN 0 THEN replica.group_id IS NULL WHEN part.number
               THEN (part.least, part.most) IS NOT DISTINCT FROM (replica.group_id, replica.group_id) ELSE false END
    FROM (
        SELECT name, array_agg(site_id) AS site_ids
        FROM unnest(string_to_array(%s, E'\\n'), string_to_array(%s, ',')::bigint[]) AS named (name, site_id) GROUP BY name
    ) AS named
    CROSS JOIN LATERAL (
        SELECT id FROM inventory_dataset WHERE name = named.name AND num_blocks <= {{most}} OFFSET 0
    ) AS dataset
    CROSS JOIN LATERAL (
        SELECT part.dataset_replica_id, count(*) AS number, count(part.group_id) AS num_owned,
               min(part.group_id) AS least, max(part.group_id) AS most,
               sha256(convert_to('[' || string_agg(part.text, ',') || ']', 'UTF8')) AS digest
        FROM (
            SELECT part.dataset_replica_id, part.group_id, {{text}} AS text
            FROM (
                SELECT id, size_bytes, num_files, '"' || {escaped("name")} || '"' AS name
                FROM inventory_block WHERE dataset_id = dataset.id OFFSET 0
            ) AS block
            JOIN inventory_blockreplica AS part ON part.block_id = block.id WHERE part.site_id = ANY(named.site_ids)
            ORDER BY part.dataset_replica_id, part.id
        ) AS part GROUP BY part.dataset_replica_id
    ) AS part
    JOIN inventory_datasetreplica AS replica ON replica.id = part.dataset_replica_id
"""  # noqa: S608 - constants
_NAME = b'"name":'
#: Place of the digest in a row of the answer about datasets; numbers come after it.
_DIGEST = len(DATASET_COLUMNS)
#: Of a text of which some is looked at.
_FIRST_ENTRY_BYTES = 300
#: Blocks and files of a dataset whose text is made: that of an unbounded one might be more than a value of PostgreSQL can hold.
_MOST_ENTRIES = 100_000
#: In place of a number of blocks and files that no dataset has.
_NO_NUMBER = -1
#: Names of fields, in their order.
Fields = Mapping[str, None]


class _Found(NamedTuple):
    """What the database would write hashes to ``digest``; ``rest``: numbers and what is said beside it."""

    digest: bytes | None
    rest: tuple[Any, ...]


class _Question(NamedTuple):
    """What is asked at once, of names with numbers: ``places`` of the records by what names them in the rows of the answer.

    ``sorting`` is the statement that asks for those for which the first has not found their text.
    """

    fields: Fields
    statement: str
    sorting: str
    asked: Sequence[tuple[str, int]]
    places: Mapping[Any, int]


class Verbatim:
    """The records of a portion as texts: what they are compared with, asked for in their own words.

    Those of the first: who has others, as block replicas that are not complete have, is not found. Only `ask` uses the database,
    and does little else: it is a thread's that has more to do.
    """

    def __init__(self, records: Sequence[Any], places: Places) -> None:
        self.records = records
        self.known: dict[str, Known] = {}
        self._places = places
        self._datasets = {n: _compact(record.blocks) for n, record in enumerate(records) if isinstance(record, DatasetText)}
        self._replicas = {
            n: _compact(record.blockreplicas) for n, record in enumerate(records) if isinstance(record, DatasetReplicaText)
        }
        self._digests = {n: hashlib.sha256(text).digest() for n, text in (self._datasets | self._replicas).items()}
        self._sites = {n: places.site_id(records[n].site, "", []) for n in self._replicas}
        self._found: dict[int, _Found] = {}
        self._of_datasets = self._question_of_datasets()
        self._of_replicas = self._question_of_replicas()
        self._dataset_rows: list[tuple[Any, ...]] = []
        self._replica_rows: list[tuple[Any, ...]] = []

    def ask(self) -> None:
        """Ask the database for the datasets that the records name, and what it would write of them and of their replicas."""
        datasets, replicas = self._of_datasets, self._of_replicas
        self._dataset_rows = _rows(datasets.statement, datasets.asked)
        self._replica_rows = _rows(replicas.statement, replicas.asked)
        if datasets.sorting != datasets.statement:
            others = {row[1] for row in self._dataset_rows if self._is_other(datasets.places.get(row[1]), row[_DIGEST])}
            self._dataset_rows = [row for row in self._dataset_rows if row[1] not in others]
            self._dataset_rows += _rows(datasets.sorting, [one for one in datasets.asked if one[0] in others])

    @property
    def pks(self) -> dict[str, int]:
        """Return the keys of the datasets that were found, by their names."""
        return {row[1]: row[0] for row in self._dataset_rows}

    def take(self) -> None:
        """Take what was answered."""
        for row in self._dataset_rows:
            self.known[row[1]] = Known(DatasetRow(*row[:_DIGEST]))
            if (n := self._of_datasets.places.get(row[1])) is not None:
                self._found[n] = _Found(row[_DIGEST], row[_DIGEST + 1 :])
        for row in self._replica_rows:
            self._found[self._of_replicas.places[row[:2]]] = _Found(row[2], row[3:])

    def same(self, counts: Counts) -> list[bool]:
        """Tell of each record whether it says what is there; those that do are counted.

        A replica is found only if nothing else is said of its dataset.
        """
        same = [False] * len(self.records)
        changing: set[str] = set()
        numbers = [0, 0, 0]
        for n in self._datasets:
            same[n] = self._is_same_dataset(n)
            if not same[n]:
                changing.add(self.records[n].name)
            elif self._datasets[n] != NOTHING_TEXT:
                num_blocks, num_files = self._found[n].rest
                numbers[0] += num_blocks
                numbers[1] += num_files
        for n in self._replicas:
            same[n] = self.records[n].dataset not in changing and self._is_same_replica(n)
            if same[n] and self._replicas[n] != NOTHING_TEXT:
                numbers[2] += self._found[n].rest[2]
        counts.add("datasets", "unchanged", sum([same[n] for n in self._datasets]))
        counts.add("dataset replicas", "unchanged", sum([same[n] for n in self._replicas]))
        for table, number in zip(("blocks", "files", "block replicas"), numbers, strict=True):
            counts.add(table, "unchanged", number)
        return same

    def _question_of_datasets(self) -> _Question:
        places = {self.records[n].name: n for n in self._datasets}
        fields = _fields(self._datasets.values())
        numbers = dict.fromkeys(map(dataset_name, self.records), _NO_NUMBER)
        for name, n in places.items():
            number = self._datasets[n].count(_NAME)
            numbers[name] = number if number <= _MOST_ENTRIES else _NO_NUMBER
        return _Question(fields, _of_datasets(fields, ""), _of_datasets(fields, " ORDER BY id"), list(numbers.items()), places)

    def _question_of_replicas(self) -> _Question:
        places = {(self.records[n].dataset, self._sites[n]): n for n in self._replicas}
        fields = _fields(self._replicas.values())
        statement = _of_replicas(fields)
        return _Question(fields, statement, statement, list(places), places)

    def _is_other(self, n: int | None, digest: bytes | None) -> bool:
        """Tell whether what the database would write of record *n* is something else than its text."""
        return n is not None and digest is not None and digest != self._digests[n]

    def _is_text_found(self, n: int) -> bool:
        return n in self._found and self._found[n].digest == self._digests[n]

    def _is_same_dataset(self, n: int) -> bool:
        dataset = self.known.get(self.records[n].name)
        if dataset is None or not is_same_head(dataset.row, self.records[n]):
            return False
        return self._datasets[n] == NOTHING_TEXT or self._is_text_found(n)

    def _is_same_replica(self, n: int) -> bool:
        record: DatasetReplicaText = self.records[n]
        if (found := self._found.get(n)) is None:
            return False
        group_id, is_growing, _, has_one_group = found.rest
        problems: list[Any] = []
        group: Any = UNSET if record.group is UNSET else self._places.group_id(record.group, "", problems)
        if problems or group not in {UNSET, group_id} or record.growing not in {UNSET, is_growing}:
            return False
        if self._replicas[n] == NOTHING_TEXT:
            return True
        return self._is_text_found(n) and (group is UNSET or "group" in self._of_replicas.fields or has_one_group)


def _of_datasets(fields: Fields, order: str) -> str:
    """Return what asks for datasets whose blocks have these fields in the document, with the files of each block in *order*."""
    is_known = fields.keys() <= _OF_BLOCK.keys()
    return _DATASETS.format(
        number="dataset.num_blocks + dataset.num_files" if "files" in fields else "dataset.num_blocks",
        num_files="dataset.num_files" if "files" in fields else "0",
        text=_written(fields, _OF_BLOCK) if is_known else _UNSPEAKABLE,
        files=_files(order) if is_known and "files" in fields else "",
    )


def _of_replicas(fields: Fields) -> str:
    """Return what asks for replicas whose block replicas have these fields in the document."""
    if not fields.keys() <= _OF_PART.keys() or ("size" in fields) != ("num_files" in fields):
        return _REPLICAS.format(text=_UNSPEAKABLE, most=_MOST_ENTRIES)
    part = _written(fields, _OF_PART)
    if "size" not in fields:
        part = f"CASE WHEN {_COMPLETE} THEN {part} ELSE {_UNSPEAKABLE} END"
    return _REPLICAS.format(text=part, most=_MOST_ENTRIES)


def _compact(text: msgspec.Raw) -> bytes:
    """Return a list as text without blanks and needless escapes, as the database writes it; who uses blanks begins with them."""
    plain = bytes(text)
    if b'": ' not in plain[:_FIRST_ENTRY_BYTES] and b"\\" not in plain:
        return plain
    try:
        return msgspec.json.encode(msgspec.json.decode(plain))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return plain


def _fields(texts: Iterable[bytes]) -> Fields:
    """Return the fields of the first entry that there is, in their order; none if there is no entry."""
    first = next((text for text in texts if text != NOTHING_TEXT), NOTHING_TEXT)
    try:
        entries = msgspec.json.decode(first, type=list[msgspec.Raw])
        return dict.fromkeys(msgspec.json.decode(entries[0], type=dict[str, msgspec.Raw])) if entries else {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _written(fields: Fields, words: Mapping[str, str]) -> str:
    """Return what writes an entry with these fields."""
    if not fields:
        return _UNSPEAKABLE
    return "'{' || " + " || ',' || ".join(f"'\"{name}\":' || {words[name]}" for name in fields) + " || '}'"


def _rows(statement: str, asked: Iterable[tuple[str, int]]) -> list[tuple[Any, ...]]:
    """Return what the database answers; names with what no name of ours has are not asked for."""
    asked = [one for one in asked if one[0].isprintable()]
    if not asked:
        return []
    names, numbers = "\n".join([name for name, _ in asked]), ",".join([str(number) for _, number in asked])
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, [names, numbers], binary=True)
        return cursor.fetchall()
