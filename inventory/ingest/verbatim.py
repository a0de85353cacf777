"""Records of which PostgreSQL would write every word: found without a look at their blocks, files and block replicas.

The database writes what it has as the document does, with the same fields in the same order, and tells only what that hashes to:
a million rows cost some microseconds for each of their datasets. Two texts that are the same say the same; of two that differ
nothing follows, and the record goes the long way. So whatever cannot be said in the document's words is written as a word that
no document has.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import psycopg
from django.db import connection
from msgspec import UNSET

from inventory.ingest.looking import Known, known_datasets
from inventory.ingest.places import Places
from inventory.ingest.records import NOTHING, DatasetReplicaText, DatasetText, dataset_name
from inventory.ingest.rows import Counts
from inventory.ingest.sieve import is_same_head

NOTHING_TEXT = bytes(NOTHING)
#: What stands in the text in place of what the document's words cannot say; no JSON.
_UNSPEAKABLE = "'!'"
# A list of names is written with escapes for these two alone: no name of ours holds control characters.
_QUOTED_LFN = "replace(replace(file.lfn, '\\', '\\\\'), '\"', '\\\"')"
_QUOTED_CHECKSUM = "replace(replace(file.checksum, '\\', '\\\\'), '\"', '\\\"')"
_FILES = f"""
    CROSS JOIN LATERAL (
        SELECT count(*) AS number, coalesce(sum(size_bytes), 0) AS bytes, coalesce(string_agg(
            '{{"name":"' || {_QUOTED_LFN} || '","size":' || file.size_bytes || CASE
                WHEN file.checksum = '' THEN '}}'
                WHEN left(file.checksum, 8) = 'adler32:' THEN ',"adler32":"' || substr(file.checksum, 9) || '"}}'
                ELSE ',"checksum":"' || {_QUOTED_CHECKSUM} || '"}}' END,
            ',' ORDER BY file.id), '') AS listing
        FROM inventory_file AS file WHERE file.block_id = block.id
    ) AS file
"""  # noqa: S608 - constants


def _moment(column: str) -> str:
    """Return what writes a time as whole seconds since 1970."""
    return (
        f"coalesce(CASE WHEN {column} = date_trunc('second', {column}) THEN extract(epoch FROM {column})::bigint::text END, "
        f"{_UNSPEAKABLE})"
    )


def _truth(column: str) -> str:
    return f"CASE WHEN {column} THEN 'true' ELSE 'false' END"


#: How a field is written, by its name in the document.
_OF_BLOCK = {
    "name": "to_json(block.name)::text",
    "size": "block.size_bytes::text",
    "num_files": "block.num_files::text",
    "is_open": _truth("block.is_open"),
    "last_update": _moment("block.last_update"),
    # All of a block's files are listed, and it is as large as they are.
    "files": "CASE WHEN (file.number, file.bytes) = (block.num_files, block.size_bytes) THEN '[' || file.listing || ']' "
    f"ELSE {_UNSPEAKABLE} END",
}
_OF_PART = {
    "block": "to_json(block.name)::text",
    "group": "coalesce((SELECT to_json(name)::text FROM inventory_group WHERE id = part.group_id), 'null')",
    "size": "part.size_bytes::text",
    # Of no file at all is said otherwise in a document, by an empty list.
    "num_files": f"coalesce(nullif(part.num_files, 0)::text, {_UNSPEAKABLE})",
    "is_custodial": _truth("part.is_custodial"),
    "last_update": _moment("part.last_update"),
}
_COMPLETE = "(part.size_bytes, part.num_files) = (block.size_bytes, block.num_files)"

# Only of a dataset that has as many blocks and files as its record names: what is written is bounded by what was read. OFFSET 0
# keeps the planner from reading a whole table for the datasets of one portion.
_DATASETS = """
    SELECT dataset.id, block.digest, dataset.num_blocks, {num_files}
    FROM unnest(string_to_array(%s, ',')::bigint[], string_to_array(%s, ',')::int[]) AS named (dataset_id, number)
    CROSS JOIN LATERAL (
        SELECT * FROM inventory_dataset WHERE id = named.dataset_id AND {number} = named.number OFFSET 0
    ) AS dataset
    CROSS JOIN LATERAL (
        SELECT sha256(convert_to('[' || string_agg({text}, ',' ORDER BY block.id) || ']', 'UTF8')) AS digest
        FROM inventory_block AS block {files} WHERE block.dataset_id = dataset.id
    ) AS block
"""
_REPLICAS = """
    SELECT replica.dataset_id, replica.site_id, part.digest, replica.group_id, replica.is_growing, part.number, part.has_one_group
    FROM unnest(string_to_array(%s, ',')::bigint[], string_to_array(%s, ',')::bigint[]) AS named (dataset_id, site_id)
    CROSS JOIN LATERAL (
        SELECT * FROM inventory_datasetreplica WHERE dataset_id = named.dataset_id AND site_id = named.site_id OFFSET 0
    ) AS replica
    CROSS JOIN LATERAL (
        SELECT count(*) AS number, bool_and(part.group_id IS NOT DISTINCT FROM replica.group_id) AS has_one_group,
               sha256(convert_to('[' || string_agg({text}, ',' ORDER BY part.id) || ']', 'UTF8')) AS digest
        FROM inventory_blockreplica AS part JOIN inventory_block AS block ON block.id = part.block_id
        WHERE part.dataset_replica_id = replica.id
    ) AS part
"""
_NAME, _BLOCK = b'"name":', b'"block":'

#: Wordings of one portion that are asked for: block replicas that are complete, and others, say other things.
_MAX_WORDINGS = 4

#: Names of fields, in their order.
Fields = Mapping[str, None]


class _Found(NamedTuple):
    """What the database would write in these fields hashes to ``digest``; ``rest``: numbers and what is said beside it."""

    fields: Fields
    digest: bytes | None
    rest: tuple[Any, ...]


def num_named(record: DatasetText | DatasetReplicaText) -> int:
    """Return how many blocks and files, or block replicas, a record names; those of odd texts are not found verbatim."""
    return bytes(record.blocks).count(_NAME) if isinstance(record, DatasetText) else bytes(record.blockreplicas).count(_BLOCK)


_Ask = Callable[[Fields, Sequence[int]], Mapping[int, _Found]]


class Verbatim:
    """The records of a portion as texts: made without the database, which only `ask` asks; then `same` tells what it knows."""

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

    def ask(self) -> None:
        """Ask the database for the datasets that the records name, and what it would write of them and of their replicas."""
        self.known = known_datasets(self.records)
        self._ask_in_their_words(self._datasets, self._ask_for_datasets)
        self._ask_in_their_words(self._replicas, self._ask_for_replicas)

    def same(self) -> list[Counts | None]:
        """Return of each record what is counted if it says what is there, None if it may not.

        A replica is found only if nothing else is said of its dataset.
        """
        counted: list[Counts | None] = [None] * len(self.records)
        changing: set[str] = set()
        for n in self._datasets:
            counted[n] = self._same_dataset(n)
            if counted[n] is None:
                changing.add(self.records[n].name)
        for n in self._replicas:
            if self.records[n].dataset not in changing:
                counted[n] = self._same_replica(n)
        return counted

    def _ask_in_their_words(
        self, texts: Mapping[int, bytes], ask: Callable[[Fields, Sequence[int]], Mapping[int, _Found]]
    ) -> None:
        """Ask for *texts* in the words of the first, then for those that have others: mostly there are none."""
        left = [n for n in texts if dataset_name(self.records[n]) in self.known]
        for _ in range(_MAX_WORDINGS):
            if not left:
                return
            fields = next((some for n in left if (some := _fields(texts[n]))), {})
            self._found |= ask(fields, left)
            left = [n for n in left if not self._is_text_found(n) and list(_fields(texts[n])) != list(fields)]

    def _ask_for_datasets(self, fields: Fields, asked: Sequence[int]) -> Mapping[int, _Found]:
        places = {self._pk(n): n for n in asked}
        rows = _rows(_of_datasets(fields), list(places), [self._datasets[n].count(_NAME) for n in places.values()])
        return {places[pk]: _Found(fields, digest, tuple(rest)) for pk, digest, *rest in rows}

    def _ask_for_replicas(self, fields: Fields, asked: Sequence[int]) -> Mapping[int, _Found]:
        places = {(self._pk(n), self._sites[n]): n for n in asked}
        rows = _rows(_of_replicas(fields), [pk for pk, _ in places], [site for _, site in places])
        return {places[pk, site]: _Found(fields, digest, tuple(rest)) for pk, site, digest, *rest in rows}

    def _pk(self, n: int) -> int:
        return self.known[dataset_name(self.records[n])].row.pk or 0

    def _is_text_found(self, n: int) -> bool:
        return n in self._found and self._found[n].digest == self._digests[n]

    def _same_dataset(self, n: int) -> Counts | None:
        record: DatasetText = self.records[n]
        dataset = self.known.get(record.name)
        if dataset is None or not is_same_head(dataset.row, record):
            return None
        num_blocks = num_files = 0
        if self._datasets[n] != NOTHING_TEXT:
            if not self._is_text_found(n):
                return None
            num_blocks, num_files = self._found[n].rest
        counts = Counts()
        counts.add("datasets", "unchanged")
        counts.add("blocks", "unchanged", num_blocks)
        counts.add("files", "unchanged", num_files)
        return counts

    def _same_replica(self, n: int) -> Counts | None:
        record: DatasetReplicaText = self.records[n]
        if (found := self._found.get(n)) is None:
            return None
        group_id, is_growing, number, has_one_group = found.rest
        problems: list[Any] = []
        group: Any = UNSET if record.group is UNSET else self._places.group_id(record.group, "", problems)
        if problems or group not in {UNSET, group_id} or record.growing not in {UNSET, is_growing}:
            return None
        if self._replicas[n] == NOTHING_TEXT:
            number = 0
        elif not self._is_text_found(n) or not (group is UNSET or "group" in found.fields or has_one_group):
            return None
        counts = Counts()
        counts.add("dataset replicas", "unchanged")
        counts.add("block replicas", "unchanged", number)
        return counts


def _of_datasets(fields: Fields) -> str:
    """Return what asks for datasets whose blocks have these fields in the document."""
    is_known = fields.keys() <= _OF_BLOCK.keys()
    return _DATASETS.format(
        number="num_blocks + num_files" if "files" in fields else "num_blocks",
        num_files="dataset.num_files" if "files" in fields else "0",
        text=_written(fields, _OF_BLOCK) if is_known else _UNSPEAKABLE,
        files=_FILES if is_known and "files" in fields else "",
    )


def _of_replicas(fields: Fields) -> str:
    """Return what asks for replicas whose block replicas have these fields in the document."""
    if not fields.keys() <= _OF_PART.keys() or ("size" in fields) != ("num_files" in fields):
        return _REPLICAS.format(text=_UNSPEAKABLE)
    part = _written(fields, _OF_PART)
    return _REPLICAS.format(text=part if "size" in fields else f"CASE WHEN {_COMPLETE} THEN {part} ELSE {_UNSPEAKABLE} END")


def _compact(text: msgspec.Raw) -> bytes:
    """Return a list as text without blanks and needless escapes, as the database writes it."""
    plain = bytes(text)
    if b'": ' not in plain and b"\\u" not in plain:
        return plain
    try:
        return msgspec.json.encode(msgspec.json.decode(plain))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return plain


def _fields(text: bytes) -> Fields:
    """Return the fields of the first entry of a list, in their order; none if there is no such entry."""
    try:
        entries = msgspec.json.decode(text, type=list[msgspec.Raw])
        return dict.fromkeys(msgspec.json.decode(entries[0], type=dict[str, msgspec.Raw])) if entries else {}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}


def _written(fields: Fields, words: Mapping[str, str]) -> str:
    """Return what writes an entry with these fields."""
    if not fields:
        return _UNSPEAKABLE
    return "'{' || " + " || ',' || ".join(f"'\"{name}\":' || {words[name]}" for name in fields) + " || '}'"


def _rows(statement: str, keys: Collection[object], values: Collection[object]) -> list[tuple[Any, ...]]:
    if not keys:
        return []
    with connection.wrap_database_errors, psycopg.Cursor(connection.connection) as cursor:
        cursor.execute(statement, [",".join(map(str, keys)), ",".join(map(str, values))], binary=True)
        return cursor.fetchall()
