"""Is there enough storage? What each partition has at each site, how fast it grows, and when protected data reach the quota."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dynamo_site.plots import Plot, Series, plot_of
from dynamo_site.stored import Prospect, partition_needs, rows_found, stored
from policies.selectors.forecast import Outlook, forecast_text
from policies.selectors.storage import DayReading, StorageRow, storage_days, storage_rows

#: What the plots look back.
LOOK_BACK = timedelta(days=90)
#: What they look ahead at most.
LOOK_AHEAD = timedelta(days=90)
#: Rows of a page.
ROWS_SHOWN = 25


@require_safe
def storage_view(request: HttpRequest) -> HttpResponse:
    """Show all partitions and sites, a page at a time, or the partition ``?partition=`` (and ``?site=``) with its plot.

    ``?q=`` finds by name, ``?outlook=`` by what protected data are heading for.
    """
    if not request.user.has_perm("policies.view_partition"):
        raise PermissionDenied("policies.view_partition is needed.")
    partition, site = request.GET.get("partition", "").strip(), request.GET.get("site", "").strip()
    found = stored(partition=partition, site=site)
    rows = [one.row for one in found.rows]
    term, outlook = request.GET.get("q", "").strip(), request.GET.get("outlook", "").strip()
    named = rows_found(found.rows, term)
    fitting = [one for one in named if not outlook or one.prospect == outlook]
    pages = Paginator(fitting, ROWS_SHOWN)
    kept = {"partition": partition, "site": site, "q": term}
    numbers = Counter(one.prospect for one in named)
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Is there enough storage?",
        "partition": partition,
        "site": site,
        "page": pages.get_page(request.GET.get("page")),
        "query": _query(**kept, outlook=outlook),
        "term": term,
        "outlook": outlook,
        "problem": "" if outlook in ("", *Prospect) else f"there is no outlook {outlook!r}: choose one of those above",
        "needs": [] if partition or site or term or outlook else partition_needs(found.rows),
        "prospects": [
            (word, numbers[word], _query(**kept, outlook=word)) for word in Prospect if numbers[word] or word == outlook
        ],
        "num_named": len(named),
        "all_outlooks": _query(**kept),
        "has_rows": bool(rows),
        "other_trash": found.other_trash,
        "plot": _plot(rows, site=site) if partition and rows else None,
    }
    return TemplateResponse(request, "dynamo/storage.html", context)


def _query(**fields: str) -> str:
    """Return the query string of the fields that say something, with its question mark."""
    return f"?{urlencode({name: value for name, value in fields.items() if value})}"


def _plot(rows: list[StorageRow], *, site: str) -> Plot | None:
    now = timezone.now()
    name = f"{rows[0].partition} at {site}" if site else f"{rows[0].partition}, all sites"
    days = storage_days(partition_id=rows[0].partition_id, site=site, since=now - LOOK_BACK)
    series = [
        Series("quota", "quota", [(_at(day), float(day.quota_bytes)) for day in days if day.quota_bytes >= 0], is_step=True),
        Series("used", "used", [(_at(day), float(day.used_bytes)) for day in days]),
        Series(
            "protected", "protected", [(_at(day), float(day.protected_bytes)) for day in days if day.protected_bytes is not None]
        ),
    ]
    row = rows[0] if site else None
    bands: list[list[tuple[datetime, float]]] = []
    end = None
    if row is not None and row.growth is not None and row.protected_bytes is not None and days:
        start, first, ahead = _at(days[-1]), float(row.protected_bytes), LOOK_AHEAD.days
        end = start + LOOK_AHEAD
        last = {slope: max(first + slope * ahead, 0.0) for slope in (row.growth.per_day, row.growth.low, row.growth.high)}
        bands = [[(start, first), (end, last[row.growth.high]), (end, last[row.growth.low])]]
        series.append(Series("fit", "protected, at this rate", [(start, first), (end, last[row.growth.per_day])]))
    return plot_of(series, summary=f"{name}: quota, used and protected bytes of the last days", bands=bands, now=now, end=end)


def _at(day: DayReading) -> datetime:
    return datetime.combine(day.day, time(12), tzinfo=UTC)


def storage_warnings() -> list[str]:
    """Return a sentence for each partition and site whose protected data reach the quota soon."""
    return [
        f"{row.site}: protected data of {row.partition} "
        + (
            "are over the quota: no cycle can get below it"
            if row.forecast.outlook is Outlook.REACHED
            else f"reach the quota {forecast_text(row.forecast)}"
        )
        for row in storage_rows()
        if row.is_warning
    ]
