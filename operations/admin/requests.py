"""Deletion requests: what waits for a decision comes first; deciding is an act with a reason."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from inventory.permissions import UndeletableAdminMixin
from inventory.selectors.wording import NOTHING, badge_html, plural, size_html, when_html
from inventory.services.audit import Actor
from operations.choices import DeletionRequestState
from operations.exceptions import OperationsError
from operations.models import DeletionRequest
from operations.selectors.requests import request_standing
from operations.services.deletion_requests import deletion_request_create

_KINDS = {
    DeletionRequestState.WAITING: "warning",
    DeletionRequestState.APPROVED: "running",
    DeletionRequestState.REJECTED: "kept",
    DeletionRequestState.CANCELLED: "kept",
    DeletionRequestState.DONE: "deleted",
}


class DeletionRequestForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    """What somebody asks for; it is looked up, counted and frozen when it is sent, and what is refused is said here."""

    actor: Actor
    made: DeletionRequest

    class Meta:
        model = DeletionRequest
        fields = ["dataset_pattern", "block_pattern", "site_pattern", "allows_last_copy", "reason"]
        labels = {
            "dataset_pattern": "dataset",
            "block_pattern": "block",
            "site_pattern": "site",
            "allows_last_copy": "even the last copy",
        }
        help_texts = {
            "dataset_pattern": "Name; * is any text, ? any character.",
            "block_pattern": "* for the whole dataset.",
            "allows_last_copy": "It goes even where no other complete copy is left anywhere; whoever approves must say so, too.",
            "reason": "Shown to whoever decides.",
        }

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean()
        if cleaned and not self.errors:
            try:
                self.made = deletion_request_create(actor=self.actor, **cleaned)
            except OperationsError as refusal:
                raise forms.ValidationError(str(refusal)) from refusal
        return cleaned

    def _post_clean(self) -> None:
        """Leave out what Django would check of a row that the service has saved already."""


@admin.register(DeletionRequest)
class DeletionRequestAdmin(UndeletableAdminMixin, ModelAdmin):
    """Who asked for what to go, why, and who decided."""

    form = DeletionRequestForm
    list_display = ["item", "site_pattern", "state_badge", "number", "size", "requested_by_name", "requested", "reason"]
    list_filter = ["state"]
    list_select_related = ["plan"]
    paginator = InfinitePaginator
    sortable_by: list[str] = []
    list_fullwidth = True
    actions = None
    shown_fields = [("state_badge", "last_copies"), ("asked_by", "requested"), ("decided_by", "decided")]
    change_form_outer_before_template = "dynamo/request_panels.html"

    def has_change_permission(self, request: HttpRequest, obj: DeletionRequest | None = None) -> bool:
        return False

    def get_fieldsets(self, request: HttpRequest, obj: DeletionRequest | None = None) -> Any:
        return [(None, {"fields": self.shown_fields if obj else list(DeletionRequestForm.Meta.fields)})]

    def get_readonly_fields(self, request: HttpRequest, obj: DeletionRequest | None = None) -> list[str]:
        return [name for row in self.shown_fields for name in row] if obj else []

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        asked = self.get_object(request, object_id) if self.has_view_permission(request) else None
        waits = asked is not None and asked.state == DeletionRequestState.WAITING
        context = {"standing": request_standing(asked) if asked is not None and waits else None}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def get_form(self, request: HttpRequest, obj: DeletionRequest | None = None, change: bool = False, **kwargs: Any) -> Any:
        form = super().get_form(request, obj, change, **kwargs)
        form.actor = Actor.of(request.user)
        return form

    def save_model(self, request: HttpRequest, obj: DeletionRequest, form: DeletionRequestForm, change: bool) -> None:
        # The admin goes on with the row that it was given: it is the one that the service saved.
        obj.__dict__.update(form.made.__dict__)

    @display(description="what")
    def item(self, row: DeletionRequest) -> str:
        return row.what

    @display(description="state")
    def state_badge(self, row: DeletionRequest) -> SafeString:
        return badge_html(_KINDS[DeletionRequestState(row.state)], row.get_state_display())

    @display(description="would go")
    def number(self, row: DeletionRequest) -> str:
        return plural(row.plan.num_items, "block replica")

    @display(description="size")
    def size(self, row: DeletionRequest) -> SafeString:
        return size_html(row.plan.size_bytes)

    @display(description="last copies")
    def last_copies(self, row: DeletionRequest) -> SafeString | str:
        return badge_html("last-copy", "go, too") if row.allows_last_copy else "stay"

    @display(description="asked by")
    def asked_by(self, row: DeletionRequest) -> str:
        return row.requested_by_name

    @display(description="decided by")
    def decided_by(self, row: DeletionRequest) -> str:
        return f"{row.decided_by_name}: {row.decided_reason}" if row.decided_at else NOTHING

    @display(description="asked")
    def requested(self, row: DeletionRequest) -> SafeString:
        return when_html(row.requested_at)

    @display(description="decided")
    def decided(self, row: DeletionRequest) -> SafeString | str:
        return when_html(row.decided_at) if row.decided_at else "not yet"
