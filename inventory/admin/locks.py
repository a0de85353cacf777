"""Locks: made and released through services."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import partial
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
from unfold.views import ChangeList

from inventory.models import Lock
from inventory.permissions import UndeletableAdminMixin
from inventory.selectors.lock_holdings import Holding, Patterns, holdings_of, where_text
from inventory.selectors.locks_in_force import EXPIRES_SOON, expiring_soon, owned_by
from inventory.selectors.wording import badge_html, plural, size_html, some_of, when_html
from inventory.services.audit import Actor
from inventory.services.locks import lock_create, lock_extend, may_end
from inventory.services.under_way import UnderWay

#: How a lock came, in words.
SOURCES = {"manual": "a person", "api": "the API", "inject": "an injected document", "set": "a set"}


def _warn_too_late(request: HttpRequest, late: Sequence[UnderWay]) -> None:
    many = plural(len(late), "block replica")
    messages.warning(request, f"Too late for {many}, which a worker is deleting at this moment: {some_of(late, 5)}.")


def where_html(lock: Lock, holding: Holding) -> SafeString:
    """Return where the lock holds; a site pattern that fits nothing is plainly said to hold everywhere."""
    text = where_text(Patterns.of(lock), holding)
    return badge_html("warning", text) if holding.is_site_unknown else format_html("{}", text)


class LockChangeList(ChangeList):
    """A page of locks with what each of them holds, counted for the whole page at once."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        holdings = holdings_of(self.result_list)
        for lock in self.result_list:
            lock.holding = holdings[lock.pk]


class MineFilter(admin.SimpleListFilter):
    """The locks of who is looking."""

    title = "whose"
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("mine", "mine"), ("soon", "mine, expiring within 14 days")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lock]) -> QuerySet[Lock]:
        if self.value() not in ("mine", "soon"):
            return queryset
        mine = queryset.filter(owned_by(request.user))
        return mine.filter(expiring_soon(timezone.now())) if self.value() == "soon" else mine


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
    """What a new lock holds, or until when an old one does; what the service would refuse is said beside the field."""

    class Meta:
        model = Lock
        fields = ["dataset_pattern", "block_pattern", "site_pattern", "group_pattern", "owner", "comment", "expires_at"]
        labels = {
            "dataset_pattern": "Datasets",
            "block_pattern": "Blocks",
            "site_pattern": "Sites",
            "group_pattern": "Groups",
            "comment": "Why",
            "expires_at": "Holds until",
        }
        help_texts = {
            "dataset_pattern": "A name, or a pattern: * stands for any text, / included, ? for one character. "
            "/SingleMuon/*/MINIAOD holds every MINIAOD of SingleMuon.",
            "block_pattern": "Mostly *: all blocks.",
            "site_pattern": "T2_US_MIT, T2_US_* or * for everywhere. A pattern that fits no site locks everywhere, to be safe.",
            "group_pattern": "Owner of the blocks; None is nobody, * whoever it is.",
            "owner": "Who answers for the lock and is reminded before it ends; the user name of a person, or a group.",
            "comment": "Whoever wants to delete the data reads this.",
            "expires_at": "UTC. After that the data may be deleted. Empty: until somebody releases the lock.",
        }

    def clean_dataset_pattern(self) -> str:
        pattern: str = self.cleaned_data["dataset_pattern"]
        if "#" in pattern:
            raise forms.ValidationError("Put what follows # under Blocks: a dataset's name has no #.")
        return pattern

    def clean_expires_at(self) -> datetime | None:
        expires_at: datetime | None = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= timezone.now():
            raise forms.ValidationError("The lock would be over already: choose a later time, or none for until released.")
        return expires_at


@admin.register(Lock)
class LockAdmin(UndeletableAdminMixin, ModelAdmin):
    """A promise that replicas stay. Of an old one the end and the reason can be edited; release is an act with a reason."""

    form = LockForm
    list_display = ["what", "where", "holds", "owner", "state", "expiry", "comment"]
    list_filter = [InForceFilter, MineFilter, "source"]
    list_per_page = 50
    search_fields = ["dataset_pattern", "owner", "comment"]
    show_full_result_count = False
    actions = None
    fields = ["dataset_pattern", "block_pattern", "site_pattern", "group_pattern", "owner", "comment", "expires_at"]
    change_form_outer_before_template = "dynamo/lock_panels.html"
    #: What of a saved lock is shown, and not edited.
    kept_fields = ["dataset_pattern", "block_pattern", "site_pattern", "group_pattern", "owner"]

    def has_change_permission(self, request: HttpRequest, obj: Lock | None = None) -> bool:
        if obj is None:
            return request.user.has_perm("inventory.change_lock") or request.user.has_perm("inventory.add_lock")
        return obj.released_at is None and may_end(Actor.of(request.user), obj)

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return LockChangeList

    def get_fields(self, request: HttpRequest, obj: Lock | None = None) -> list[str]:
        if obj is None:
            return list(self.fields)
        ends = ["comment", "expires_at"] if self.has_change_permission(request, obj) else ["comment", "expiry"]
        return [*self.kept_fields, *ends, "state", "origin", "created", "created_by"]

    def get_readonly_fields(self, request: HttpRequest, obj: Lock | None = None) -> list[str]:
        if obj is None:
            return []
        editable = {"comment", "expires_at"} if self.has_change_permission(request, obj) else set()
        return [name for name in self.get_fields(request, obj) if name not in editable]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        return {"owner": request.user.get_username(), **super().get_changeform_initial_data(request)}

    def save_model(self, request: HttpRequest, obj: Lock, form: forms.ModelForm[Lock], change: bool) -> None:
        warn = partial(_warn_too_late, request)
        actor, now = Actor.of(request.user), timezone.now()
        if change:
            lock = lock_extend(
                lock_id=obj.pk, expires_at=obj.expires_at, comment=obj.comment, actor=actor, now=now, tell_too_late=warn
            )
        else:
            patterns = {name: getattr(obj, name) for name in self.kept_fields}
            lock = lock_create(
                **patterns, comment=obj.comment, expires_at=obj.expires_at, actor=actor, now=now, tell_too_late=warn
            )
        # The admin goes on with the row that it was given: it is the one that the service saved.
        obj.__dict__.update(lock.__dict__)

    @display(description="what", ordering="dataset_pattern")
    def what(self, lock: Lock) -> str:
        return lock.dataset_pattern if lock.block_pattern == "*" else f"{lock.dataset_pattern}#{lock.block_pattern}"

    @display(description="where", ordering="site_pattern")
    def where(self, lock: Lock) -> SafeString | str:
        return where_html(lock, lock.holding) if hasattr(lock, "holding") else lock.site_pattern

    @display(description="holds now")
    def holds(self, lock: Lock) -> SafeString:
        return size_html(lock.holding.size_bytes)

    @display(description="came by")
    def origin(self, lock: Lock) -> str:
        return f"the set {lock.lock_set}" if lock.lock_set else SOURCES.get(lock.source, lock.source)

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
        if lock.expires_at is None:
            return "when released"
        now, when = timezone.now(), when_html(lock.expires_at)
        is_soon = lock.released_at is None and now < lock.expires_at <= now + EXPIRES_SOON
        return format_html("{} {}", badge_html("warning", "soon"), when) if is_soon else when
