"""How the rows of a batch get into the database: at once, or made up now and sent later, when the connection is free."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol

from inventory.ingest.writing import Upsert


class Writer(Protocol):
    """Writes rows, values in the order of the table's columns."""

    def create(self, table: Upsert, rows: Sequence[tuple[Any, ...]]) -> Sequence[int]:
        """Write rows that are not there yet, and return their keys, in their order."""

    def add(self, table: Upsert, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows that may be there."""


class AtOnce:
    """Writes as it is told, inside the caller's transaction."""

    def create(self, table: Upsert, rows: Sequence[tuple[Any, ...]]) -> Sequence[int]:
        return table.create(rows)

    def add(self, table: Upsert, rows: Sequence[tuple[Any, ...]]) -> None:
        table.write(rows)


class Ahead:
    """Makes up what is to be sent under keys that were drawn beforehand; `carry_out` sends it, and only that asks the database.

    Making it up is half of what a new row costs outside of the database, which meanwhile writes the portion before.
    """

    def __init__(self, keys: Mapping[Upsert, Sequence[int]]) -> None:
        self._keys = dict(keys)
        self._writes: list[Callable[[], object]] = []

    def create(self, table: Upsert, rows: Sequence[tuple[Any, ...]]) -> Sequence[int]:
        drawn = self._keys[table]
        pks, self._keys[table] = drawn[: len(rows)], drawn[len(rows) :]
        if rows:
            self._writes.append(partial(table.send, list(table.texts(pks, rows))))
        return pks

    def add(self, table: Upsert, rows: Sequence[tuple[Any, ...]]) -> None:
        self._writes.append(partial(table.write, rows))

    def carry_out(self) -> None:
        """Write it all, inside the caller's transaction; once."""
        writes, self._writes = self._writes, []
        for write in writes:
            write()
