"""Columns out of the database in one consistent read, straight into Polars frames.

Outside a transaction the rows of PostgreSQL come through ADBC on a connection of their own: the speed of a plain ``COPY`` and
a quarter of the memory that the ORM needs; those of SQLite through a second connection of Python's own library. Never through
a driver that brings an SQLite along: POSIX drops every lock of a process on a file when any descriptor on it is closed, and two
copies of the library in one process take each other's away, so that others write into what one of them is writing.
Inside a transaction of the caller, and for an SQLite database that lives in memory, another connection could not see what the
caller sees: there the rows come through Django's own connection.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, Protocol

import adbc_driver_postgresql.dbapi
import polars as pl
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg.conninfo import make_conninfo

Schema = Mapping[str, type[pl.DataType]]

# What Django hands to psycopg beside libpq's own parameters.
_NOT_LIBPQ = frozenset({"context", "cursor_factory", "prepare_threshold", "client_encoding", "autocommit", "server_side_binding"})
_ROWS_AT_A_TIME = 50_000


class Reader(Protocol):
    """One consistent picture of the database; every frame that it gives belongs to the same moment."""

    vendor: str

    def frame(self, sql: str, schema: Schema) -> pl.DataFrame:
        """Return the rows of *sql* with the columns and types of *schema*, in its order.

        Times become seconds since 1970, UTC, where the schema asks for ``Float64``. *sql* must give a value in every
        column that SQLite would have to guess the type of (``COALESCE``), and text for JSON.
        """
        ...


class AdbcReader:
    """Reads through an ADBC connection that holds one transaction open."""

    def __init__(self, cursor: Any, vendor: str) -> None:
        self._cursor = cursor
        self.vendor = vendor

    def frame(self, sql: str, schema: Schema) -> pl.DataFrame:
        self._cursor.execute(sql)
        # Renamed first: two columns of PostgreSQL may both be called after the same function.
        rows = self._cursor.fetch_arrow_table().rename_columns(list(schema))
        frame = pl.from_arrow(rows, rechunk=False)
        if not isinstance(frame, pl.DataFrame):
            raise TypeError(f"a query gave {type(frame).__name__}, not a table: {sql}")
        return _typed(frame, schema)


class DjangoReader:
    """Reads through a connection of Django, inside the transaction that is open on it."""

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = connection
        self.vendor = connection.vendor

    def frame(self, sql: str, schema: Schema) -> pl.DataFrame:
        frames = [pl.DataFrame(schema=schema)]
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            while rows := cursor.fetchmany(_ROWS_AT_A_TIME):
                some = pl.DataFrame(rows, schema=list(schema), orient="row", infer_schema_length=None)
                frames.append(_typed(some, schema))
        return pl.concat(frames)


@contextmanager
def consistent_reader(using: str = DEFAULT_DB_ALIAS) -> Iterator[Reader]:
    """Yield a reader that sees one moment of the database (PostgreSQL: REPEATABLE READ, READ ONLY), until the block ends."""
    connection = connections[using]
    if connection.in_atomic_block or _is_in_memory(connection):
        yield DjangoReader(connection)
    elif connection.vendor == "postgresql":
        with closing(adbc_driver_postgresql.dbapi.connect(_libpq_conninfo(connection))) as link, closing(link.cursor()) as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield AdbcReader(cursor, connection.vendor)
    else:
        with closing(connection.copy()) as link:
            with link.cursor() as cursor:
                cursor.execute("BEGIN")  # deferred: it reads one moment, and never waits for who writes
            yield DjangoReader(link)


def seconds_sql(column: str, vendor: str) -> str:
    """Return SQL for the time in *column* that `Reader.frame` turns into seconds since 1970, microseconds kept.

    SQLite keeps times as text; its ``julianday`` would lose the last digits, and moments are compared exactly.
    """
    if vendor == "postgresql":
        return column
    fraction = f"CASE WHEN length({column}) > 19 THEN CAST('0' || substr({column}, 20) AS REAL) ELSE 0.0 END"
    return f"CAST(strftime('%s', {column}) AS REAL) + {fraction}"


def _typed(frame: pl.DataFrame, schema: Schema) -> pl.DataFrame:
    columns = []
    for (name, dtype), column in zip(schema.items(), frame.get_columns(), strict=True):
        if isinstance(column.dtype, pl.Datetime) and dtype == pl.Float64:
            values = column.dt.epoch("us").cast(pl.Float64) / 1e6
        else:
            values = column if column.dtype == dtype else column.cast(dtype)
        columns.append(values.alias(name))
    return pl.DataFrame(columns)


def _is_in_memory(connection: BaseDatabaseWrapper) -> bool:
    name = str(connection.settings_dict["NAME"])
    return connection.vendor == "sqlite" and (name == ":memory:" or "mode=memory" in name)


def _libpq_conninfo(connection: BaseDatabaseWrapper) -> str:
    """Return how to reach the very server that Django's connection reached.

    Host and port come from the live connection: the driver brings a libpq of its own, which looks for sockets elsewhere.
    """
    connection.ensure_connection()
    live = connection.connection.info
    parameters = {key: value for key, value in connection.get_connection_params().items() if key not in _NOT_LIBPQ}
    parameters |= {"host": live.host, "port": live.port, "user": live.user, "dbname": live.dbname}
    return make_conninfo("", **parameters)
