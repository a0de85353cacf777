"""Rows of many keys: what a batch compares its records with, read at the speed of the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import psycopg
from django.db import connection, models

_KEYS_PER_QUERY = 10_000
_ROWS_AT_ONCE = 5_000


class _Reading(psycopg.ServerCursor[Any]):
    """A cursor that a failed reader may leave open: it ends with the transaction, and is no leak to be warned of."""

    def __del__(self, *unused: Any) -> None:
        """Say nothing: the garbage collector may come to it before it comes to the generator that closes it."""


def rows_of(model: type[models.Model], columns: Sequence[str], *, key: str, values: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
    """Yield *columns* of the rows of *model* whose column *key* has one of *values*, in no order; times are UTC-aware.

    Holds some thousand rows in memory, however many there are. Runs in the caller's transaction.
    """
    read = _rows_postgresql if connection.vendor == "postgresql" else _rows_of
    rest = iter(values)
    while some := list(islice(rest, _KEYS_PER_QUERY)):
        yield from read(model, columns, key, some)


def _rows_of(model: type[models.Model], columns: Sequence[str], key: str, values: list[Any]) -> Iterator[tuple[Any, ...]]:
    rows = model._default_manager.filter(**{f"{key}__in": values}).order_by()
    yield from rows.values_list(*columns).iterator(chunk_size=_ROWS_AT_ONCE)


def _rows_postgresql(model: type[models.Model], columns: Sequence[str], key: str, values: list[Any]) -> Iterator[tuple[Any, ...]]:
    """Read through one array instead of ten thousand parameters, and in binary: a fifth of what the ORM takes."""
    quote = connection.ops.quote_name
    names = ", ".join(quote(column) for column in columns)
    statement = f"SELECT {names} FROM {quote(model._meta.db_table)} WHERE {quote(key)} = ANY(%s)"  # noqa: S608 - names of our models
    with connection.wrap_database_errors, _Reading(connection.connection, "dynamo_ingest") as cursor:
        cursor.itersize = _ROWS_AT_ONCE
        cursor.execute(statement, [values], binary=True)
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            yield from rows
