"""Scans of storages: what each site's last scan found, by folder and age, and what can be decided on it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from inventory.keyset_lists import KeysetAdmin
from inventory.permissions import ReadOnlyAdminMixin, UndeletableAdminMixin
from inventory.selectors.wording import NOTHING, badge_html, count_text, plural, size_html, when_html
from inventory.services.audit import Actor
from operations.choices import CleanUpState, FindingKind, FindingState, ScanState
from operations.filtersets import ScanFindingFilterSet
from operations.models import CleanUp, ScanFinding, SiteScans, StorageScan
from operations.selectors.scans import FINDING_COLUMNS
from operations.services.scans import site_scans_set

_SCAN_KINDS = {
    ScanState.LISTING: "running",
    ScanState.COMPARING: "running",
    ScanState.HELD: "warning",
    ScanState.DONE: "fine",
    ScanState.APPLYING: "running",
    ScanState.FAILED: "danger",
    ScanState.CANCELLED: "kept",
    ScanState.DISCARDED: "kept",
}
_FINDING_KINDS = {FindingKind.MISSING: "danger", FindingKind.DARK: "warning", FindingKind.STRAY: "kept"}
_STATE_KINDS = {
    FindingState.OPEN: "warning",
    FindingState.APPLIED: "deleted",
    FindingState.RETURNED: "fine",
    FindingState.CLEARED: "kept",
}
_CLEAN_UP_KINDS = {
    CleanUpState.WAITING: "warning",
    CleanUpState.RELEASED: "running",
    CleanUpState.DISCARDED: "kept",
    CleanUpState.DONE: "deleted",
}


@admin.register(StorageScan)
class StorageScanAdmin(ReadOnlyAdminMixin, ModelAdmin):
    """One comparison of a storage with the inventory."""

    list_display = ["item", "site_name", "state_badge", "started", "seen", "missing", "dark", "started_by_name"]
    list_filter = ["state", "site_name"]
    paginator = InfinitePaginator
    sortable_by: list[str] = []
    list_fullwidth = True
    list_per_page = 50
    fields = [
        ("started", "started_by_name", "finished"),
        ("decided_by_name", "decided_reason"),
        ("folders_done", "folders_failed", "worker"),
    ]
    change_form_outer_before_template = "dynamo/scan_panels.html"
    list_before_template = "dynamo/scan_list_before.html"

    @display(description="scan")
    def item(self, scan: StorageScan) -> str:
        return f"scan {scan.pk}"

    @display(description="state")
    def state_badge(self, scan: StorageScan) -> SafeString:
        return badge_html(_SCAN_KINDS[ScanState(scan.state)], scan.get_state_display())

    @display(description="began")
    def started(self, scan: StorageScan) -> SafeString:
        return when_html(scan.started_at)

    @display(description="ended")
    def finished(self, scan: StorageScan) -> SafeString | str:
        return when_html(scan.finished_at) if scan.finished_at else "not yet"

    @display(description="seen")
    def seen(self, scan: StorageScan) -> str:
        return plural(scan.files_seen, "file")

    @display(description="missing")
    def missing(self, scan: StorageScan) -> str:
        return plural(scan.files_missing, "file") if scan.files_missing else NOTHING

    @display(description="dark")
    def dark(self, scan: StorageScan) -> str:
        return plural(scan.files_dark, "file") if scan.files_dark else NOTHING


@admin.register(ScanFinding)
class ScanFindingAdmin(KeysetAdmin):
    """A file that a scan found missing, dark, or known but not there."""

    filterset_class = ScanFindingFilterSet
    export_columns = FINDING_COLUMNS
    main_filters = ("scan", "kind", "state")
    dataset_field = "path"
    empty_hint = "Scan the storage of a site: manage.py scan SITE, or Scan its storage on the page of the site."

    list_display = ["path", "site_name", "kind_badge", "state_badge", "size", "age", "since", "remark"]
    search_fields = ["path"]
    search_help_text = "Path or part of it; * and ? are wildcards"
    fields = [
        ("path", "site_name"),
        ("kind_badge", "state_badge", "scan"),
        ("size", "age", "since"),
        ("lfn", "dataset_name", "block_name"),
        "remark",
    ]

    @display(description="what")
    def kind_badge(self, row: ScanFinding) -> SafeString:
        return badge_html(_FINDING_KINDS[FindingKind(row.kind)], row.get_kind_display())

    @display(description="state")
    def state_badge(self, row: ScanFinding) -> SafeString:
        return badge_html(_STATE_KINDS[FindingState(row.state)], row.get_state_display())

    @display(description="size")
    def size(self, row: ScanFinding) -> SafeString | str:
        return size_html(row.size_bytes) if row.size_bytes >= 0 else "not known"

    @display(description="last changed")
    def age(self, row: ScanFinding) -> SafeString | str:
        return when_html(row.modified_at) if row.modified_at else NOTHING

    @display(description="seen so since")
    def since(self, row: ScanFinding) -> SafeString:
        return when_html(row.first_seen_at)

    @display(description="remark")
    def remark(self, row: ScanFinding) -> str:
        return row.problem or row.message or NOTHING


@admin.register(CleanUp)
class CleanUpAdmin(ReadOnlyAdminMixin, ModelAdmin):
    """A frozen list of dark files, and who let it go."""

    list_display = ["item", "site_name", "state_badge", "number", "size", "asked_by_name", "asked", "reason"]
    list_filter = ["state", "site_name"]
    list_select_related = ["plan"]
    paginator = InfinitePaginator
    sortable_by: list[str] = []
    list_fullwidth = True
    fields = [("state_badge", "scan", "plan"), ("asked_by_name", "asked", "reason"), ("decided_by_name", "decided_reason")]
    change_form_outer_before_template = "dynamo/clean_up_panels.html"

    @display(description="clean-up")
    def item(self, row: CleanUp) -> str:
        return f"clean-up {row.pk}"

    @display(description="state")
    def state_badge(self, row: CleanUp) -> SafeString:
        return badge_html(_CLEAN_UP_KINDS[CleanUpState(row.state)], row.get_state_display())

    @display(description="files")
    def number(self, row: CleanUp) -> str:
        return count_text(row.plan.num_items)

    @display(description="size")
    def size(self, row: CleanUp) -> SafeString:
        return size_html(row.plan.size_bytes)

    @display(description="asked")
    def asked(self, row: CleanUp) -> SafeString:
        return when_html(row.asked_at)


@admin.register(SiteScans)
class SiteScansAdmin(UndeletableAdminMixin, ModelAdmin):
    """When a site is scanned by itself, and what its lists can be trusted to show."""

    list_display = ["site", "how_often", "lists_tape", "has_no_links"]
    list_select_related = ["site"]
    fields = ["site", "every_days", "lists_tape", "has_no_links"]
    search_fields = ["site__name"]

    def get_readonly_fields(self, request: HttpRequest, obj: models.Model | None = None) -> list[str]:
        return ["site"] if obj is not None else []

    def save_model(self, request: HttpRequest, obj: SiteScans, form: forms.ModelForm[SiteScans], change: bool) -> None:
        saved = site_scans_set(
            site_name=obj.site.name,
            actor=Actor.of(request.user),
            every_days=obj.every_days,
            lists_tape=obj.lists_tape,
            has_no_links=obj.has_no_links,
        )
        # The admin goes on with the row that it was given: it is the one that the service saved.
        obj.__dict__.update(saved.__dict__)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return request.user.has_perm("operations.change_sitescans")

    @display(description="by itself")
    def how_often(self, row: SiteScans) -> str:
        return "never" if row.every_days is None else f"every {plural(row.every_days, 'day')}"
