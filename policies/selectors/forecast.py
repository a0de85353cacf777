"""How fast protected data grow, and when they reach the quota at that rate: an estimate with its uncertainty, or "unknown".

Method. The growth is the Theil-Sen slope of the daily readings: the median of the slopes of all pairs of readings on different
days. Up to 29 % of the readings may be wild without moving it far, so that one bulk injection or clean-up does not decide it.
The range is the distribution-free confidence interval of that slope at 90 % (P. K. Sen, J. Am. Stat. Assoc. 63 (1968) 1379): with
n readings and N pairs, the slopes of rank (N - C) / 2 and (N + C) / 2 + 1 in order of size, C = 1.645 sqrt(n (n-1) (2n+5) / 18).
The day is counted from the last reading, (quota - protected) / growth days on; its range comes from the ends of the growth's.

What it does not know: readings of neighbouring days are not independent, so that the true range is somewhat wider; and it goes on
as before, whatever is planned. With fewer than 5 readings, or over less than 7 days, nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

#: Readings and days that are needed to say anything.
MIN_READINGS = 5
MIN_DAYS = 7.0
#: Normal quantile of a two-sided interval of 90 %.
_QUANTILE = 1.645


class Outlook(StrEnum):
    """What protected data at a site are heading for."""

    UNKNOWN = "unknown"
    NO_QUOTA = "no quota"
    REACHED = "reached"
    GROWING = "growing"
    STEADY = "steady"


@dataclass(frozen=True, slots=True)
class Growth:
    """Bytes per day: the estimate and the ends of its 90 % range."""

    per_day: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the quota is reached, in days from the last reading.

    ``days`` and ``earliest`` are None unless ``outlook`` is GROWING; ``latest`` is None also where the slow end of the range does
    not reach it at all.
    """

    outlook: Outlook
    days: float | None = None
    earliest: float | None = None
    latest: float | None = None


def growth_of(days: Sequence[float], size_bytes: Sequence[float]) -> Growth | None:
    """Return the growth of readings at *days* (days since any moment, ascending), None where there are too few.

    >>> growth_of([0, 2, 4, 6, 8], [10, 14, 18, 22, 26])
    Growth(per_day=2.0, low=2.0, high=2.0)
    """
    at, values = np.asarray(days, dtype=np.float64), np.asarray(size_bytes, dtype=np.float64)
    if len(at) < MIN_READINGS or at[-1] - at[0] < MIN_DAYS:
        return None
    first, second = np.triu_indices(len(at), k=1)
    apart = at[second] - at[first]
    slopes = np.sort((values[second] - values[first])[apart > 0] / apart[apart > 0])
    spread = _QUANTILE * math.sqrt(len(at) * (len(at) - 1) * (2 * len(at) + 5) / 18)
    low = max(math.floor((len(slopes) - spread) / 2), 0)
    high = min(math.ceil((len(slopes) + spread) / 2), len(slopes) - 1)
    return Growth(float(np.median(slopes)), float(slopes[low]), float(slopes[high]))


def forecast(*, quota_bytes: int, protected_bytes: int | None, growth: Growth | None) -> Forecast:
    """Return when *protected_bytes* reach *quota_bytes* at *growth*; negative quota = unlimited, 0 = none."""
    if quota_bytes <= 0:
        return Forecast(Outlook.NO_QUOTA)
    if protected_bytes is None:
        return Forecast(Outlook.UNKNOWN)
    room = quota_bytes - protected_bytes
    if room <= 0:
        return Forecast(Outlook.REACHED)
    if growth is None:
        return Forecast(Outlook.UNKNOWN)
    if growth.per_day <= 0:
        return Forecast(Outlook.STEADY)
    latest = room / growth.low if growth.low > 0 else None
    return Forecast(Outlook.GROWING, room / growth.per_day, room / growth.high, latest)


def forecast_text(found: Forecast) -> str:
    """Return when the quota is reached, in words with the range: ``in about 3 weeks (2 to 5)``."""
    if found.outlook is Outlook.GROWING and found.days is not None and found.earliest is not None:
        unit, length = _unit(found.days)
        latest = "open" if found.latest is None else _rounded(found.latest / length)
        return f"in about {_counted(found.days / length, unit)} ({_rounded(found.earliest / length)} to {latest})"
    return {
        Outlook.UNKNOWN: "unknown: too few readings",
        Outlook.NO_QUOTA: "there is no limit to reach",
        Outlook.REACHED: "now: protected data alone are over the quota",
        Outlook.STEADY: "not at this rate",
    }[found.outlook]


def _unit(days: float) -> tuple[str, float]:
    if days < 14:
        return "day", 1.0
    if days < 90:
        return "week", 7.0
    return ("month", 30.44) if days < 730 else ("year", 365.25)


def _rounded(value: float) -> str:
    return "over 100" if value > 100 else f"{value:.0f}" if value >= 1 else "under 1"


def _counted(value: float, unit: str) -> str:
    text = _rounded(value)
    return f"{text} {unit}{'' if text in ('1', 'under 1') else 's'}"
