"""Injecting by hand: a document in, what it would change, and then just that."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from dynamo_site.views.acts import REFUSALS
from inventory.choices import InjectionState
from inventory.exceptions import InvalidInput
from inventory.selectors.injections import InjectionProgress, injection_progress
from inventory.selectors.wording import plural, size_text
from inventory.services.audit import Actor
from inventory.services.injection_jobs import Wishes, injection_cancel, injection_receive, injection_repeat
from inventory.services.injection_rights import INJECT, may_decide_on

_UNDER_WAY = frozenset({InjectionState.QUEUED, InjectionState.RUNNING})


@dataclass(frozen=True, slots=True)
class CountRow:
    """What becomes of the rows of a table; ``grows`` is empty where it keeps its bytes."""

    table: str
    created: int
    changed: int
    removed: int
    unchanged: int
    grows: str


@require_http_methods(["GET", "POST"])
def inject_view(request: HttpRequest) -> HttpResponse:
    """Ask for a document (GET), or try it out and go on to what it would change (POST). 403 without the right."""
    _demand_right(request)
    problem = ""
    if request.method == "POST":
        try:
            stream, name = _document(request)
            wishes = Wishes(name, True, "skips_bad" in request.POST, "brings_back" in request.POST)
            shown = injection_receive(stream=stream, actor=Actor.of(request.user), wishes=wishes)
        except REFUSALS as refusal:
            problem = str(refusal)
        else:
            return HttpResponseRedirect(reverse("dynamo_injection", args=[shown.pk]))
    context = {
        **admin.site.each_context(request),
        "title": "Inject data",
        "problem": problem,
        "text": request.POST.get("text", ""),
        "skips_bad": "skips_bad" in request.POST,
        "brings_back": "brings_back" in request.POST,
    }
    return TemplateResponse(request, "dynamo/inject.html", context, status=409 if problem else 200)


@require_http_methods(["GET", "POST"])
def injection_view(request: HttpRequest, key: int) -> HttpResponse:
    """Show how far an injection is and what it changes or would change (GET); confirm or cancel it (POST).

    404 for one of somebody else without the right to see all, 403 to confirm or cancel it without the right to do so.
    """
    may_inject = request.user.has_perm(INJECT)
    if not request.user.has_perm("inventory.view_injection"):
        _demand_right(request)
    injection = injection_progress(key)
    is_own = injection is not None and injection.user_id == request.user.pk
    if injection is None or not (is_own or request.user.has_perm("inventory.view_injection")):
        raise Http404("There is no such injection.")
    problem = ""
    if request.method == "POST":
        try:
            if "cancel" in request.POST:
                injection_cancel(injection_id=key, actor=Actor.of(request.user))
                return HttpResponseRedirect(request.path)
            done = injection_repeat(injection_id=key, actor=Actor.of(request.user))
        except REFUSALS as refusal:
            problem = str(refusal)
        else:
            if done.state == InjectionState.COMPLETED:
                messages.success(request, f"{done.source} was injected.")
            return HttpResponseRedirect(reverse("dynamo_injection", args=[done.pk]))
    rows = count_rows(injection.counts)
    may_decide = may_decide_on(Actor.of(request.user), key)
    context = {
        **admin.site.each_context(request),
        "title": f"{'What would change' if injection.is_dry_run else 'Injection'}: {injection.source}",
        "injection": injection,
        "is_under_way": injection.state in _UNDER_WAY,
        "is_waiting": injection.state == InjectionState.QUEUED,
        "is_fine": injection.state == InjectionState.COMPLETED,
        "rows": rows,
        "would_change": any(row.created or row.changed or row.removed for row in rows),
        "verb": _verb(injection) if may_inject and may_decide else "",
        "may_inject": may_inject,
        "may_decide": may_decide,
        "problem": problem,
    }
    return TemplateResponse(request, "dynamo/injection.html", context, status=409 if problem else 200)


def count_rows(counts: dict[str, dict[str, int]]) -> list[CountRow]:
    """Return the counts of an injection as rows to be shown, those that change something first."""
    rows = [
        CountRow(
            table,
            *(of.get(what, 0) for what in ("created", "changed", "removed", "unchanged")),
            grows=f"{'+' if of['bytes'] > 0 else '-'}{size_text(abs(of['bytes']))}" if of.get("bytes") else "",
        )
        for table, of in counts.items()
    ]
    return sorted(rows, key=lambda row: not (row.created or row.changed or row.removed))


def _verb(injection: InjectionProgress) -> str:
    """Return what the button says that makes a dry run good; empty where there is nothing to be made good."""
    if not injection.is_confirmable:
        return ""
    counts = injection.counts
    changes = sum(of.get(what, 0) for of in counts.values() for what in ("created", "changed", "removed"))
    grown = sum(of.get("bytes", 0) for table, of in counts.items() if table == "block replicas")
    return f"Make {plural(changes, 'change')}{f', {size_text(grown)} at sites' if grown > 0 else ''}" if changes else ""


def _demand_right(request: HttpRequest) -> None:
    if not request.user.has_perm(INJECT):
        raise PermissionDenied(f"{INJECT} is needed.")


def _document(request: HttpRequest) -> tuple[Any, str]:
    """Return the document and its name: the file that was chosen, else the text that was pasted. Raises ``InvalidInput``."""
    upload = request.FILES.get("document")
    if upload is not None and not isinstance(upload, list):
        return upload, upload.name or "document"
    text = request.POST.get("text", "").strip()
    if not text:
        raise InvalidInput("there is no document: choose a file, or paste one")
    header = text.partition("\n")[0]
    kind = "" if text.startswith("{") else ".tsv" if "\t" in header else ".csv"
    return BytesIO(text.encode()), f"pasted{kind}"
