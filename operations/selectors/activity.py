"""What was deleted when, for plots: files and bytes by outcome in equal intervals, out of sums by hour and what came since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from django.db.models import Sum, Value
from django.db.models.functions import TruncDay, TruncHour, TruncMinute

from operations.choices import ActivityOutcome, DeletionState
from operations.models import ActivityClock, ActivityHour, Attempt, Deletion

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)

#: (moment, site, outcome, files, bytes)
OutcomeSum = tuple[datetime, str, ActivityOutcome, int, int]


class ActivitySpan(StrEnum):
    """How far back a plot looks; a year of single hours would be nothing to look at."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"

    @property
    def label(self) -> str:
        return f"last {'24 hours' if self == ActivitySpan.DAY else self.value}"

    @property
    def interval(self) -> timedelta:
        return _INTERVALS[self][0]

    @property
    def num_intervals(self) -> int:
        return _INTERVALS[self][1]


_INTERVALS = {
    ActivitySpan.HOUR: (timedelta(minutes=2), 30),
    ActivitySpan.DAY: (_HOUR, 24),
    ActivitySpan.WEEK: (6 * _HOUR, 28),
    ActivitySpan.MONTH: (_DAY, 31),
    ActivitySpan.YEAR: (7 * _DAY, 53),
}


@dataclass(frozen=True, slots=True)
class Interval:
    """What was done from ``start`` on until the next interval begins; outcomes of which there was nothing are absent."""

    start: datetime
    files: dict[ActivityOutcome, int] = field(default_factory=dict)
    size_bytes: dict[ActivityOutcome, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Activity:
    """Intervals without a gap, oldest first; the last one is under way."""

    span: ActivitySpan
    site_name: str
    intervals: tuple[Interval, ...]

    def total_files(self, outcome: ActivityOutcome) -> int:
        return sum(one.files.get(outcome, 0) for one in self.intervals)

    def total_bytes(self, outcome: ActivityOutcome) -> int:
        return sum(one.size_bytes.get(outcome, 0) for one in self.intervals)


def activity(span: ActivitySpan, *, now: datetime, site_name: str = "") -> Activity:
    """Return what was done within *span* before *now*, at all sites or at one; a fixed number of queries, by index."""
    width, number = span.interval, span.num_intervals
    end = _floor(now, width) + width
    start = end - number * width
    found = [Interval(start + place * width) for place in range(number)]
    for at, _site, outcome, files, size in _sums(span, start, end, site_name):
        if start <= at < end:
            one = found[(at - start) // width]
            one.files[outcome] = one.files.get(outcome, 0) + files
            one.size_bytes[outcome] = one.size_bytes.get(outcome, 0) + size
    return Activity(span, site_name, tuple(found))


def outcomes_between(start: datetime, end: datetime, *, site_name: str = "", unit: type[Any] = TruncHour) -> Iterator[OutcomeSum]:
    """Yield the sums of what was finished from *start* to before *end*, out of the queue itself; *unit* is TruncHour or finer."""
    over = Deletion.objects.filter(finished_at__gte=start, finished_at__lt=end)
    failed = Attempt.objects.filter(recorded_at__gte=start, recorded_at__lt=end, files_failed__gt=0)
    if site_name:
        over, failed = over.filter(site_name=site_name), failed.filter(deletion__site_name=site_name)
    done, dropped = over.filter(state=DeletionState.DONE), over.filter(state=DeletionState.DROPPED)
    nothing = Value(0)
    for outcome, rows, at, site, files, size in (
        (ActivityOutcome.DELETED, done, "finished_at", "site_name", "files_deleted", Sum("bytes_deleted")),
        (ActivityOutcome.ABSENT, done.filter(files_absent__gt=0), "finished_at", "site_name", "files_absent", nothing),
        (ActivityOutcome.DROPPED, dropped, "finished_at", "site_name", "num_files", Sum("size_bytes")),
        (ActivityOutcome.FAILED, failed, "recorded_at", "deletion__site_name", "files_failed", nothing),
    ):
        grouped = rows.order_by().values_list(unit(at, tzinfo=UTC), site)
        for moment, name, num_files, size_bytes in grouped.annotate(of_files=Sum(files), of_bytes=size):
            yield moment, name, outcome, num_files, size_bytes


def _sums(span: ActivitySpan, start: datetime, end: datetime, site_name: str) -> Iterator[OutcomeSum]:
    if span == ActivitySpan.HOUR:
        yield from outcomes_between(start, end, site_name=site_name, unit=TruncMinute)
        return
    clock = ActivityClock.objects.filter(pk=1).first()
    summed_until = clock.summed_until if clock is not None and clock.summed_until is not None else start
    hours = ActivityHour.objects.filter(hour__gte=start, hour__lt=end)
    if site_name:
        hours = hours.filter(site_name=site_name)
    unit = TruncHour if span.interval < _DAY else TruncDay
    grouped = hours.order_by().values_list(unit("hour", tzinfo=UTC), "outcome")
    for at, outcome, files, size in grouped.annotate(files=Sum("num_files"), size=Sum("size_bytes")):
        yield at, "", ActivityOutcome(outcome), files, size
    yield from outcomes_between(max(start, summed_until), end, site_name=site_name)


def _floor(moment: datetime, width: timedelta) -> datetime:
    """Return the beginning of the interval that *moment* is in; those of a day and more begin at midnight UTC."""
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    if width >= _DAY:
        return midnight + _DAY - width
    return midnight + (moment - midnight) // width * width
