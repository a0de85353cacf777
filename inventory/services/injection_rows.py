"""The row of an injection: whose turn it is, who lives, how far it is, how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from inventory.choices import InjectionState
from inventory.exceptions import InjectionCancelledError
from inventory.ingest.results import LoadResult, Progress
from inventory.models import Injection

#: Rejects that are kept with the injection.
_REJECTS_KEPT = 100

#: How often progress is written where somebody else can see it (s).
_PROGRESS_EVERY = 2.0

# Injections take turns on PostgreSQL: of two at once the later one compares with what the earlier one left.
_TURN = 0x64796E616D6F  # "dynamo"
# First of two keys, the second is the injection's.
_LIFE = 0x64796E61  # "dyna"


def take_turn() -> None:
    """Wait until no other injection writes, on PostgreSQL; until the transaction ends no other one does."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_TURN])


def show_life(injection_id: int) -> None:
    """Hold the injection's own lock until the transaction ends, however it ends."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [_LIFE, _life_key(injection_id)])


@contextmanager
def life_of_many_transactions(injection_id: int) -> Iterator[bool]:
    """Hold the injection's own lock as long as this process lives, or until the end; gives False if somebody else holds it.

    On a connection of its own, which ends with it: one of the pool would go back there with the lock. On SQLite nobody can hold
    one: gives True.
    """
    if connection.vendor != "postgresql":
        yield True
        return
    alone = connection.copy()
    alone.settings_dict["OPTIONS"] = {name: value for name, value in alone.settings_dict["OPTIONS"].items() if name != "pool"}
    key = [_LIFE, _life_key(injection_id)]
    try:
        with alone.cursor() as cursor:
            cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
            (is_mine,) = cursor.fetchone()
        try:
            yield bool(is_mine)
        finally:
            _let_go(alone)
    finally:
        alone.close()


def _let_go(alone: BaseDatabaseWrapper) -> None:
    """Give the lock back at once: closing tells the server, which does it in its own time. What broke has let go of it."""
    with suppress(DatabaseError), alone.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")


def is_dead(injection_id: int) -> bool:
    """Tell whether nobody works on an injection that should be running; inside a transaction.

    On SQLite whoever may write knows that no other transaction is open, so that only a document that is kept part by part may
    be alive between two of them; the caller has waited for that.
    """
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s, %s)", [_LIFE, _life_key(injection_id)])
        (is_free,) = cursor.fetchone()
    return bool(is_free)


def _life_key(injection_id: int) -> int:
    """Return the key within PostgreSQL's 32 bits; two running injections never lie so far apart that they share one."""
    return injection_id & 0x7FFFFFFF


def finish(injection: Injection, result: LoadResult, state: InjectionState, error: str) -> None:
    """Note how an injection ended."""
    injection.state = state
    injection.finished_at = timezone.now()
    injection.num_records = result.num_records
    injection.counts = result.counts.as_json() if state is InjectionState.COMPLETED or injection.is_dry_run else {}
    injection.rejects = rejects_kept(result)
    injection.num_rejects = result.num_rejects
    injection.error = error.replace("\x00", "\\x00")  # PostgreSQL takes no such character
    injection.save(update_fields=["state", "finished_at", "num_records", "counts", "rejects", "num_rejects", "error"])


def rejects_kept(result: LoadResult) -> list[dict[str, Any]]:
    """Return the first rejects as they are kept with the injection."""
    return [reject.as_json() for reject in result.rejects[:_REJECTS_KEPT]]


def fail(injection: Injection | None, message: str, state: InjectionState = InjectionState.FAILED) -> None:
    """Note the failure, if the database still answers; what is being raised matters more than this row."""
    if injection is None:
        return
    if not connection.in_atomic_block:
        connection.close_if_unusable_or_obsolete()
    fields = {"state": state, "finished_at": timezone.now(), "error": message}
    try:
        Injection.objects.filter(pk=injection.pk).update(**fields)
    except DatabaseError:
        connection.close()


def also_recorded(
    injection: Injection | None, on_progress: Callable[[Progress], None] | None
) -> Callable[[Progress], None] | None:
    """Return what passes progress on and, on PostgreSQL, also writes it to the injection's row for others to see.

    The load's own transaction shows nothing until its end, so this takes a connection of its own. SQLite has one writer:
    there the row says only that the injection runs.
    """
    if injection is None or connection.vendor != "postgresql":
        return on_progress
    last = time.monotonic()

    def note(progress: Progress) -> None:
        nonlocal last
        if on_progress is not None:
            on_progress(progress)
        if time.monotonic() - last < _PROGRESS_EVERY:
            return
        last = time.monotonic()
        aside = connection.copy()
        try:
            with aside.cursor() as cursor:
                cursor.execute(
                    "UPDATE inventory_injection SET num_records = %s, position_bytes = %s, length_bytes = %s "
                    "WHERE id = %s RETURNING cancelled_by",
                    [progress.num_records, progress.position, progress.length, injection.pk],
                )
                (cancelled_by,) = cursor.fetchone() or ("",)
        finally:
            aside.close()
        if cancelled_by:
            raise InjectionCancelledError(f"cancelled by {cancelled_by}; nothing was kept")

    return note


def cause(error: DatabaseError | OSError) -> str:
    """Return the first line of what a database or a disk said."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0] if text else 'no details'}"


def tail(source: str) -> str:
    """Return the end of a long source name, which tells more than its start."""
    return source[-(Injection._meta.get_field("source").max_length or len(source)) :]
