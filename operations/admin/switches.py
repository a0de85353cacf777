"""The pause switch and the state of the error brake: shown here, turned by acts with a reason."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from inventory.permissions import ReadOnlyAdminMixin
from inventory.selectors.wording import badge_html, count_text, when_html
from operations.models import PauseSwitch, SiteHealth


@admin.register(PauseSwitch)
class PauseSwitchAdmin(ReadOnlyAdminMixin, ModelAdmin):
    """The one switch that stops every worker."""

    list_display = ["state", "changed", "changed_by_name", "reason"]
    fields = ["state", "changed", "changed_by_name", "reason"]
    list_select_related = ["changed_by"]

    @display(description="deletions")
    def state(self, switch: PauseSwitch) -> SafeString:
        return badge_html("danger", "paused everywhere") if switch.is_paused else badge_html("fine", "may run")

    @display(description="since")
    def changed(self, switch: PauseSwitch) -> SafeString:
        return when_html(switch.changed_at)


@admin.register(SiteHealth)
class SiteHealthAdmin(ReadOnlyAdminMixin, ModelAdmin):
    """How the latest deletions at a site went, and until when it backs off."""

    list_display = ["site_name", "in_row", "backs_off", "succeeded", "failed", "last_failure"]
    search_fields = ["site_name"]
    fields = [
        "site_name",
        "in_row",
        "recent_outcomes",
        "backs_off",
        "succeeded",
        "failed",
        "last_failure",
    ]

    @display(description="failures in a row", ordering="failures_in_row")
    def in_row(self, health: SiteHealth) -> SafeString:
        return badge_html("warning" if health.failures_in_row else "fine", count_text(health.failures_in_row))

    @display(description="backs off until", ordering="back_off_until")
    def backs_off(self, health: SiteHealth) -> SafeString | str:
        return when_html(health.back_off_until) if health.back_off_until else "does not"

    @display(description="last success", ordering="last_success_at")
    def succeeded(self, health: SiteHealth) -> SafeString:
        return when_html(health.last_success_at)

    @display(description="last failure", ordering="last_failure_at")
    def failed(self, health: SiteHealth) -> SafeString:
        return when_html(health.last_failure_at)
