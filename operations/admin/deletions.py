"""Deletions, their attempts and their files: read-only, for ever."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from unfold.admin import TabularInline
from unfold.decorators import display

from inventory.permissions import ReadOnlyAdminMixin
from inventory.selectors.wording import NOTHING, count_text, exact_text, size_html, when_html
from operations.admin.rows import QueueRowAdmin
from operations.choices import DeletionState
from operations.models import Attempt, Deletion, DeletionFile

#: Characters of a reason that a list shows; the page of the deletion has all.
_REASON_SHOWN = 120
#: Word of the colour vocabulary for each state.
STATE_KINDS = {
    DeletionState.QUEUED: "delete",
    DeletionState.ACTING: "running",
    DeletionState.DONE: "deleted",
    DeletionState.DROPPED: "kept",
    DeletionState.FAILED: "danger",
}


class AttemptInline(ReadOnlyAdminMixin, TabularInline):
    """Each try, in order."""

    model = Attempt
    fields = [
        "number",
        "worker",
        "started",
        "recorded",
        "outcome",
        "message",
        "files_deleted",
        "files_absent",
        "files_failed",
    ]
    extra = 0
    hide_title = True
    per_page = 20
    ordering = ["number"]

    @display(description="started")
    def started(self, attempt: Attempt) -> SafeString:
        return when_html(attempt.started_at)

    @display(description="recorded")
    def recorded(self, attempt: Attempt) -> SafeString | str:
        return when_html(attempt.recorded_at) if attempt.recorded_at else "not recorded"


class DeletionFileInline(ReadOnlyAdminMixin, TabularInline):
    """Files with which something was not plain."""

    model = DeletionFile
    fields = ["lfn", "size", "outcome", "message", "seen"]
    extra = 0
    hide_title = True
    per_page = 50
    verbose_name_plural = "files with which something was not plain"
    ordering = ["lfn"]

    @display(description="size")
    def size(self, file: DeletionFile) -> SafeString:
        return size_html(file.size_bytes)

    @display(description="when")
    def seen(self, file: DeletionFile) -> SafeString:
        return when_html(file.at)


@admin.register(Deletion)
class DeletionAdmin(QueueRowAdmin):
    """A block replica that goes or went: state, attempts, files, and the line that decided."""

    list_display = ["what", "site_name", "state_badge", "size", "files", "queued", "finished", "why"]
    list_select_related = ["plan_item"]
    state_kinds = STATE_KINDS
    fields = [
        ("block_name", "site_name"),
        ("files", "gone"),
        ("files_deleted", "files_absent"),
        ("num_attempts", "next_attempt"),
        ("queued", "finished"),
        "worker",
    ]
    inlines = [AttemptInline, DeletionFileInline]
    change_form_outer_before_template = "dynamo/deletion_panels.html"
    list_before_template = "dynamo/deletion_list_before.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Deletion]:
        return super().get_queryset(request).order_by("-pk")

    @display(description="state", ordering="state")
    def state_badge(self, row: Deletion) -> SafeString:
        badge = super().state_badge(row)
        if not row.reason:
            return badge
        why = Truncator(row.reason).chars(_REASON_SHOWN)
        return format_html('{}<br><span class="dy-soft dy-small">{}</span>', badge, why)

    @display(description="files")
    def files(self, deletion: Deletion) -> str:
        gone = deletion.files_deleted + deletion.files_absent
        return f"{count_text(gone)} of {count_text(deletion.num_files)} gone"

    @display(description="deleted so far")
    def gone(self, deletion: Deletion) -> SafeString:
        return size_html(deletion.bytes_deleted)

    @display(description="next attempt")
    def next_attempt(self, deletion: Deletion) -> str:
        if deletion.state != DeletionState.QUEUED:
            return NOTHING
        return f"not before {exact_text(deletion.not_before)}" if deletion.not_before else "as soon as a worker is free"

    @display(description="queued")
    def queued(self, deletion: Deletion) -> SafeString:
        return when_html(deletion.queued_at)

    @display(description="decided by")
    def why(self, deletion: Deletion) -> str:
        line = deletion.plan_item.line
        if line is None:
            return "no line"
        return f"line {line}" if line > 0 else "the default" if line == 0 else "a guardrail"
