"""The belts: every safety limit with what it reads now."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from operations.selectors.belts import belts


@require_safe
def belts_view(request: HttpRequest) -> HttpResponse:
    """Show the belts, those that are tripped first."""
    for permission in ("operations.view_deletion", "policies.view_plan"):
        if not request.user.has_perm(permission):
            raise PermissionDenied(f"{permission} is needed.")
    rows = belts(now=timezone.now())
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": "Safety limits",
        "groups": (("Tripped", [row for row in rows if row.is_tripped]), ("Fine", [row for row in rows if not row.is_tripped])),
    }
    return TemplateResponse(request, "dynamo/belts.html", context)
