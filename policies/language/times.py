"""Moments in the words of GNU ``date -d``, in UTC, relative to a clock that is passed in; no process is started.

The grammar follows the manual page "Date input formats" of GNU coreutils; the results are compared with the
command itself in ``tests/unit/policies/language/test_times.py``. What the policy language refuses or warns about
although GNU date takes it (language page, section 2, "Time") is decided in ``time_parser``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum

_SECONDS_PER_DAY = 86400
_DAYS_PER_400_YEARS = 146097
_MONTH_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class Doubt(Enum):
    """Why a moment, though valid, is perhaps not the one that was meant."""

    FUTURE = "future"
    BARE_NUMBER = "bare number"
    ZONE_LETTER = "zone letter"


@dataclass(frozen=True, slots=True)
class Moment:
    """A parsed moment. Fields that are None come from the clock, or are midnight, as in GNU date.

    Equal moments compare equal whatever words they were written in.
    """

    text: str = field(compare=False)
    epoch: float | None = None
    year: int | None = None
    month: int | None = None
    day: int | None = None
    clock: tuple[int, int, float] | None = None
    zone_minutes: int | None = None
    weekday: tuple[int, int] | None = None
    months: int = 0
    days: int = 0
    seconds: float = 0
    is_relative: bool = False
    doubts: tuple[Doubt, ...] = field(default=(), compare=False)

    @property
    def moves_with_clock(self) -> bool:
        """Tell whether a later clock gives a later moment of the same distance (``tomorrow``, ``90 days ago``)."""
        return self.epoch is None and self.day is None

    def resolve(self, now: float) -> float:
        """Return the moment in seconds since 1970, UTC, for the clock *now* (same unit). Never fails on a parsed moment."""
        if self.epoch is not None:
            return self.epoch
        today, time_of_day = divmod(now, _SECONDS_PER_DAY)
        year, month, day = civil_from_days(math.floor(today))
        has_date = self.day is not None
        if self.day is not None and self.month is not None:
            year, month, day = (year if self.year is None else self.year), self.month, self.day
        if self.clock is not None:
            time_of_day = self.clock[0] * 3600 + self.clock[1] * 60 + self.clock[2]
        elif not self.is_relative or has_date or self.weekday is not None:
            time_of_day = 0
        days = days_from_civil(year, month, day)
        if self.weekday is not None and not has_date:
            days += _days_to_weekday(days, *self.weekday)
        if self.months:
            year, month, day = civil_from_days(days)
            years, month0 = divmod(month - 1 + self.months, 12)
            days = days_from_civil(year + years, month0 + 1, 1) + day - 1
        days += self.days
        return days * _SECONDS_PER_DAY + time_of_day + self.seconds - 60 * (self.zone_minutes or 0)


def _days_to_weekday(days: int, ordinal: int, number: int) -> int:
    """Return how far the weekday *number* is from the day *days*; ordinal 0 is the next one, today included."""
    today = (days + 4) % 7  # 1 January 1970 was a Thursday
    return (number - today) % 7 + 7 * (ordinal - (1 if ordinal > 0 and today != number else 0))


def days_from_civil(year: int, month: int, day: int) -> int:
    """Return the days since 1970-01-01 of a date of the proleptic Gregorian calendar, of any year."""
    shifted = year - (month <= 2)
    era, year_of_era = divmod(shifted, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * _DAYS_PER_400_YEARS + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468


def civil_from_days(days: int) -> tuple[int, int, int]:
    """Return year, month and day of a number of days since 1970-01-01."""
    era, day_of_era = divmod(days + 719468, _DAYS_PER_400_YEARS)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted_month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * shifted_month + 2) // 5 + 1
    month = (shifted_month + 2) % 12 + 1
    return era * 400 + year_of_era + (month <= 2), month, day


def month_length(year: int | None, month: int) -> int:
    """Return the days of a month; of February without a year those that it has in every year."""
    if month == 2 and year is not None and (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)):
        return 29
    return _MONTH_LENGTHS[month - 1]


def iso_text(moment: float) -> str:
    """Return a moment (s since 1970) as ``2026-01-01T00:00Z``, with seconds where it has some."""
    days, rest = divmod(math.floor(moment), _SECONDS_PER_DAY)
    year, month, day = civil_from_days(days)
    hour, minute, second = rest // 3600, rest // 60 % 60, rest % 60
    tail = f":{second:02}" if second else ""
    return f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}{tail}Z"
