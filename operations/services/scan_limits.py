"""How scans go about it; an installation chooses by the settings ``DYNAMO_SCAN_...``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """Limits of storage scans.

    - ``dark_age``: a dark file counts when two scans that are at least so long apart saw it, and it is itself older;
    - ``dark_fraction``, ``missing_fraction``: parts (not per cent) of a site; what is more holds the scan for a person;
    - ``files_per_second``: entries of lists and looks at files, on average; 0: no limit;
    - ``applies_missing``: files that are missing leave the inventory without a person, where no limit holds the scan;
    - ``folder_attempts``: so often a folder that cannot be listed is tried;
    - ``lease``: a worker that is silent for so long loses the scan to another.
    """

    dark_age: timedelta = timedelta(days=28)
    dark_fraction: Decimal = Decimal("0.01")
    missing_fraction: Decimal = Decimal("0.01")
    files_per_second: float = 0
    applies_missing: bool = False
    folder_attempts: int = 3
    lease: timedelta = timedelta(seconds=120)


def scan_limits_from_settings() -> ScanLimits:
    """Return the limits that the installation has set. Raises ``ImproperlyConfigured`` for what is not allowed."""
    days, rate = settings.DYNAMO_SCAN_DARK_DAYS, settings.DYNAMO_SCAN_FILES_PER_SECOND
    if not 1 <= days <= 3650:
        raise ImproperlyConfigured(f"DYNAMO_SCAN_DARK_DAYS is {days}; expected 1 to 3650 days")
    if rate < 0:
        raise ImproperlyConfigured(f"DYNAMO_SCAN_FILES_PER_SECOND is {rate}; expected 0 (no limit) or a positive number")
    return ScanLimits(
        dark_age=timedelta(days=days),
        dark_fraction=_fraction("DYNAMO_SCAN_DARK_FRACTION"),
        missing_fraction=_fraction("DYNAMO_SCAN_MISSING_FRACTION"),
        files_per_second=rate,
        applies_missing=settings.DYNAMO_SCAN_APPLIES_MISSING,
        lease=timedelta(seconds=settings.DYNAMO_DELETION_LEASE_SECONDS),
    )


def _fraction(name: str) -> Decimal:
    value = Decimal(str(getattr(settings, name)))
    if not 0 <= value < 1:
        raise ImproperlyConfigured(f"{name} is {value}; expected a part from 0 to below 1: 1 % is 0.01")
    return value


def exceeds(part: int, whole: int, fraction: Decimal) -> bool:
    """Tell whether *part* is more than this part of *whole*, exactly: what is just that much does not exceed it.

    >>> exceeds(1, 100, Decimal("0.01")), exceeds(2, 199, Decimal("0.01"))
    (False, True)
    """
    return Decimal(part) > fraction * whole
