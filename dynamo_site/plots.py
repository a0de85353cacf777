"""Lines over time as numbers of a picture, 1000 wide and 240 high, drawn by the server: no script, no other host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from inventory.selectors.wording import size_text

_WIDTH, _HEIGHT = 1000.0, 240.0
#: Room above the highest value.
_HEADROOM = 1.08

#: A value at a moment; None: unknown, the line is broken there.
Point = tuple[datetime, float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """A line in a colour of the vocabulary (``used``, ``protected``, ``fit``, ``quota``); without a label it has no key."""

    kind: str
    label: str
    points: str


@dataclass(frozen=True, slots=True)
class GridLine:
    """A value of the vertical axis: ``at`` in the picture, ``percent`` of its height."""

    at: float
    percent: float
    label: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A picture: lines, bands of uncertainty, the axis, the moment of now (None: at the right end)."""

    summary: str
    lines: tuple[Line, ...]
    bands: tuple[str, ...]
    grid: tuple[GridLine, ...]
    dates: tuple[str, ...]
    now_x: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """What a line shows; a ``is_step`` one keeps its value until the next."""

    kind: str
    label: str
    points: Sequence[Point]
    is_step: bool = False


def plot_of(
    series: Sequence[Series],
    *,
    summary: str,
    bands: Sequence[Sequence[tuple[datetime, float]]] = (),
    now: datetime | None = None,
    end: datetime | None = None,
) -> Plot | None:
    """Return the picture of *series*, from their first moment to *end* (default: the last); None for nothing."""
    known = [(at, value) for one in series for at, value in one.points if value is not None]
    if not known:
        return None
    first = min(at for at, _ in known)
    last = max([end] if end is not None else [at for at, _ in known])
    highest = (
        max([value for _, value in known] + [value for band in bands for at, value in band if at <= last]) * _HEADROOM or 1.0
    )
    seconds = (last - first).total_seconds() or 1.0

    def place(at: datetime, value: float) -> str:
        x = _WIDTH * (at - first).total_seconds() / seconds
        return f"{min(max(x, 0.0), _WIDTH):.1f},{_HEIGHT * (1 - min(max(value, 0.0), highest) / highest):.1f}"

    lines = [
        Line(one.kind, one.label if number == 0 else "", " ".join(place(at, value) for at, value in part))
        for one in series
        for number, part in enumerate(_parts(one, last))
    ]
    fractions = (0.0, 0.5, 1.0)
    return Plot(
        summary=summary,
        lines=tuple(lines),
        bands=tuple(" ".join(place(at, value) for at, value in band) for band in bands),
        grid=tuple(
            GridLine(round(_HEIGHT * (1 - f), 1), round(100 * (1 - f), 1), size_text(int(highest * f))) for f in fractions
        ),
        dates=tuple(f"{first + (last - first) * f:%-d %b %Y}" for f in fractions),
        now_x=None if now is None or now >= last else round(_WIDTH * (now - first).total_seconds() / seconds, 1),
    )


def _parts(series: Series, last: datetime) -> list[list[tuple[datetime, float]]]:
    """Return the unbroken parts of a line; a step goes on to the right end."""
    parts: list[list[tuple[datetime, float]]] = [[]]
    for at, value in series.points:
        if value is None:
            if series.is_step and parts[-1]:
                parts[-1].append((at, parts[-1][-1][1]))
            parts.append([])
            continue
        if series.is_step and parts[-1]:
            parts[-1].append((at, parts[-1][-1][1]))
        parts[-1].append((at, value))
    if series.is_step and parts[-1]:
        parts[-1].append((last, parts[-1][-1][1]))
    return [part for part in parts if part]
