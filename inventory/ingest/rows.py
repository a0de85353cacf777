"""Rows of a batch in memory: what the database has or will have, and whether it must be written."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from msgspec import UNSET


@dataclass(slots=True, eq=False)
class _Row:
    pk: int | None
    is_dirty: bool = field(default=False, kw_only=True)

    @property
    def is_new(self) -> bool:
        """Tell whether the row has not been written yet."""
        return self.pk is None

    def take(self, name: str, value: Any) -> None:
        """Take over *value*, unless it was not given; remember whether that changes the row."""
        if value is not UNSET and getattr(self, name) != value:
            setattr(self, name, value)
            self.is_dirty = True


@dataclass(slots=True, eq=False)
class DatasetRow(_Row):
    name: str
    status: str
    data_type: str
    release: str | None
    is_open: bool
    last_update: datetime
    attributes: dict[str, Any]


@dataclass(slots=True, eq=False)
class BlockRow(_Row):
    """``listed_bytes`` and ``listed_files`` are sums over its File rows."""

    dataset: DatasetRow
    name: str
    size_bytes: int
    num_files: int
    is_open: bool
    last_update: datetime
    listed_bytes: int = 0
    listed_files: int = 0
    gains_files: bool = False
    bytes_before: int = 0


@dataclass(slots=True, eq=False)
class FileRow(_Row):
    block: BlockRow | None
    block_pk: int | None
    lfn: str
    size_bytes: int
    checksum: str


@dataclass(slots=True, eq=False)
class ReplicaRow(_Row):
    dataset: DatasetRow
    site_id: int
    group_id: int | None
    is_growing: bool


@dataclass(slots=True, eq=False)
class BlockReplicaRow(_Row):
    """``present`` holds the files to be recorded as present (empty for a complete one), None where they stay as they are.

    ``stays_complete`` is set where it was complete and is: then no files of it are recorded, and none need be looked for.
    """

    replica: ReplicaRow
    block: BlockRow
    group_id: int | None
    size_bytes: int
    num_files: int
    is_custodial: bool
    last_update: datetime
    present: list[FileRow] | None = None
    stays_complete: bool = False
    bytes_before: int = 0


#: What is counted beside rows that are not as they were.
_NO_CHANGES = frozenset({"unchanged", "bytes"})


@dataclass(slots=True)
class Counts:
    """Per table: how many rows were created, changed, removed, or given again as they are; and by how many bytes it grew."""

    tables: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def add(self, table: str, what: str, number: int = 1) -> None:
        """Count rows of *table*; *what* is created, changed, removed or unchanged, or the bytes by which it grows."""
        if number:
            self.tables[table][what] += number

    def row(self, table: str, row: _Row) -> None:
        """Count a row by its state before it is written."""
        self.tables[table]["created" if row.pk is None else "changed" if row.is_dirty else "unchanged"] += 1

    @property
    def changes(self) -> int:
        """Return how many rows are not as they were."""
        return sum(number for table in self.tables.values() for what, number in table.items() if what not in _NO_CHANGES)

    def merge(self, other: Counts) -> None:
        """Add what another account counted."""
        for table, counter in other.tables.items():
            self.tables[table].update(counter)

    def as_json(self) -> dict[str, dict[str, int]]:
        """Return the counts as they are kept with the injection."""
        return {table: dict(counter) for table, counter in self.tables.items()}
