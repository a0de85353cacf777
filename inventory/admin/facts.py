"""Feeds of facts and injected documents."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import display

from inventory.admin.base import EditableAdmin, ReadOnlyAdmin
from inventory.choices import InjectionState
from inventory.models import FactFeed, Injection
from inventory.selectors.wording import badge_html, count_text, duration_text, when_html


@admin.register(FactFeed)
class FactFeedAdmin(EditableAdmin):
    """A feed: how old its last complete measurement is, and from what age on its facts count as unknown."""

    list_display = ["feed", "freshness", "measured", "limit", "source"]
    fields = ["name", "source", "measured", "max_age"]
    readonly_fields = ["name", "source", "measured"]

    def get_form(self, request: HttpRequest, obj: FactFeed | None = None, change: bool = False, **kwargs: Any) -> Any:
        text = "Older than this, the facts count as unknown. Days and hours:minutes:seconds, as 2 00:00:00 for 2 days."
        return super().get_form(request, obj, change, help_texts={"max_age": text}, **kwargs)

    def has_add_permission(self, request: object, obj: FactFeed | None = None) -> bool:
        return False  # feeds come with their first measurement

    @display(description="feed", ordering="name")
    def feed(self, feed: FactFeed) -> str:
        return feed.get_name_display()

    @display(description="state")
    def freshness(self, feed: FactFeed) -> SafeString:
        if feed.measured_at is None:
            return badge_html("unknown", "never came: unknown")
        if abs(timezone.now() - feed.measured_at) > feed.max_age:
            stale = feed.measured_at < timezone.now()
            return badge_html("warning", "stale: unknown" if stale else "from the future: unknown")
        return badge_html("fine", "fresh")

    @display(description="measured", ordering="measured_at")
    def measured(self, feed: FactFeed) -> SafeString:
        return when_html(feed.measured_at)

    @display(description="may be old", ordering="max_age")
    def limit(self, feed: FactFeed) -> str:
        return duration_text(feed.max_age)


@admin.register(Injection)
class InjectionAdmin(ReadOnlyAdmin):
    """A document that was brought in, with what was rejected and why."""

    list_display = ["source", "state_badge", "started", "records", "rejected", "started_by"]
    list_filter = ["state"]
    search_fields = ["source", "started_by"]
    list_before_template = "dynamo/injection_list_before.html"
    fields = ["state"]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        injection = self.get_object(request, object_id)
        if injection is None or not self.has_view_permission(request, injection):
            return super().change_view(request, object_id, form_url, extra_context)
        return HttpResponseRedirect(reverse("dynamo_injection", args=[injection.pk]))

    @display(description="state", ordering="state")
    def state_badge(self, injection: Injection) -> SafeString:
        if injection.is_left_half_way:
            return badge_html("danger", "half loaded")
        kind = {InjectionState.COMPLETED: "fine", InjectionState.FAILED: "danger"}.get(injection.state, "running")
        return badge_html(kind, injection.get_state_display())

    @display(description="started", ordering="started_at")
    def started(self, injection: Injection) -> SafeString:
        return when_html(injection.started_at)

    @display(description="records", ordering="num_records")
    def records(self, injection: Injection) -> str:
        return count_text(injection.num_records)

    @display(description="rejected", ordering="num_rejects")
    def rejected(self, injection: Injection) -> SafeString:
        text = count_text(injection.num_rejects)
        return badge_html("warning" if injection.num_rejects else "fine", text)
