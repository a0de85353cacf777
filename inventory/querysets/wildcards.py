"""``name__wildcard="/A/*/RAW"``: shell patterns in queries, with the meaning that policies and locks give them."""

from __future__ import annotations

import re
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import CharField, Lookup
from django.db.models.sql.compiler import SQLCompiler

_SPECIAL = re.compile(r"[*?]")


@CharField.register_lookup
class Wildcard(Lookup):  # type: ignore[type-arg] # Lookup is generic only in the stubs
    """Match the whole text, case-sensitive; ``*`` is any run of characters, ``/`` included, ``?`` exactly one.

    A pattern without either is an equality, so that the index answers. On PostgreSQL the pattern becomes a LIKE,
    on SQLite a GLOB (its LIKE would ignore case).
    """

    lookup_name = "wildcard"
    prepare_rhs = False

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
        column, parameters = self.process_lhs(compiler, connection)
        pattern = str(self.rhs)
        if not _SPECIAL.search(pattern):
            return f"{column} = %s", [*parameters, pattern]
        if connection.vendor == "sqlite":
            return f"{column} GLOB %s", [*parameters, pattern.replace("[", "[[]")]
        escaped = re.sub(r"([\\%_])", r"\\\1", pattern)
        return f"{column} LIKE %s", [*parameters, escaped.replace("*", "%").replace("?", "_")]
