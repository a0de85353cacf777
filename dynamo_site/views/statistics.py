"""What is stored, summed up: stacked bars whose parts are links, and the same as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.views.decorators.http import require_http_methods

from dynamo_site.tasks import count_statistics
from inventory.choices import StatisticsBasis, StatisticsDimension
from inventory.selectors.statistics import Statistics, StatisticsRow, default_split, statistics
from inventory.selectors.wording import size_text

#: Bars that are drawn; the table has all rows.
BARS_SHOWN = 30

#: Where a click on a row leads: what it is asked by next.
_NEXT = {
    StatisticsDimension.TIER: StatisticsDimension.SITE,
    StatisticsDimension.SITE: StatisticsDimension.TIER,
    StatisticsDimension.GROUP: StatisticsDimension.TIER,
    StatisticsDimension.STATUS: StatisticsDimension.TIER,
    StatisticsDimension.RELEASE: StatisticsDimension.TIER,
    StatisticsDimension.DATA_TYPE: StatisticsDimension.TIER,
}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a bar in per cent of its width; ``number`` is that of its colour, from 1."""

    number: int
    title: str
    x: float
    width: float
    link: str


@dataclass(frozen=True, slots=True)
class BarRow:
    """A row of the table with its bar; ``link`` narrows the page to it."""

    row: StatisticsRow
    parts: tuple[Part, ...]
    link: str


@require_http_methods(["GET", "HEAD", "POST"])
def statistics_view(request: HttpRequest) -> HttpResponse:
    """Show the sums of the last count; POST asks the workers for a new one."""
    if not request.user.has_perm("inventory.view_dataset"):
        raise PermissionDenied("inventory.view_dataset is needed.")
    if request.method == "POST":
        count_statistics.delay()
        messages.info(request, "A worker counts the inventory anew; load the page again in a moment.")
        return redirect(request.get_full_path())
    asked = request.GET
    by = _chosen(StatisticsDimension, asked.get("by"), StatisticsDimension.TIER)
    split = _chosen(StatisticsDimension, asked.get("split"), default_split(by))
    split = default_split(by) if split == by else split
    basis = _chosen(StatisticsBasis, asked.get("basis"), StatisticsBasis.PHYSICAL)
    wanted = {dimension: asked[dimension].strip() for dimension in StatisticsDimension if asked.get(dimension, "").strip()}
    found = statistics(by=by, split=split, basis=basis, wanted=wanted)
    page = {"by": by.value, "split": split.value, "basis": basis.value, **{k.value: v for k, v in wanted.items()}}
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Statistics",
        "found": found,
        "bars": _bars(found, page),
        "bars_shown": BARS_SHOWN,
        "dimensions": StatisticsDimension,
        "bases": StatisticsBasis,
        "fields": [(dimension, wanted.get(dimension, "")) for dimension in StatisticsDimension],
        "narrowed": [(d.label, pattern, _link(page, **{d.value: ""})) for d, pattern in wanted.items()],
        "legend": list(enumerate(found.part_names, start=1)),
    }
    return TemplateResponse(request, "dynamo/statistics.html", context)


def _chosen(choices: type[Any], word: str | None, default: Any) -> Any:
    return choices(word) if word in choices.values else default


def _link(page: dict[str, str], **changes: str) -> str:
    return "?" + urlencode({name: value for name, value in {**page, **changes}.items() if value})


def _bars(found: Statistics, page: dict[str, str]) -> list[BarRow]:
    longest = max((row.size_bytes for row in found.rows), default=0) or 1
    following = _NEXT[found.by]
    bars = []
    for row in found.rows:
        name = row.value or "(none)"
        # The empty value cannot be a pattern: its row leads nowhere.
        narrowed = {**page, found.by.value: row.value, "by": following.value, "split": default_split(following).value}
        parts, x = [], 0.0
        for number, (part, size) in enumerate(zip(found.part_names, row.parts, strict=True), start=1):
            if size > 0:
                width = 100 * size / longest
                title = f"{name}, {found.split.label} {part or '(none)'}: {size_text(size)}"
                is_one = bool(part) and number <= len(found.part_names) and part != "others"
                link = _link({**narrowed, found.split.value: part}) if is_one and row.value else ""
                parts.append(Part(number, title, round(x, 3), round(width, 3), link))
                x += width
        bars.append(BarRow(row, tuple(parts), _link(narrowed) if row.value else ""))
    return bars
