"""What ``make demo ONCE=1`` says at its end: plain text from plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from inventory.selectors.wording import plural, size_text

_WIDTH = 40


@dataclass(frozen=True, slots=True)
class SiteChange:
    """A site's bytes in the partition when the cycle looked, and now, both as the inventory counts them."""

    site_name: str
    quota_bytes: int
    bytes_before: int
    bytes_after: int


@dataclass(frozen=True, slots=True)
class Gone:
    """A dataset of which something was deleted at a site; ``rule`` with its line."""

    site_name: str
    dataset_name: str
    size_bytes: int
    num_blocks: int
    num_files: int
    rule: str


@dataclass(frozen=True, slots=True)
class Stayed:
    """A dataset that a rule or guardrail kept at a site, or that dropped out of the plan at the last moment."""

    site_name: str
    dataset_name: str
    size_bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class Summary:
    """One cycle with its deletions."""

    title: str
    marks: tuple[float, ...]
    sites: tuple[SiteChange, ...]
    gone: tuple[Gone, ...]
    stayed: tuple[Stayed, ...]
    storage_text: str


def summary_text(summary: Summary) -> str:
    """Return the summary as lines of text."""
    parts = [
        summary.title,
        "",
        *_occupancy_lines(summary),
        "",
        *_gone_lines(summary.gone),
        "",
        *_stayed_lines(summary.stayed),
        "",
        summary.storage_text,
    ]
    return "\n".join(parts)


def rule_text(line: int | None, text: str) -> str:
    """Return a rule with where it stands; line 0 is the default, a negative line is a guardrail, whose text says so itself."""
    if line is None or line < 0:
        return text
    return f"default: {text}" if line == 0 else f"line {line}: {text}"


def occupancy_bar(fraction: float, marks: Sequence[float]) -> str:
    """Return a bar of the part of a quota in use, with a tick at each mark; full width is the whole quota."""
    filled = round(min(max(fraction, 0.0), 1.0) * _WIDTH)
    cells = ["█"] * filled + ["·"] * (_WIDTH - filled)
    for mark in marks:
        if 0 <= mark < 1:
            cells[int(mark * _WIDTH)] = "┃"
    return "".join(cells)


def _occupancy_lines(summary: Summary) -> list[str]:
    marks = " and ".join(f"{mark * 100:.0f} %" for mark in summary.marks)
    lines = [f"Occupancy before and after (quota = 100 %{f'; ticks at {marks}' if marks else ''})"]
    for site in summary.sites:
        for when, size in (("before", site.bytes_before), ("after", site.bytes_after)):
            if site.quota_bytes <= 0:
                lines.append(f"  {site.site_name:<12} {when:<6}  no limit  {size_text(size)}")
                continue
            fraction = size / site.quota_bytes
            bar = f"{fraction * 100:5.1f} %  {occupancy_bar(fraction, summary.marks)}"
            lines.append(f"  {site.site_name:<12} {when:<6} {bar}  {size_text(size)} of {size_text(site.quota_bytes)}")
    return lines


def _gone_lines(gone: Sequence[Gone]) -> list[str]:
    if not gone:
        return ["Deleted: nothing."]
    total = sum(row.size_bytes for row in gone)
    files = sum(row.num_files for row in gone)
    blocks = sum(row.num_blocks for row in gone)
    lines = [f"Deleted: {plural(len(gone), 'dataset')}, {plural(blocks, 'block')}, {plural(files, 'file')}, {size_text(total)}"]
    lines += [f"  {row.site_name:<12} {row.dataset_name:<48} {size_text(row.size_bytes):>8}  {row.rule}" for row in gone]
    return lines


def _stayed_lines(stayed: Sequence[Stayed]) -> list[str]:
    lines = ["Kept by a rule at the sites that were too full:" if stayed else "Kept by a rule: nothing had to be."]
    lines += [f"  {row.site_name:<12} {row.dataset_name:<48} {size_text(row.size_bytes):>8}  {row.why}" for row in stayed]
    return lines
