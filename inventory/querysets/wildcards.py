"""``name__wildcard="/A/*/RAW"``: shell patterns in queries, as policies and locks mean them; parts of names."""

from __future__ import annotations

import re
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Lookup, TextField
from django.db.models.sql.compiler import SQLCompiler

_SPECIAL = re.compile(r"[*?]")


@TextField.register_lookup
@CharField.register_lookup
class Wildcard(Lookup):  # type: ignore[type-arg] # Lookup is generic only in the stubs
    """Match the whole text, case-sensitive; ``*`` is any run of characters, ``/`` included, ``?`` exactly one.

    A pattern without either is an equality, so that the index answers. On PostgreSQL the pattern becomes a LIKE,
    on SQLite a GLOB (its LIKE would ignore case). The pattern may be a column too: ``name__wildcard=F("pattern")``.
    """

    lookup_name = "wildcard"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        if not self.rhs_is_direct_value():
            written, more = self.process_rhs(compiler, connection)
            return _fits_column(column, written, connection.vendor), [*parameters, *more]
        pattern = str(self.rhs)
        if not _SPECIAL.search(pattern):
            return f"{column} = %s", [*parameters, pattern]
        if connection.vendor == "sqlite":
            return f"{column} GLOB %s", [*parameters, pattern.replace("[", "[[]")]
        return f"{column} LIKE %s", [*parameters, _escaped(pattern).replace("*", "%").replace("?", "_")]


@TextField.register_lookup
@CharField.register_lookup
class Part(Lookup):  # type: ignore[type-arg] # as above
    """Match texts that contain this one, whatever the case (of ASCII letters on SQLite).

    As ILIKE on PostgreSQL, which an index of trigrams answers; Django's ``icontains`` compares ``UPPER(...)``, which it does not.
    """

    lookup_name = "part"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        word = "LIKE" if connection.vendor == "sqlite" else "ILIKE"
        return f"{column} {word} %s ESCAPE '\\'", [*parameters, f"%{_escaped(str(self.rhs))}%"]


def _escaped(text: str) -> str:
    return re.sub(r"([\\%_])", r"\\\1", text)


def _fits_column(column: str, pattern: str, vendor: str) -> str:
    """Return SQL for *column* fits the pattern that stands in the column *pattern*; percent signs are doubled for Django."""
    if vendor == "sqlite":
        return f"{column} GLOB replace({pattern}, '[', '[[]')"
    for old, new in (("\\", "\\\\"), ("%%", "\\%%"), ("_", "\\_"), ("*", "%%"), ("?", "_")):
        pattern = f"replace({pattern}, '{old}', '{new}')"
    return f"{column} LIKE {pattern}"
