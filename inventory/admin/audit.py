"""The audit trail: who did what, when and why."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from inventory.admin.base import ReadOnlyAdmin
from inventory.filtersets import AuditEventFilterSet
from inventory.keyset_lists import KeysetAdmin
from inventory.models import AuditEvent
from inventory.selectors.audit import action_text
from inventory.selectors.datasets_overview import name_filter
from inventory.selectors.wording import NOTHING, plural, when_html
from inventory.services.audit import audit_head, audit_verify, audit_verify_latest


@admin.register(AuditEvent)
class AuditEventAdmin(KeysetAdmin):
    """Events, newest first; the chain of their digests can be checked here."""

    list_display = ["when", "who", "what", "about", "why"]
    filterset_class = AuditEventFilterSet
    main_filters = ("actor", "subject", "action")
    search_help_text = "A word of person, act, object or reason"
    empty_hint = "Nothing was done yet: the first act of a person or of a cycle is written here."
    fields = ["when", "who", "account", "what", "about", "why", "details", "previous_digest", "digest"]
    list_before_template = "dynamo/audit_before.html"

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AuditEvent], search_term: str
    ) -> tuple[QuerySet[AuditEvent], bool]:
        term = search_term.strip()
        fields = ("actor", "action", "subject", "reason")
        return (queryset.filter(reduce(or_, (name_filter(term, field) for field in fields))) if term else queryset), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().changelist_view(request, {"broken": audit_verify_latest(), **(extra_context or {})})

    @display(description="who")
    def who(self, event: AuditEvent) -> str:
        return event.actor

    @display(description="account")
    def account(self, event: AuditEvent) -> str:
        if event.user_id is None:
            return NOTHING
        login = get_user_model().objects.filter(pk=event.user_id).values_list("username", flat=True).first()
        return f"{login} (account {event.user_id})" if login else f"account {event.user_id}, which is removed"

    @display(description="did what")
    def what(self, event: AuditEvent) -> SafeString:
        return format_html('<span title="{}">{}</span>', event.action, action_text(event.action))

    @display(description="about")
    def about(self, event: AuditEvent) -> str:
        return event.subject

    @display(description="why")
    def why(self, event: AuditEvent) -> str:
        return event.reason or NOTHING

    @display(description="when")
    def when(self, event: AuditEvent) -> SafeString:
        return when_html(event.at)

    def get_custom_urls(self) -> tuple[tuple[str, str, Any], ...]:
        return (*super().get_custom_urls(), ("check-chain/", "inventory_auditevent_check", self.check_chain))

    def check_chain(self, request: HttpRequest, model_admin: ReadOnlyAdmin) -> HttpResponse:
        """Recompute the whole chain on request (POST: it reads every event) and say whether it is intact."""
        if not self.has_view_permission(request):
            return HttpResponse(status=403)
        if request.method == "POST":
            broken = audit_verify()
            if broken is None:
                number, digest = audit_head()
                whole = f"The chain is intact: {plural(number, 'event')}, none changed, removed or inserted. Head: {digest}"
                messages.success(request, whole)
            else:
                messages.error(request, f"The chain is broken at event {broken.event_id}: {broken.problem}.")
        return redirect(reverse("admin:inventory_auditevent_changelist"))
