"""Invalidations: read-only, for ever; a new one is made on a page of its own."""

from __future__ import annotations

from django.contrib import admin
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from inventory.permissions import ReadOnlyAdminMixin
from inventory.selectors.wording import badge_html, count_text, size_html, when_html
from operations.choices import InvalidationState
from operations.models import Invalidation

_KINDS = {InvalidationState.RUNNING: "running", InvalidationState.DONE: "deleted", InvalidationState.KEPT: "warning"}


@admin.register(Invalidation)
class InvalidationAdmin(ReadOnlyAdminMixin, ModelAdmin):
    """Data that were declared bad, by whom and why, and what became of them."""

    list_display = ["what", "state_badge", "files", "size", "requested", "requested_by_name", "reason"]
    list_filter = ["state"]
    list_select_related = ["plan"]
    paginator = InfinitePaginator
    sortable_by: list[str] = []
    list_fullwidth = True
    fields = [
        ("state_badge", "plan", "is_metadata_only"),
        ("requested", "requested_by_name"),
        "reason",
        ("num_blocks", "files", "size", "num_block_replicas"),
        "datasets",
        "overridden_locks",
        ("finished_at", "kept"),
        ("archive", "archive_digest"),
        "digest",
    ]
    list_before_template = "dynamo/invalidation_list_before.html"

    @display(description="invalidation")
    def what(self, row: Invalidation) -> str:
        return str(row)

    @display(description="state")
    def state_badge(self, row: Invalidation) -> SafeString:
        return badge_html(_KINDS[InvalidationState(row.state)], row.get_state_display())

    @display(description="files")
    def files(self, row: Invalidation) -> str:
        return count_text(row.num_files)

    @display(description="size")
    def size(self, row: Invalidation) -> SafeString:
        return size_html(row.size_bytes)

    @display(description="confirmed")
    def requested(self, row: Invalidation) -> SafeString:
        return when_html(row.requested_at)
