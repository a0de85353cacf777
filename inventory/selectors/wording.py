"""How a number, a size and a time read to a person: one wording for every screen, message and report.

Sizes are decimal (1 kB = 1,000 bytes), times are UTC. The ``..._html`` forms carry the exact value in ``title``;
whatever they are given is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")
#: Bytes of each unit that people may write: decimal ones, and binary ones by their own names.
BYTES_OF_UNIT: dict[str, int] = {unit: 1000**power for power, unit in enumerate(_UNITS)}
BYTES_OF_UNIT |= {f"{prefix}iB": 1024**power for power, prefix in enumerate("KMGTPE", start=1)}
_SIZE = re.compile(r"(?P<number>[0-9]{1,19}(?:\.[0-9]{1,19})?)[ \u00a0]*(?P<unit>[kmgtpe]?i?b)?", re.IGNORECASE | re.ASCII)
#: The largest number of bytes that the database holds.
_LARGEST_SIZE = 2**63 - 1

#: What is shown where there is nothing to show.
NOTHING = "—"


def size_text(size_bytes: int | None) -> str:
    """Return *size_bytes* with three significant digits and its decimal unit: ``12.3 TB``; ``—`` for None."""
    if size_bytes is None:
        return NOTHING
    sign, value = ("-" if size_bytes < 0 else ""), float(abs(size_bytes))
    if value < 1000:
        return f"{sign}{int(value)} B"
    step = 0
    # 999.5 rounds up to 1000, which belongs to the next unit.
    while value >= 999.5 and step < len(_UNITS) - 1:
        value /= 1000
        step += 1
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{sign}{value:.{digits}f} {_UNITS[step]}"


def size_from_text(text: str) -> int:
    """Return the bytes that *text* names: a number, or a number and a unit, as ``1.5 TB`` or ``12 TiB``; case does not matter.

    The one reader of sizes that people type, exact to the byte; policies have literals of their own, with the same units.
    Raises ``ValueError`` with what was expected.
    """
    found = _SIZE.fullmatch(text.strip().replace(",", "")) if len(text) <= 80 else None
    known = {name.lower(): factor for name, factor in BYTES_OF_UNIT.items()}
    factor = None if found is None else known.get((found["unit"] or "B").lower())
    if found is None or factor is None:
        raise ValueError(f"found {text[:40]!r}, expected bytes or a number with one of the units {', '.join(_UNITS)}, as 1.5 TB")
    size = Decimal(found["number"]) * factor
    if size > _LARGEST_SIZE:
        raise ValueError(f"found {text[:40]!r}, which is more than anything stored can have: at most {size_text(_LARGEST_SIZE)}")
    if size != int(size):
        raise ValueError(f"found {text[:40]!r}, which is no whole number of bytes")
    return int(size)


def size_html(size_bytes: int | None) -> SafeString:
    """Return ``size_text`` with the exact number of bytes on hover."""
    if size_bytes is None:
        return format_html("{}", NOTHING)
    return format_html('<span class="dy-num" title="{} bytes">{}</span>', f"{size_bytes:,}", size_text(size_bytes))


def quota_text(size_bytes: int | None) -> str:
    """Return a quota in words: negative is unlimited, None is no quota."""
    if size_bytes is None:
        return "no quota"
    return "unlimited" if size_bytes < 0 else size_text(size_bytes)


def count_text(number: int | None) -> str:
    """Return *number* with thousands separated by commas."""
    return NOTHING if number is None else f"{number:,}"


def plural(number: int, one: str, many: str | None = None) -> str:
    """Return the number with its noun: ``1 file``, ``1,204 files``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def some_of(names: Sequence[object], shown: int) -> str:
    """Return the first *shown* of *names*, and how many there are beyond: ``a, b and 3 more``."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(str(name) for name in names[:shown]) + more


def share_text(fraction: float | None) -> str:
    """Return a fraction as per cent: ``91 %``; below 1 % with one digit; ``—`` for None."""
    if fraction is None:
        return NOTHING
    percent = fraction * 100
    return f"{percent:.1f} %" if 0 < abs(percent) < 0.95 else f"{percent:.0f} %"


def exact_share_text(fraction: float) -> str:
    """Return a fraction that is held against a limit as per cent, to a hundredth: ``12.26 %``, ``15 %``."""
    return f"{f'{fraction * 100:.2f}'.rstrip('0').rstrip('.')} %"


def duration_text(duration: timedelta | None) -> str:
    """Return a duration in its two largest units at most: ``41 s``, ``2 h 5 min``, ``3 days``, ``2 days 1 h``."""
    if duration is None:
        return NOTHING
    seconds = int(abs(duration.total_seconds()))
    if seconds < 60:
        return f"{seconds} s" if seconds else "under 1 s"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86400:
        minutes = seconds % 3600 // 60
        return f"{seconds // 3600} h {minutes} min" if minutes else f"{seconds // 3600} h"
    days, hours = plural(seconds // 86400, "day"), seconds % 86400 // 3600
    return f"{days} {hours} h" if hours and seconds < 10 * 86400 else days


def when_text(moment: datetime | None, *, now: datetime | None = None) -> str:
    """Return the distance of *moment* from *now* in words: ``3 days ago``, ``in 4 min``.

    ``never`` for None and for 1970, as facts were kept before 0 was read as never.
    """
    if moment is None or moment.timestamp() <= 0:
        return "never"
    distance = (now or timezone.now()) - moment
    seconds = abs(distance.total_seconds())
    if seconds < 5:
        return "just now"
    if seconds >= 700 * 86400:
        words = plural(int(seconds // (365.25 * 86400)), "year")
    elif seconds >= 90 * 86400:
        words = plural(int(seconds // (30.44 * 86400)), "month")
    elif seconds >= 86400:
        words = plural(int(seconds // 86400), "day")
    else:
        words = duration_text(distance)
    return f"{words} ago" if distance >= timedelta(0) else f"in {words}"


def exact_text(moment: datetime | None) -> str:
    """Return *moment* in UTC to the second."""
    return NOTHING if moment is None else moment.astimezone(timezone.get_fixed_timezone(0)).strftime("%Y-%m-%d %H:%M:%S UTC")


def when_html(moment: datetime | None) -> SafeString:
    """Return ``when_text`` with the exact UTC on hover."""
    if moment is None or moment.timestamp() <= 0:
        return format_html("{}", "never")
    return format_html('<time datetime="{}" title="{}">{}</time>', moment.isoformat(), exact_text(moment), when_text(moment))


def badge_html(kind: str, text: str) -> SafeString:
    """Return *text* as a badge; *kind* is a word of the vocabulary in ``dynamo.css`` (protected, kept, delete, danger, ...)."""
    return format_html('<span class="dy-badge dy-is-{}">{}</span>', kind, text)


def chip_html(text: str) -> SafeString:
    """Return a name as a chip."""
    return format_html('<span class="dy-chip">{}</span>', text)
