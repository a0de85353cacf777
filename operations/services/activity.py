"""Sums up what was deleted hour by hour, so that a plot over a year reads thousands of rows and not millions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Min

from operations.models import ActivityClock, ActivityHour, Attempt, Deletion
from operations.selectors.activity import outcomes_between

#: An hour is summed up so long after its end: what was finished in it has been committed by then.
SETTLED_AFTER = timedelta(minutes=15)

#: So much is summed up in one turn: an installation that begins with a year of deletions takes it up week by week.
MOST_AT_ONCE = timedelta(days=7)


def activity_sum_up(*, now: datetime) -> int:
    """Sum up the hours that are over since the last time; return how many sums were written. Safe to run in any number at once.

    At most ``MOST_AT_ONCE`` of them, so that the next turn goes on; plots read what is not summed up yet from the queue itself.
    Rows of the queue may be forgotten only up to the moment to which this has come.
    """
    until = (now.astimezone(UTC) - SETTLED_AFTER).replace(minute=0, second=0, microsecond=0)
    with transaction.atomic():
        ActivityClock.objects.get_or_create(pk=1)
        clock = ActivityClock.objects.select_for_update().get(pk=1)
        since = clock.summed_until or _first_moment()
        if since is None or since >= until:
            return 0
        until = min(until, since + MOST_AT_ONCE)
        sums = [
            ActivityHour(hour=at, site_name=site, outcome=outcome, num_files=files, size_bytes=size)
            for at, site, outcome, files, size in outcomes_between(since, until)
            if files
        ]
        ActivityHour.objects.bulk_create(sums, batch_size=1000)
        clock.summed_until = until
        clock.save(update_fields=["summed_until"])
    return len(sums)


def _first_moment() -> datetime | None:
    """Return the beginning of the first hour in which anything was finished or failed."""
    moments = [
        Deletion.objects.aggregate(first=Min("finished_at"))["first"],
        Attempt.objects.filter(files_failed__gt=0).aggregate(first=Min("recorded_at"))["first"],
    ]
    known = [moment for moment in moments if moment is not None]
    return min(known).astimezone(UTC).replace(minute=0, second=0, microsecond=0) if known else None
