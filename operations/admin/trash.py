"""The trash: what can be brought back and until when; read-only, brought back by an act with a reason."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import TabularInline
from unfold.decorators import display

from inventory.permissions import ReadOnlyAdminMixin
from inventory.selectors.wording import NOTHING, count_text, when_html
from operations.admin.rows import QueueRowAdmin
from operations.choices import TrashState
from operations.models import Trash, TrashFile

#: Word of the colour vocabulary for each state.
STATE_KINDS = {
    TrashState.FILLING: "running",
    TrashState.KEPT: "kept",
    TrashState.RESTORING: "running",
    TrashState.RESTORED: "fine",
    TrashState.PURGING: "delete",
    TrashState.PURGED: "deleted",
    TrashState.EMPTY: "ignored",
}


class TrashFileInline(ReadOnlyAdminMixin, TabularInline):
    """Files that were asked back."""

    model = TrashFile
    fields = ["lfn", "outcome", "message", "seen"]
    extra = 0
    hide_title = True
    per_page = 50
    verbose_name_plural = "files that were asked back"
    ordering = ["lfn"]

    @display(description="when")
    def seen(self, file: TrashFile) -> SafeString:
        return when_html(file.at)


@admin.register(Trash)
class TrashAdmin(QueueRowAdmin):
    """What one deletion put aside."""

    list_display = ["what", "site_name", "state_badge", "size", "files_text", "kept", "until"]
    state_kinds = STATE_KINDS
    fields = [
        "dataset_name",
        ("block_name", "site_name"),
        ("size", "files_text"),
        ("endpoint_url", "folder"),
        "group_name",
        ("kept", "until"),
        ("finished", "reason"),
        ("asked_by", "asked_reason"),
    ]
    inlines = [TrashFileInline]
    list_before_template = "dynamo/trash_list_before.html"
    change_form_outer_before_template = "dynamo/trash_panels.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[Trash]:
        return super().get_queryset(request).defer("files", "wanted_files").order_by("-pk")

    @display(description="files")
    def files_text(self, trash: Trash) -> str:
        return count_text(trash.num_files)

    @display(description="put aside")
    def kept(self, trash: Trash) -> SafeString:
        return when_html(trash.kept_since or trash.begun_at)

    @display(description="purged after")
    def until(self, trash: Trash) -> SafeString | str:
        return when_html(trash.purge_after) if trash.purge_after and trash.state == TrashState.KEPT else NOTHING

    @display(description="restored or purged")
    def finished(self, trash: Trash) -> SafeString | str:
        return when_html(trash.finished_at) if trash.finished_at else "not yet"
