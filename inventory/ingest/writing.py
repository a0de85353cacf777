"""Many rows at once, table by table: by COPY on PostgreSQL, in batches on SQLite.

Rows that are known to be new go by COPY straight into their table, under keys drawn from its sequence beforehand: what
PostgreSQL needs for that is the least that it can need. Rows that may be there go through a temporary table and one statement
that leaves equal ones untouched.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from django.db import connection, models

from inventory.ingest.copying import copy_into, copy_text, send

#: Parameters per statement, below SQLite's limit of 32,766.
PARAMETERS_PER_STATEMENT = 30_000


@dataclass(frozen=True, slots=True)
class Upsert:
    """How rows of a model are written: all columns, those that tell which row it is, those that an existing row takes over.

    An existing row whose columns are equal already is left untouched: no new row version, no trigger, no lock held on it.
    """

    model: type[models.Model]
    columns: tuple[str, ...]
    key: tuple[str, ...]
    update: tuple[str, ...]

    def write(self, rows: Sequence[tuple[Any, ...]], *, want_keys: bool = False) -> dict[tuple[Any, ...], int]:
        """Write *rows* (values in the order of ``columns``), inside the caller's transaction.

        With *want_keys* return the primary key of each row by its natural key. A natural key may occur only once in *rows*.
        """
        if not rows:
            return {}
        write = self._write_postgresql if connection.vendor == "postgresql" else self._write_batches
        keys = write(self._adapted(rows), want_keys)
        if want_keys and len(keys) < len(rows):
            keys = {**keys, **self._present_keys(rows)}
        return keys

    def create(self, rows: Sequence[tuple[Any, ...]]) -> list[int]:
        """Write *rows* that are not there yet (values in the order of ``columns``) and return their keys, in their order.

        Raises ``IntegrityError`` on PostgreSQL if one is there after all; the caller must have a savepoint for that.
        """
        if not rows:
            return []
        if connection.vendor != "postgresql":
            keys = self.write(rows, want_keys=True)
            positions = [self.columns.index(name) for name in self.key]
            return [keys[tuple(row[position] for position in positions)] for row in rows]
        pks = draw({self: len(rows)})[self]
        self.send(self.texts(pks, rows))
        return list(pks)

    def texts(self, pks: Sequence[int], rows: Sequence[tuple[Any, ...]]) -> Iterator[str]:
        """Yield new rows under these keys as `send` takes them. Asks nothing of the database."""
        return copy_text(self._fields((self.key_column, *self.columns)), _with_keys(pks, self._adapted(rows)))

    def send(self, texts: Iterable[str]) -> None:
        """Write new rows that `texts` has made, on PostgreSQL. Raises ``IntegrityError`` if one is there after all."""
        target = f"{connection.ops.quote_name(self.model._meta.db_table)} ({_names((self.key_column, *self.columns))})"
        with connection.cursor() as cursor:
            send(cursor, target, texts)

    @property
    def key_column(self) -> str:
        """Return the column of the primary key."""
        return str(self.model._meta.pk.column)

    def change(self, pks: Sequence[int], rows: Sequence[tuple[Any, ...]]) -> None:
        """Give the rows of these keys the values of ``update`` in *rows*; a row that was removed meanwhile stays gone."""
        if not rows:
            return
        if connection.vendor != "postgresql":  # one writer: nobody has removed any
            self.write(rows)
            return
        table = connection.ops.quote_name(self.model._meta.db_table)
        first = len(self.columns) - len(self.update)
        if self.columns[first:] != self.update:
            raise ValueError(f"{self.columns} do not end in {self.update}")
        with connection.cursor() as cursor:
            columns = (self.key_column, *self.update)
            staging = self._staging(cursor, columns, "changed")
            changed = [row[first:] for row in self._adapted(rows)]
            copy_into(cursor, staging, self._fields(columns), _with_keys(pks, changed))
            # Locked in the order of their keys, as by those who remove rows.
            cursor.execute(
                f"SELECT 1 FROM {table} WHERE id IN (SELECT id FROM {staging}) ORDER BY id FOR NO KEY UPDATE"  # noqa: S608 - as above
            )
            names = [connection.ops.quote_name(name) for name in self.update]
            cursor.execute(
                f"UPDATE {table} AS old SET {', '.join(f'{name} = new.{name}' for name in names)} "  # noqa: S608 - as above
                f"FROM {staging} AS new WHERE old.id = new.id"
            )

    def _fields(self, columns: Iterable[str]) -> list[Any]:
        return [self.model._meta.get_field(column.removesuffix("_id")) for column in columns]

    def _adapted(self, rows: Sequence[tuple[Any, ...]]) -> Sequence[tuple[Any, ...]]:
        adapters = [_adapter(self.model._meta.get_field(column.removesuffix("_id"))) for column in self.columns]
        if not any(adapters):
            return rows
        return [
            tuple(value if adapt is None else adapt(value) for adapt, value in zip(adapters, row, strict=True)) for row in rows
        ]

    def _staging(self, cursor: Any, columns: Sequence[str], kind: str) -> str:
        """Return the name of an empty temporary table with these columns of the model's."""
        table = connection.ops.quote_name(self.model._meta.db_table)
        staging = connection.ops.quote_name(f"{kind}_{self.model._meta.db_table}")
        cursor.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {staging} ON COMMIT DROP AS "  # noqa: S608 - names of our models
            f"SELECT {_names(columns)} FROM {table} WITH NO DATA"
        )
        cursor.execute(f"TRUNCATE {staging}")
        return staging

    def _write_postgresql(self, rows: Sequence[tuple[Any, ...]], want_keys: bool) -> dict[tuple[Any, ...], int]:
        table = connection.ops.quote_name(self.model._meta.db_table)
        columns = _names(self.columns)
        with connection.cursor() as cursor:
            staging = self._staging(cursor, self.columns, "staging")
            copy_into(cursor, f"{staging} ({columns})", self._fields(self.columns), rows)
            # Ordered by the natural key, so that two writers that meet take their row locks in the same order.
            cursor.execute(
                f"INSERT INTO {table} AS old ({columns}) SELECT {columns} FROM {staging} ORDER BY {_names(self.key)} "  # noqa: S608 - as above
                f"ON CONFLICT ({_names(self.key)}) {self._on_conflict()}{self._returning(want_keys)}"
            )
            return _by_natural_key(cursor.fetchall()) if want_keys else {}

    def _write_batches(self, rows: Sequence[tuple[Any, ...]], want_keys: bool) -> dict[tuple[Any, ...], int]:
        table = connection.ops.quote_name(self.model._meta.db_table)
        row_marks = "(" + ", ".join(["%s"] * len(self.columns)) + ")"
        keys: dict[tuple[Any, ...], int] = {}
        with connection.cursor() as cursor:
            for some in _chunks(rows, PARAMETERS_PER_STATEMENT // len(self.columns)):
                cursor.execute(
                    f"INSERT INTO {table} AS old ({_names(self.columns)}) VALUES "  # noqa: S608 - as above
                    f"{', '.join([row_marks] * len(some))} "
                    f"ON CONFLICT ({_names(self.key)}) {self._on_conflict()}{self._returning(want_keys)}",
                    [value for row in some for value in row],
                )
                if want_keys:
                    keys.update(_by_natural_key(cursor.fetchall()))
        return keys

    def _on_conflict(self) -> str:
        if not self.update:
            return "DO NOTHING"
        names = [connection.ops.quote_name(name) for name in self.update]
        changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in names)
        differs = " OR ".join(f"old.{name} IS DISTINCT FROM EXCLUDED.{name}" for name in names)
        return f"DO UPDATE SET {changes} WHERE {differs}"

    def _returning(self, want_keys: bool) -> str:
        if not want_keys:
            return ""
        return f" RETURNING {_names((self.key_column, *self.key))}"

    def _present_keys(self, rows: Sequence[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
        """Return the keys of rows that were equal already, which the database does not return."""
        positions = [self.columns.index(name) for name in self.key]
        wanted = {tuple(row[position] for position in positions) for row in rows}
        found: dict[tuple[Any, ...], int] = {}
        for some in _chunks(sorted(wanted), 5000):
            condition = {f"{name}__in": {key[place] for key in some} for place, name in enumerate(self.key)}
            for pk, *key in self.model._default_manager.filter(**condition).values_list("pk", *self.key):
                if tuple(key) in wanted:
                    found[tuple(key)] = pk
        return found


def draw(numbers: Mapping[Upsert, int]) -> dict[Upsert, Sequence[int]]:
    """Return so many new keys of each table, on PostgreSQL: as ranges, unless somebody else draws some in between."""
    drawn: dict[Upsert, Sequence[int]] = dict.fromkeys(numbers, ())
    wanted = [table for table, number in numbers.items() if number]
    if not wanted:
        return drawn
    one = (
        "SELECT %s, min(key), max(key), CASE WHEN max(key) - min(key) >= %s THEN array_agg(key) END "
        "FROM (SELECT nextval(%s::regclass) AS key FROM generate_series(1, %s) OFFSET 0) AS drawn"
    )
    values: list[int | str] = []
    for place, table in enumerate(wanted):
        values += [place, numbers[table], _sequence(table.model._meta.db_table, table.key_column), numbers[table]]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join([one] * len(wanted)), values)
        for place, first, last, keys in cursor.fetchall():
            drawn[wanted[place]] = range(first, last + 1) if keys is None else keys
    return drawn


@cache
def _sequence(table: str, column: str) -> str:
    """Return the name of the sequence, asked for once: asked for each key, it costs ten times what the key does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [table, column])
        (name,) = cursor.fetchone()
    return str(name)


def _with_keys(pks: Sequence[int], rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    return ((pk, *row) for pk, row in zip(pks, rows, strict=True))


def _names(columns: Iterable[str]) -> str:
    return ", ".join(connection.ops.quote_name(column) for column in columns)


def _by_natural_key(rows: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
    return {tuple(key): pk for pk, *key in rows}


def _adapter(field: Any) -> Callable[[Any], Any] | None:
    """Return what turns a Python value into one that the database takes; None if nothing is to be done."""
    if isinstance(field, models.JSONField):
        return lambda value: None if value is None else json.dumps(value, sort_keys=True)
    if isinstance(field, models.DateTimeField) and connection.vendor != "postgresql":
        return lambda value: None if value is None else connection.ops.adapt_datetimefield_value(value)
    return None


def _chunks(rows: Sequence[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    rest = iter(rows)
    while some := list(islice(rest, size)):
        yield some
