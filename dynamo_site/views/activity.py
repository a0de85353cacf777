"""What was deleted when: columns over the last hour to the last year, by outcome, at all sites or at one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from dynamo_site.columns import Columns, columns_of
from inventory.selectors.sites import site_storage
from inventory.selectors.wording import count_text, size_text
from operations.choices import ActivityOutcome
from operations.selectors.activity import Activity, ActivitySpan, activity

#: Colour of the vocabulary for each outcome, from the foot of a column upwards.
KINDS = {
    ActivityOutcome.DELETED: "delete",
    ActivityOutcome.ABSENT: "ignored",
    ActivityOutcome.DROPPED: "kept",
    ActivityOutcome.FAILED: "failed",
}
_DATE_FORMATS = {
    ActivitySpan.HOUR: "%H:%M UTC",
    ActivitySpan.DAY: "%-d %b %H:%M",
    ActivitySpan.WEEK: "%-d %b %H:%M",
    ActivitySpan.MONTH: "%-d %b",
    ActivitySpan.YEAR: "%-d %b %Y",
}


@dataclass(frozen=True, slots=True)
class ActivityPicture:
    """Activity as two pictures and a table; the pictures are None where there is nothing to draw."""

    activity: Activity
    bytes_columns: Columns | None
    files_columns: Columns | None
    legend: tuple[tuple[str, str, str], ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


@require_safe
def activity_view(request: HttpRequest) -> HttpResponse:
    """Show the activity of ``?span=`` (hour, day, week, month, year) at ``?site=``."""
    if not request.user.has_perm("operations.view_deletion"):
        raise PermissionDenied("operations.view_deletion is needed.")
    word, site = request.GET.get("span", ""), request.GET.get("site", "").strip()
    span = ActivitySpan(word) if word in list(ActivitySpan) else ActivitySpan.DAY
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Activity of deletions",
        "picture": activity_picture(span, site_name=site),
        "spans": list(ActivitySpan),
        "sites": sorted(site_storage()),
        "site": site,
    }
    return TemplateResponse(request, "dynamo/activity.html", context)


def activity_picture(span: ActivitySpan, *, site_name: str = "") -> ActivityPicture:
    """Return the activity as pictures and as a table, newest interval first."""
    found = activity(span, now=timezone.now(), site_name=site_name)
    where = f"at {site_name}" if site_name else "at all sites"
    texts = [_total_text(found, outcome) for outcome in KINDS]
    said = f"{found.span.label}, {where}: {', '.join(texts)}"
    form = _DATE_FORMATS[span]
    by_bytes = [(one.start, [(KINDS[o], o.label, one.size_bytes.get(o, 0)) for o in KINDS]) for one in found.intervals]
    by_files = [(one.start, [(KINDS[o], o.label, one.files.get(o, 0)) for o in KINDS]) for one in found.intervals]
    return ActivityPicture(
        activity=found,
        bytes_columns=columns_of(by_bytes, summary=f"Bytes, {said}", number_text=size_text, date_format=form),
        files_columns=columns_of(by_files, summary=f"Files, {said}", number_text=count_text, unit=" files", date_format=form),
        legend=tuple((KINDS[outcome], outcome.label, text) for outcome, text in zip(KINDS, texts, strict=True)),
        rows=tuple(
            (
                one.start.strftime(form),
                (size_text(one.size_bytes.get(ActivityOutcome.DELETED, 0)), *(count_text(one.files.get(o, 0)) for o in KINDS)),
            )
            for one in reversed(found.intervals)
            if one.files
        ),
    )


def _total_text(found: Activity, outcome: ActivityOutcome) -> str:
    size = found.total_bytes(outcome)
    return f"{outcome.label} {_files_text(found.total_files(outcome))}{f', {size_text(size)}' if size else ''}"


def _files_text(number: int) -> str:
    return f"{count_text(number)} file{'' if number == 1 else 's'}"
