"""Whose turn it is to decide what may be deleted: one claim at a time, and whoever must not meet one."""

from __future__ import annotations

from django.db import connection

from operations.constants import CLAIM_ADVISORY_LOCK


def take_turn() -> None:
    """Wait until no other claim decides, and keep them waiting until the transaction ends. SQLite has one writer anyway."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [CLAIM_ADVISORY_LOCK])
