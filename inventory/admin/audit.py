"""The audit trail: who did what, when and why."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from inventory.admin.base import ReadOnlyAdmin
from inventory.models import AuditEvent
from inventory.selectors.wording import when_html
from inventory.services.audit import audit_verify


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Events, newest first; the chain of their digests can be checked here."""

    list_display = ["when", "actor", "action", "subject", "reason"]
    list_filter = ["action"]
    search_fields = ["actor", "action", "subject", "reason"]
    search_help_text = "Person, act, object or reason"
    paginator = InfinitePaginator
    sortable_by: list[str] = []
    list_fullwidth = True
    fields = ["when", "actor", "user", "action", "subject", "reason", "details", "previous_digest", "digest"]
    list_before_template = "dynamo/audit_chain.html"

    @display(description="when", ordering="-pk")
    def when(self, event: AuditEvent) -> SafeString:
        return when_html(event.at)

    def get_custom_urls(self) -> tuple[tuple[str, str, Any], ...]:
        return (("check-chain/", "inventory_auditevent_check", self.check_chain),)

    def check_chain(self, request: HttpRequest, model_admin: ReadOnlyAdmin) -> HttpResponse:
        """Recompute the whole chain on request (POST: it reads every event) and say whether it is intact."""
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        if request.method == "POST":
            broken = audit_verify()
            if broken is None:
                messages.success(request, "The chain is intact: no event was changed, removed or inserted.")
            else:
                messages.error(request, f"The chain is broken at event {broken.event_id}: {broken.problem}.")
        return redirect(reverse("admin:inventory_auditevent_changelist"))
