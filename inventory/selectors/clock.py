"""The one clock of an installation: that of the database, whatever the clocks of its hosts say.

Leases, locks, expiries and the end of the trash are compared by it: a host whose clock is ahead would take back leases of
living workers, delete what is locked until tomorrow, and purge what is to be kept for a week.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

_MILLISECOND = 0.001
#: Goes on while the host is suspended, where there is such a clock.
_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def database_now() -> datetime:
    """Return the time (UTC) of the database's server; that of this host where the database is a file of it."""
    if connection.vendor != "postgresql":
        return timezone.now()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        (now,) = cursor.fetchone()
    found: datetime = now
    return found


class DatabaseClock:
    """Tells the time of the database: asks for it once in *seconds*, and counts on from there by the host's steady clock.

    What it says is up to a millisecond old: it is asked before each of ten thousand files.
    """

    def __init__(self, *, seconds: float = 1.0) -> None:
        self._seconds = seconds
        self._step = min(_MILLISECOND, seconds)
        self._now, self._asked_at = database_now(), time.clock_gettime(_STEADY)
        self._told, self._told_at = self._now, self._asked_at

    def __call__(self) -> datetime:
        steady = time.clock_gettime(_STEADY)
        if steady - self._told_at < self._step:
            return self._told
        passed = steady - self._asked_at
        if passed >= self._seconds:
            self._now, self._asked_at, passed = database_now(), time.clock_gettime(_STEADY), 0.0
        self._told, self._told_at = self._now + timedelta(seconds=passed), steady
        return self._told
