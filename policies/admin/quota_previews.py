"""Previews of quotas that somebody has asked for: each opens on the page where its quotas can be set."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils.safestring import SafeString
from unfold.decorators import display

from inventory.selectors.wording import badge_html, plural, quota_text, when_html
from policies.admin.base import ReadOnlyAdmin
from policies.choices import CycleState
from policies.models import QuotaPreview

_KINDS = {CycleState.RUNNING: "running", CycleState.COMPLETED: "fine", CycleState.FAILED: "danger"}


@admin.register(QuotaPreview)
class QuotaPreviewAdmin(ReadOnlyAdmin):
    """What quotas would do, asked before they are set; kept for the days that the settings say."""

    list_display = ["what", "state_badge", "started_by", "started"]
    list_filter = ["state"]
    search_fields = ["started_by"]
    search_help_text = "Who asked"
    fields = ["state"]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        preview = self.get_object(request, object_id)
        if preview is None or not self.has_view_permission(request, preview):
            return super().change_view(request, object_id, form_url, extra_context)
        return HttpResponseRedirect(reverse("admin:policies_quota_preview", args=[preview.pk]))

    @display(description="quotas as they would be")
    def what(self, preview: QuotaPreview) -> str:
        first = preview.changes[0] if preview.changes else None
        if first is None:
            return "nothing"
        more = f" and {plural(len(preview.changes) - 1, 'more', 'more')}" if len(preview.changes) > 1 else ""
        return f"{first['partition']} at {first['site']}: {quota_text(first['size_bytes'])}{more}"

    @display(description="state")
    def state_badge(self, preview: QuotaPreview) -> SafeString:
        return badge_html(_KINDS[CycleState(preview.state)], preview.get_state_display())

    @display(description="asked for")
    def started(self, preview: QuotaPreview) -> SafeString:
        return when_html(preview.started_at)
