"""Pages by key: page 10,000 costs as much as page 1, since no page counts rows or steps over them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import OperationalError, connection, transaction
from django.db.models import BooleanField, F, Func, Model, QuerySet, Value
from psycopg.errors import QueryCanceled

from inventory.exceptions import InvalidInput, TooSlow

#: Rows up to which a list is counted; beyond, people read "more than 10,000".
COUNTED_UP_TO = 10_000

#: Milliseconds after which a page is given up, so that lists never keep a server busy: far beyond what indexed filters need.
PAGE_MS = 15_000

#: Milliseconds that the count of a filtered list may take beside its page.
COUNTING_MS = 100

#: What a column of eight bytes holds.
_LARGEST_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class KeysetPage:
    """Rows of a list in its order; ``next`` and ``previous`` are marks for the neighbouring pages, "" where there is none."""

    rows: list[Any]
    next: str
    previous: str


class _Beyond(Func):
    """``(field, key) > (value, key)`` as one comparison of rows: one range of an index."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, *expressions: Any, sign: str, **extra: Any) -> None:
        super().__init__(*expressions, sign=sign, **extra)

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        parts, parameters = [], []
        for expression in self.source_expressions:
            sql, values = compiler.compile(expression)
            parts.append(sql)
            parameters += values
        half = len(parts) // 2
        return f"({', '.join(parts[:half])}) {self.extra['sign']} ({', '.join(parts[half:])})", parameters


def keyset_page(rows: QuerySet[Any], *, order: str, mark: str = "", size: int) -> KeysetPage:
    """Return the page of *rows* that *mark* leads to, the first one without a mark.

    *order* is ``pk`` or a field of the model that is never null, with ``-`` for falling; ties go by primary key in the same
    direction. One query, of at most ``size + 1`` rows. Raises ``InvalidInput`` for a mark that is none, or of another order,
    ``TooSlow`` where PostgreSQL has not found the page within ``PAGE_MS``.
    """
    is_back, start = _read_mark(mark, order, rows.model)
    with _time_limit(PAGE_MS):
        page = list(_ordered(rows, order, start, is_back)[: size + 1])
    has_more = len(page) > size
    page = page[:size]
    if is_back:
        page.reverse()
    has_next, has_previous = (bool(page), has_more) if is_back else (has_more, bool(start) and bool(page))
    return KeysetPage(
        rows=page,
        next=_write_mark(order, page[-1], is_back=False) if has_next else "",
        previous=_write_mark(order, page[0], is_back=True) if has_previous else "",
    )


def keyset_batches(rows: QuerySet[Any], fields: tuple[str, ...], *, size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Yield the values of *fields* of all *rows* in the order of their keys, in lists of *size*, one query each."""
    last: int | None = None
    while True:
        some = rows.order_by("pk") if last is None else rows.filter(pk__gt=last).order_by("pk")
        batch = list(some.values_list("pk", *fields)[:size])
        if batch:
            yield [row[1:] for row in batch]
        if len(batch) < size:
            return
        last = batch[-1][0]


def bounded_count(rows: QuerySet[Any], *, up_to: int = COUNTED_UP_TO) -> tuple[int, bool]:
    """Return how many *rows* there are, and whether there are more; no more than *up_to* are counted."""
    found = rows.order_by().values("pk")[: up_to + 1].count()
    return min(found, up_to), found > up_to


def quick_count(rows: QuerySet[Any]) -> tuple[int, bool] | None:
    """Return ``bounded_count`` of *rows*, or None where counting takes PostgreSQL longer than a reader should wait."""
    try:
        with _time_limit(COUNTING_MS):
            return bounded_count(rows)
    except TooSlow:
        return None


@contextmanager
def _time_limit(milliseconds: int) -> Iterator[None]:
    """Let no statement inside take PostgreSQL longer; raise ``TooSlow`` instead."""
    if connection.vendor != "postgresql":
        yield
        return
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = {milliseconds}")
            yield
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise TooSlow("the list takes too long to find what fits: give a name, a site or another filter beside it") from error
        raise


def table_estimate(model: type[Model]) -> int | None:
    """Return about how many rows the table has, from PostgreSQL's own notes; None where they say too little to be of use."""
    if connection.vendor != "postgresql":
        return None
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples::bigint FROM pg_class WHERE oid = %s::regclass", [model._meta.db_table])
        found = cursor.fetchone()[0]
    if found <= COUNTED_UP_TO:
        return None
    digits = 10 ** max(len(str(found)) - 3, 0)
    return int(round(found / digits) * digits)


def _ordered(rows: QuerySet[Any], order: str, start: tuple[Any, ...], is_back: bool) -> QuerySet[Any]:
    name, is_falling = order.removeprefix("-"), order.startswith("-") != is_back
    names = ["pk"] if name == "pk" else [name, "pk"]
    if start:
        fields = [rows.model._meta.pk if part == "pk" else rows.model._meta.get_field(part) for part in names]
        values = [Value(value, output_field=field) for value, field in zip(start, fields, strict=True)]
        rows = rows.filter(_Beyond(*(F(part) for part in names), *values, sign="<" if is_falling else ">"))
    return rows.order_by(*(f"{'-' if is_falling else ''}{part}" for part in names))


def _write_mark(order: str, row: Model, *, is_back: bool) -> str:
    name = order.removeprefix("-")
    values = [row.pk] if name == "pk" else [getattr(row, name), row.pk]
    plain = [value.isoformat() if isinstance(value, datetime) else value for value in values]
    text = json.dumps([order, int(is_back), *plain], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_mark(mark: str, order: str, model: type[Model]) -> tuple[bool, tuple[Any, ...]]:
    """Return whether *mark* leads backwards, and the values of the row that it starts behind (none for the first page)."""
    if not mark:
        return False, ()
    name = order.removeprefix("-")
    fields = [model._meta.pk] if name == "pk" else [model._meta.get_field(name), model._meta.pk]
    try:
        written, is_back, *values = json.loads(base64.urlsafe_b64decode(mark + "=" * (-len(mark) % 4)))
        start = tuple(_typed(field, value) for field, value in zip(fields, values, strict=True))
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError, ValidationError) as error:
        raise InvalidInput(f"{mark[:60]!r} leads to no page: take the address from next or previous, or begin anew") from error
    if written != order:
        raise InvalidInput(f"the mark belongs to a list in the order {written!r}, not {order!r}: begin anew")
    return bool(is_back), start


def _typed(field: Any, value: Any) -> Any:
    typed = field.to_python(value)
    if typed is None or (isinstance(typed, int) and abs(typed) > _LARGEST_NUMBER):
        raise ValueError(f"{value!r} is no value of {field.name}")
    return typed
