"""What happened to this dataset? Copies, locks, plans, deletions and acts in one page."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from dynamo_site.decided import repeated_decisions
from inventory.selectors.datasets_overview import dataset_copies, dataset_key, dataset_locks, datasets_named
from operations.choices import DeletionState
from operations.selectors.overview import dataset_deletions
from policies.selectors.cycles_overview import dataset_in_plans
from policies.selectors.decisions import cycles_on_file, decisions_on_dataset

#: Names offered when a pattern fits more than one dataset.
MAX_NAMES = 50
#: Cycles whose decisions one page looks through; each has a file of its own.
CYCLES_A_PAGE = 100


@require_safe
def history_view(request: HttpRequest) -> HttpResponse:
    """Show the history of the dataset ``?dataset=``; a pattern or part of a name lists what fits.

    A dataset that the inventory has forgotten still has its plans and deletions.
    """
    for permission in ("inventory.view_dataset", "policies.view_cycle", "operations.view_deletion"):
        if not request.user.has_perm(permission):
            raise PermissionDenied(f"{permission} is needed.")
    term = request.GET.get("dataset", "").strip()
    context: dict[str, Any] = {**admin.site.each_context(request), "title": "What happened to…", "term": term}
    if term:
        key = dataset_key(term)
        planned, deletions = dataset_in_plans(term), dataset_deletions(term)
        if key is not None or planned or deletions:
            context |= {
                "dataset": term,
                "key": key,
                "copies": dataset_copies(key) if key is not None else [],
                "locks": dataset_locks(term),
                **_decided(term, request.GET.get("before", "")),
                "planned": planned,
                "deletions": deletions,
                "last_done": next((row for row in deletions if row.state == DeletionState.DONE), None),
            }
        else:
            names = datasets_named(term, limit=MAX_NAMES + 1)
            context |= {"names": names[:MAX_NAMES], "has_more": len(names) > MAX_NAMES}
    return TemplateResponse(request, "dynamo/history.html", context)


def _decided(dataset: str, before: str) -> dict[str, Any]:
    """Return what cycles decided on the dataset, those with a smaller key than *before* where it is one, the latest first."""
    wanted = int(before) if before.isascii() and before.isdecimal() and len(before) < 19 else None
    cycles = cycles_on_file(before=wanted, num_cycles=CYCLES_A_PAGE + 1)
    shown = cycles[:CYCLES_A_PAGE]
    return {
        "decided": repeated_decisions(decisions_on_dataset(dataset, shown)),
        "looked_at": shown,
        "is_latest": wanted is None,
        "earlier": shown[-1].pk if len(cycles) > len(shown) else None,
    }
