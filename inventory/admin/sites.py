"""Sites and groups."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display

from inventory.admin.base import DefinitionAdmin, ReadOnlyAdmin
from inventory.models import Group, Site
from inventory.rights_pages import RightsPagesMixin
from inventory.selectors.wording import badge_html, when_html


@admin.register(Site)
class SiteAdmin(DefinitionAdmin, RightsPagesMixin):
    """A site: what it is, how full its partitions are, and whether deletions are paused there."""

    list_display = ["name", "kind", "condition", "deletions"]
    list_filter = ["storage_type", "status"]
    search_fields = ["name", "host"]
    readonly_fields = ["paused_since", "deletion_paused_by", "deletion_paused_reason"]
    fieldsets = [
        (None, {"fields": [("name", "host"), ("storage_type", "status")]}),
        ("Storage", {"fields": ["endpoint_url", "lfn_rules"]}),
        ("Deletions", {"fields": ["paused_since", "deletion_paused_by", "deletion_paused_reason"]}),
    ]
    change_form_outer_before_template = "dynamo/site_panels.html"
    list_before_template = "dynamo/site_list_before.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Site]:
        return super().get_queryset(request).select_related("deletion_paused_by")

    def get_readonly_fields(self, request: HttpRequest, obj: Site | None = None) -> list[str]:
        # The name is how plans, locks and audit events call the site: it never changes once given.
        return [*self.readonly_fields, *(["name"] if obj else [])]

    def get_form(self, request: HttpRequest, obj: Site | None = None, change: bool = False, **options: Any) -> Any:
        return super().get_form(request, obj, change, **{"labels": {"lfn_rules": "Rules from LFN to path"}, **options})

    @display(description="kind", ordering="storage_type")
    def kind(self, site: Site) -> str:
        return site.get_storage_type_display()

    @display(description="status", ordering="status")
    def condition(self, site: Site) -> SafeString:
        return badge_html("fine" if site.status == "READY" else "warning", site.get_status_display())

    @display(description="paused since")
    def paused_since(self, site: Site) -> SafeString | str:
        return when_html(site.deletion_paused_at) if site.deletion_paused_at else "not paused"

    @display(description="deletions")
    def deletions(self, site: Site) -> SafeString:
        if site.deletion_paused_at is not None:
            return format_html("{} {}", badge_html("danger", "paused"), when_html(site.deletion_paused_at))
        return badge_html("fine", "may run") if site.endpoint_url else badge_html("warning", "no endpoint: nothing is deleted")


@admin.register(Group)
class GroupAdmin(ReadOnlyAdmin):
    """A group of people that owns data; groups come with injected documents."""

    list_display = ["name", "ownership_level"]
    list_filter = ["ownership_level"]
    search_fields = ["name"]
    fields = ["name", "ownership_level"]
