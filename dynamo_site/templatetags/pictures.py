"""Small pictures drawn by the server: bars of sums, bars of what one may point at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django import template
from django.template.defaultfilters import pluralize

register = template.Library()

#: What a value without a name is called.
NAMELESS = "none"
#: Values of one property that can be pointed at; others are named in a field.
MOST_FACETS = 60


@register.inclusion_tag("dynamo/sum_bars.html")
def sum_bars(rows: Sequence[Mapping[str, Any]], most: int = 8) -> dict[str, Any]:
    """Bars of ``{name, size_bytes, items, datasets}``, the largest first; what is over *most* is one bar."""
    shown = [_bar(row["name"], row["size_bytes"], row["datasets"]) for row in rows[:most]]
    if rest := rows[most:]:
        label = f"{len(rest)} other{pluralize(len(rest))}"
        shown.append(_bar(label, sum(row["size_bytes"] for row in rest), sum(row["datasets"] for row in rest)))
    peak = max((row["size_bytes"] for row in shown), default=0)
    return {"rows": [row | {"width": 100 * row["size_bytes"] / peak if peak else 0} for row in shown]}


@register.inclusion_tag("dynamo/campaigns/facet.html")
def facet_bars(name: str, label: str, facets: Sequence[Any], most: int = 8) -> dict[str, Any]:
    """Bars that one may point at: all that the text looks at, and in it what would go."""
    peak = max((facet.size_bytes for facet in facets), default=0)
    rows = [
        {
            "facet": facet,
            "label": facet.name or NAMELESS,
            "can_be_picked": bool(facet.name),
            "width": 100 * facet.size_bytes / peak if peak else 0,
            "going": 100 * facet.going_bytes / peak if peak else 0,
        }
        for facet in facets[:MOST_FACETS]
    ]
    return {
        "name": name,
        "label": label,
        "rows": rows[:most],
        "more": rows[most:],
        "num_unseen": max(0, len(facets) - MOST_FACETS),
        "can_be_left_out": name in ("tier", "era", "site"),
    }


def _bar(name: str, size_bytes: int, datasets: int) -> dict[str, Any]:
    return {"name": name or NAMELESS, "size_bytes": size_bytes, "datasets": datasets}
