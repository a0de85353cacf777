"""Locks: made and released through services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.admin import ModelAdmin
from unfold.decorators import display

from inventory.models import Lock
from inventory.permissions import UndeletableAdminMixin
from inventory.selectors.wording import badge_html, plural, when_html
from inventory.services.audit import Actor
from inventory.services.locks import lock_create
from inventory.services.under_way import UnderWay


def _too_late_text(late: Sequence[UnderWay]) -> str:
    shown = ", ".join(str(one) for one in late[:5])
    more = f" and {len(late) - 5} more" if len(late) > 5 else ""
    return f"Too late for {plural(len(late), 'block replica')}, which a worker is deleting at this moment: {shown}{more}."


class InForceFilter(admin.SimpleListFilter):
    """Locks that hold something now, and those that did."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("in_force", "in force"), ("over", "released or expired")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lock]) -> QuerySet[Lock]:
        over = Q(released_at__isnull=False) | Q(expires_at__lte=timezone.now())
        if self.value() == "in_force":
            return queryset.exclude(over)
        return queryset.filter(over) if self.value() == "over" else queryset


class LockForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    """What a new lock holds; what the service would refuse is said beside the field."""

    class Meta:
        model = Lock
        fields = ["dataset_pattern", "block_pattern", "site_pattern", "group_pattern", "owner", "comment", "expires_at"]
        help_texts = {
            "dataset_pattern": "Dataset name; * is any text, ? any character: /SingleMuon/*/MINIAOD",
            "site_pattern": "A pattern that fits no site locks everywhere.",
        }

    def clean_expires_at(self) -> datetime | None:
        expires_at: datetime | None = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError("The lock would be over already: choose a later time, or none for until released.")
        return expires_at


@admin.register(Lock)
class LockAdmin(UndeletableAdminMixin, ModelAdmin):
    """A promise that replicas stay. A new one is a form; release is an act with a reason; nothing is edited."""

    form = LockForm
    list_display = ["what", "where", "owner", "state", "expiry", "comment"]
    list_filter = [InForceFilter, "source"]
    search_fields = ["dataset_pattern", "owner", "comment"]
    show_full_result_count = False
    actions = None
    fields = ["dataset_pattern", "block_pattern", "site_pattern", "group_pattern", "owner", "comment", "expires_at"]
    shown_fields = ["dataset_pattern", "block_pattern", "site_pattern", "group_pattern", "owner", "comment", "expiry"]
    change_form_outer_before_template = "dynamo/lock_panels.html"

    def has_change_permission(self, request: HttpRequest, obj: Lock | None = None) -> bool:
        return False

    def get_fields(self, request: HttpRequest, obj: Lock | None = None) -> list[str]:
        return [*self.shown_fields, "state", "source", "created", "created_by"] if obj else list(self.fields)

    def get_readonly_fields(self, request: HttpRequest, obj: Lock | None = None) -> list[str]:
        return self.get_fields(request, obj) if obj else []

    def save_model(self, request: HttpRequest, obj: Lock, form: forms.ModelForm[Lock], change: bool) -> None:
        lock = lock_create(
            dataset_pattern=obj.dataset_pattern,
            block_pattern=obj.block_pattern,
            site_pattern=obj.site_pattern,
            group_pattern=obj.group_pattern,
            owner=obj.owner,
            comment=obj.comment,
            expires_at=obj.expires_at,
            actor=Actor.of(request.user),
            now=timezone.now(),
            tell_too_late=lambda late: messages.warning(request, _too_late_text(late)),
        )
        # The admin goes on with the row that it was given: it is the one that the service saved.
        obj.__dict__.update(lock.__dict__)

    @display(description="what", ordering="dataset_pattern")
    def what(self, lock: Lock) -> str:
        return lock.dataset_pattern if lock.block_pattern == "*" else f"{lock.dataset_pattern}#{lock.block_pattern}"

    @display(description="where", ordering="site_pattern")
    def where(self, lock: Lock) -> str:
        return "everywhere" if lock.site_pattern == "*" else lock.site_pattern

    @display(description="state")
    def state(self, lock: Lock) -> SafeString:
        if lock.released_at is not None:
            return format_html("{} {}", badge_html("kept", "released"), when_html(lock.released_at))
        if lock.expires_at is not None and lock.expires_at <= timezone.now():
            return badge_html("kept", "expired")
        return badge_html("locked", "in force")

    @display(description="made")
    def created(self, lock: Lock) -> SafeString:
        return when_html(lock.created_at)

    @display(description="expires", ordering="expires_at")
    def expiry(self, lock: Lock) -> SafeString | str:
        return when_html(lock.expires_at) if lock.expires_at else "when released"
