"""Stacked columns over time as numbers of a picture, 1000 wide and 160 high, drawn by the server like the lines of `plots`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

_WIDTH, _HEIGHT = 1000.0, 160.0
#: Part of a column's place that it fills.
_FILLED = 0.86
#: Where an axis ends: at one of these times a power of ten.
_ROUND = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a column in a colour of the vocabulary, with what it says on hover."""

    kind: str
    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, slots=True)
class Columns:
    """A picture with its axis: ``grid`` is (place, per cent of the height, label), ``dates`` the labels below."""

    summary: str
    parts: tuple[Part, ...]
    grid: tuple[tuple[float, float, str], ...]
    dates: tuple[str, ...]


def columns_of(
    columns: Sequence[tuple[datetime, Sequence[tuple[str, str, int]]]],
    *,
    summary: str,
    number_text: Callable[[int], str],
    unit: str = "",
    date_format: str,
) -> Columns | None:
    """Return the picture of *columns*: (beginning, parts as (kind, label, number)); None where all are empty."""
    largest = max((sum(number for _, _, number in parts) for _, parts in columns), default=0)
    if not largest:
        return None
    highest = _axis_end(largest)
    step = _WIDTH / len(columns)
    drawn = []
    for place, (at, parts) in enumerate(columns):
        below = 0.0
        for kind, label, number in parts:
            if number > 0:
                height = _HEIGHT * number / highest
                title = f"{at.strftime(date_format)}: {number_text(number)}{unit} {label}"
                x, y = step * (place + (1 - _FILLED) / 2), _HEIGHT - below - height
                drawn.append(Part(kind, round(x, 1), round(y, 2), round(step * _FILLED, 1), round(height, 2), title))
                below += height
    fractions = (0.0, 0.5, 1.0)
    shown = [columns[0][0], columns[len(columns) // 2][0], columns[-1][0]]
    return Columns(
        summary=summary,
        parts=tuple(drawn),
        grid=tuple((round(_HEIGHT * (1 - f), 1), round(100 * (1 - f), 1), number_text(int(highest * f))) for f in fractions),
        dates=tuple(at.strftime(date_format) for at in shown),
    )


def _axis_end(largest: int) -> float:
    """Return the round number at which the axis ends, so that half of it is a number to read, too."""
    power = 10.0 ** math.floor(math.log10(largest))
    return next(power * factor for factor in _ROUND if power * factor >= largest)
