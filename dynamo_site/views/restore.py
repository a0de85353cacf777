"""Bringing back what was deleted: a plan, a site, a dataset, a block or a file in; what fits is shown, then asked for."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from dynamo_site.views.acts import REFUSALS
from inventory.exceptions import InvalidInput
from inventory.selectors.wording import plural
from inventory.services.audit import Actor
from operations.services.restore_preview import restore_preview
from operations.services.restoring import RestoreWanted, restore_request

#: Field of the form, its label and what it hints at.
FIELDS = (
    ("plan", "Plan", "its number"),
    ("site", "Site", "T2_US_MIT"),
    ("dataset", "Dataset", "/A/B/C, or /A/B/C#block"),
    ("file", "File", "its logical name"),
)


@require_http_methods(["GET", "POST"])
def restore_view(request: HttpRequest) -> HttpResponse:
    """Show what fits the names in the address, can come back or not (GET), or ask for it, with a reason (POST).

    403 without ``operations.view_trash``. After asking, the same page shows what becomes of it.
    """
    if not request.user.has_perm("operations.view_trash"):
        raise PermissionDenied("operations.view_trash is needed.")
    given = {name: (request.POST.get(name) or request.GET.get(name, "")).strip() for name, _, _ in FIELDS}
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Bring back what was deleted",
        "fields": [(name, label, hint, given[name]) for name, label, hint in FIELDS],
        "given": {name: value for name, value in given.items() if value},
        "reason": request.POST.get("reason", ""),
    }
    problem, wanted = "", RestoreWanted()
    try:
        wanted = _wanted(given)
        if request.method == "POST":
            return _asked(request, wanted, given)
    except REFUSALS as refusal:
        problem = str(refusal)
    if wanted != RestoreWanted():
        context["preview"] = restore_preview(wanted=wanted)
    context["problem"] = problem
    return TemplateResponse(request, "dynamo/restore.html", context, status=409 if problem else 200)


def _asked(request: HttpRequest, wanted: RestoreWanted, given: dict[str, str]) -> HttpResponse:
    reason = request.POST.get("reason", "")
    asked = restore_request(wanted=wanted, actor=Actor.of(request.user), reason=reason, now=timezone.now())
    if asked.trash_ids:
        messages.success(
            request,
            f"{plural(len(asked.trash_ids), 'block replica')} asked back: workers bring them within moments, each file checked. "
            "This page shows what became of them.",
        )
    if asked.left_out:
        messages.warning(request, f"{plural(len(asked.left_out), 'block replica')} left out: see below why.")
    query = urlencode({name: value for name, value in given.items() if value})
    return HttpResponseRedirect(f"{reverse('dynamo_restore')}?{query}")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text) < 2**63


def _wanted(given: dict[str, str]) -> RestoreWanted:
    if given["plan"] and not _is_number(given["plan"]):
        raise InvalidInput(f"plan: {given['plan']!r} is no number of a plan")
    dataset, _, block = given["dataset"].partition("#")
    return RestoreWanted(
        plan_id=int(given["plan"]) if given["plan"] else None,
        site_name=given["site"],
        dataset_name=dataset,
        block_name=block,
        lfn=given["file"],
    )
