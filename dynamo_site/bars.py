"""Bars as numbers: where each part of a stacked bar begins and ends, in per cent of its width."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from inventory.selectors.wording import quota_text, share_text, size_text
from policies.selectors.occupancy import SiteBar
from policies.selectors.storage import StorageRow
from policies.selectors.watermarks import Watermarks


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a bar; ``kind`` is a word of the vocabulary; ``x`` and ``width`` in per cent."""

    kind: str
    label: str
    size_bytes: int
    x: float
    width: float

    @property
    def title(self) -> str:
        return f"{self.label}: {size_text(self.size_bytes)}"


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark across a bar at ``x`` per cent."""

    x: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A stacked bar with its marks; ``summary`` says it in one sentence for who cannot see it."""

    segments: tuple[Segment, ...]
    ticks: tuple[Tick, ...]
    quota_width: float
    ghost_width: float | None
    summary: str


@dataclass(frozen=True, slots=True)
class SiteDone:
    """What operations have done at a site of what a plan deletes there, in bytes.

    ``gone_bytes`` have left the site, ``aside_bytes`` lie in its trash; ``trash_bytes`` is all that lies there of the
    partition, of this plan and of earlier ones.
    """

    gone_bytes: int = 0
    aside_bytes: int = 0
    trash_bytes: int = 0

    @property
    def beside_bytes(self) -> int:
        """The trash of earlier plans: no part of what the cycle found."""
        return max(self.trash_bytes - self.aside_bytes, 0)


NOTHING_DONE = SiteDone()


def bar_scale(bars: Iterable[SiteBar], done: Mapping[str, SiteDone] | None = None) -> float:
    """Return the part of the quota that the right end of all these bars stands for: 1, or more where one is over its quota."""
    beside = {site: one.beside_bytes for site, one in (done or {}).items()}
    used = [(bar.bytes_before + beside.get(bar.site_name, 0)) / bar.quota_bytes for bar in bars if bar.quota_bytes > 0]
    return max([1.0, *used])


def occupancy_bar(bar: SiteBar, marks: Watermarks, *, scale: float = 1.0, done: SiteDone = NOTHING_DONE) -> Bar:
    """Return the bar of a site against its quota; without a quota the whole width is what is there.

    The trash of earlier plans stands behind all that the cycle found.
    """
    gone = min(done.gone_bytes, bar.deleted_bytes)
    aside = min(done.aside_bytes, bar.deleted_bytes - gone)
    whole = bar.quota_bytes * scale if bar.quota_bytes > 0 else max(bar.bytes_before + done.beside_bytes, 1)
    segments = _segments(
        [
            ("ignored", "ignored", bar.ignored_bytes),
            ("protected", "protected", bar.protected_bytes),
            ("kept", "kept", bar.kept_bytes),
            ("delete", "to delete", bar.deleted_bytes - gone - aside),
            ("deleted", "deleted", gone),
            ("trash", "in the trash", aside + done.beside_bytes),
        ],
        whole,
    )
    ticks: tuple[Tick, ...] = ()
    if bar.quota_bytes > 0:
        named = [*((m, "until") for m in marks.until), *((m, "when over") for m in marks.when)]
        ticks = tuple(Tick(round(100 * mark / scale, 3), f"{word} {share_text(mark)}") for mark, word in named if mark <= scale)
    ghost = None
    if bar.previous_bytes is not None:
        ghost = round(min(100.0, 100 * bar.previous_bytes / whole), 3)
    said = ", ".join(segment.title for segment in segments) or "empty"
    quota = f"{share_text(bar.fraction_before)} of {size_text(bar.quota_bytes)}" if bar.quota_bytes > 0 else "no limit"
    return Bar(segments, ticks, round(100 / scale, 3), ghost, f"{bar.site_name}: {quota}; {said}")


def storage_bar(row: StorageRow, trash_bytes: int) -> Bar:
    """Return what a partition has at a site by its latest reading, with its trash; the width is the quota, or more if over."""
    protected, kept, to_delete = row.protected_bytes or 0, row.kept_bytes or 0, row.to_delete_bytes or 0
    there = row.used_bytes + trash_bytes
    whole = max(row.quota_bytes, there, 1)
    rest = max(row.used_bytes - protected - kept - to_delete, 0)
    label = "unknown: no cycle" if row.protected_bytes is None else "ignored"
    parts = [("ignored", label, rest), ("protected", "protected", protected), ("kept", "deletable", kept)]
    segments = _segments([*parts, ("delete", "to delete", to_delete), ("trash", "in the trash", trash_bytes)], whole)
    said = ", ".join(segment.title for segment in segments) or "empty"
    quota_width = 100 * row.quota_bytes / whole if row.quota_bytes > 0 else 100.0
    return Bar(
        segments, (), round(quota_width, 3), None, f"{row.partition} at {row.site}, quota {quota_text(row.quota_bytes)}: {said}"
    )


def _segments(parts: Iterable[tuple[str, str, int]], whole: float) -> tuple[Segment, ...]:
    """Return the parts that are not empty, given as kind, label and bytes, one behind the other."""
    segments, x = [], 0.0
    for kind, label, size in parts:
        if size > 0:
            width = 100 * size / whole
            segments.append(Segment(kind, label, size, round(x, 3), round(width, 3)))
            x += width
    return tuple(segments)
