"""Invalidating data: names in, a preview of what would go, and a confirmation of exactly that."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from dynamo_site.views.acts import REFUSALS
from inventory.exceptions import InvalidInput
from inventory.selectors.named import Target
from inventory.selectors.snapshot import existing_dataset_names
from inventory.services.audit import Actor
from inventory.services.naming import targets_named, targets_of
from operations.services.invalidation_preview import invalidation_preview
from operations.services.invalidations import INVALIDATE, invalidation_confirm

#: Largest document that the page takes; more goes by command or API.
MAX_BYTES = 8 * 1024 * 1024


@require_http_methods(["GET", "POST"])
def invalidate_view(request: HttpRequest) -> HttpResponse:
    """Ask for names (GET), show what would go (POST), or do it (POST with the digest of what was shown).

    403 without the right. The page changes nothing but by the service, which refuses where anything changed since the preview.
    """
    if not request.user.has_perm(INVALIDATE):
        raise PermissionDenied(f"{INVALIDATE} is needed.")
    names = request.POST.get("names", request.GET.get("names", ""))
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Invalidate data",
        "names": names,
        "reason": request.POST.get("reason", ""),
        "is_metadata_only": "is_metadata_only" in request.POST,
        "overridden": request.POST.getlist("override_lock"),
    }
    problem = ""
    if request.method == "POST":
        try:
            context["names"] = names = _uploaded(request) or names
            targets = _targets(names)
            if "confirm" in request.POST:
                return _confirmed(request, targets)
        except REFUSALS as refusal:
            problem = str(refusal)
        context |= _previewed(names, is_metadata_only=context["is_metadata_only"])
    context["problem"] = problem or context.get("problem", "")
    return TemplateResponse(request, "dynamo/invalidate.html", context, status=409 if problem else 200)


def _confirmed(request: HttpRequest, targets: list[Target]) -> HttpResponse:
    done = invalidation_confirm(
        targets=targets,
        digest=request.POST.get("digest", ""),
        actor=Actor.of(request.user),
        reason=request.POST.get("reason", ""),
        override_locks=[int(key) for key in request.POST.getlist("override_lock") if key.isascii() and key.isdigit()],
        is_metadata_only="is_metadata_only" in request.POST,
    )
    messages.success(request, f"{done}: {done.get_state_display()}.")
    return HttpResponseRedirect(reverse("admin:operations_invalidation_change", args=[done.pk]))


def _previewed(names: str, *, is_metadata_only: bool) -> dict[str, Any]:
    try:
        return {"preview": invalidation_preview(targets=_targets(names), now=timezone.now(), is_metadata_only=is_metadata_only)}
    except REFUSALS as refusal:
        return {"problem": str(refusal)}


def _uploaded(request: HttpRequest) -> str:
    upload = request.FILES.get("document")
    if upload is None:
        return ""
    if upload.size > MAX_BYTES:
        raise InvalidInput(f"the document has {upload.size:,} bytes, at most {MAX_BYTES:,} are taken here: use the command")
    try:
        return upload.read().decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("the document is not UTF-8: store it as that (compressed ones are taken by the command)") from error


def _targets(names: str) -> list[Target]:
    """Read a JSON document, or names one a line: a dataset, a dataset#block, or a file (what is no dataset's name)."""
    text = names.strip()
    if text.startswith("{"):
        try:
            document = json.loads(text)
        except ValueError as error:
            raise InvalidInput(f"the document is no JSON: {error}") from error
        return targets_of(document)
    lines = list(filter(None, (line.strip() for line in text.splitlines())))
    datasets = existing_dataset_names(lines)
    targets: list[Target] = []
    for line in lines:
        dataset, mark, block = line.partition("#")
        if mark:
            targets += targets_named(datasets=[dataset], block=block)
        else:
            targets += targets_named(datasets=[line]) if line in datasets else targets_named(files=[line])
    if not targets:
        raise InvalidInput("nothing is named: write one name a line, or a document")
    return targets
