"""Many rows at once: one upsert per table, by COPY through a temporary table on PostgreSQL, in batches on SQLite."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from django.db import connection, models

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
        adapters = [_adapter(self.model._meta.get_field(column.removesuffix("_id"))) for column in self.columns]
        adapted = [
            tuple(value if adapt is None else adapt(value) for adapt, value in zip(adapters, row, strict=True)) for row in rows
        ]
        write = self._write_postgresql if connection.vendor == "postgresql" else self._write_batches
        keys = write(adapted, want_keys)
        if want_keys and len(keys) < len(rows):
            keys = {**keys, **self._present_keys(rows)}
        return keys

    def _write_postgresql(self, rows: list[tuple[Any, ...]], want_keys: bool) -> dict[tuple[Any, ...], int]:
        table = connection.ops.quote_name(self.model._meta.db_table)
        staging = connection.ops.quote_name(f"staging_{self.model._meta.db_table}")
        columns = _names(self.columns)
        with connection.cursor() as cursor:
            cursor.execute(
                f"CREATE TEMPORARY TABLE IF NOT EXISTS {staging} ON COMMIT DROP AS "  # noqa: S608 - names of our models
                f"SELECT {columns} FROM {table} WITH NO DATA"
            )
            cursor.execute(f"TRUNCATE {staging}")
            with cursor.cursor.copy(f"COPY {staging} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            # Ordered by the natural key, so that two writers that meet take their row locks in the same order.
            cursor.execute(
                f"INSERT INTO {table} AS old ({columns}) SELECT {columns} FROM {staging} ORDER BY {_names(self.key)} "  # noqa: S608 - as above
                f"ON CONFLICT ({_names(self.key)}) {self._on_conflict()}{self._returning(want_keys)}"
            )
            return _by_natural_key(cursor.fetchall()) if want_keys else {}

    def _write_batches(self, rows: list[tuple[Any, ...]], want_keys: bool) -> dict[tuple[Any, ...], int]:
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
        return f" RETURNING {_names((str(self.model._meta.pk.column), *self.key))}"

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


def _names(columns: Iterable[str]) -> str:
    return ", ".join(connection.ops.quote_name(column) for column in columns)


def _by_natural_key(rows: Iterable[tuple[Any, ...]]) -> dict[tuple[Any, ...], int]:
    return {tuple(key): pk for pk, *key in rows}


def _adapter(field: Any) -> Callable[[Any], Any] | None:
    """Return what turns a Python value into one that the database takes; None if nothing is to be done."""
    if isinstance(field, models.JSONField):
        return lambda value: json.dumps(value, sort_keys=True)
    if isinstance(field, models.DateTimeField) and connection.vendor != "postgresql":
        return lambda value: None if value is None else connection.ops.adapt_datetimefield_value(value)
    return None


def _chunks(rows: Sequence[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    rest = iter(rows)
    while some := list(islice(rest, size)):
        yield some
