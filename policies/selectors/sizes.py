"""Sizes as people type them, exact to the byte, and back."""

from __future__ import annotations

from inventory.selectors.wording import size_from_text
from policies.exceptions import QuotaInvalidError

#: Largest size that the database holds.
MAX_BYTES = 2**63 - 1
UNLIMITED = -1

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def size_parse(text: str) -> int:
    """Return the bytes that *text* means: ``100 TB``, ``1.5PB``, ``12 TiB``, ``123456`` (bytes); ``unlimited`` and ``-1`` are -1.

    >>> size_parse("100TB"), size_parse("0.5 kB"), size_parse("1 KiB"), size_parse("unlimited")
    (100000000000000, 500, 1024, -1)

    Raises `QuotaInvalidError` for what is no size, is no whole number of bytes, or is more than the database holds.
    """
    said = text.strip()
    if said.lower() == "unlimited" or said == "-1":
        return UNLIMITED
    try:
        return size_from_text(said)
    except ValueError as error:
        raise QuotaInvalidError(f"{text[:40]!r} is no size of a quota: {error}, or unlimited") from error


def exact_size_text(size_bytes: int) -> str:
    """Return *size_bytes* in the largest decimal unit in which it reads exactly; `size_parse` gives it back. Negative: unlimited.

    >>> exact_size_text(100 * 10**12), exact_size_text(1_500_000), exact_size_text(999), exact_size_text(-1)
    ('100 TB', '1.5 MB', '999 B', 'unlimited')
    """
    if size_bytes < 0:
        return "unlimited"
    step = min((len(str(size_bytes)) - 1) // 3, len(_DECIMAL) - 1)
    whole, rest = divmod(size_bytes, 1000**step)
    digits = str(rest).rjust(3 * step, "0").rstrip("0") if rest else ""
    return f"{whole}.{digits} {_DECIMAL[step]}" if digits else f"{whole} {_DECIMAL[step]}"
