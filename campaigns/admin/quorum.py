"""Who must sign, and who speaks for a group: forms whose content the services save, each with its row in the audit trail."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.forms import BaseInlineFormSet
from django.http import HttpRequest
from unfold.admin import ModelAdmin, TabularInline

from campaigns.models import GroupRepresentative, QuorumGroup, QuorumRule
from campaigns.permissions import CHANGE_QUORUM, CHANGE_REPRESENTATIVES
from campaigns.services.quorum_rules import quorum_set, representative_set
from inventory.permissions import UndeletableAdminMixin, may
from inventory.services.audit import Actor


class QuorumGroupFormSet(BaseInlineFormSet):  # type: ignore[type-arg] # the stubs want two parameters, Django takes none
    """The groups that must sign; each once, as the constraint of the table says."""

    def needs(self) -> dict[str, int]:
        """Return how many of each group must sign, as the form has it."""
        filled = [form.cleaned_data for form in self.forms if form.cleaned_data.get("group")]
        return {row["group"].name: row["min_signatures"] for row in filled if not row.get("DELETE")}


class QuorumGroupInline(TabularInline):
    """The groups that must sign, and how many of each; whoever may change the rule may change them."""

    model = QuorumGroup
    formset = QuorumGroupFormSet
    extra = 1

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, CHANGE_QUORUM)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, CHANGE_QUORUM)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return may(request.user, CHANGE_QUORUM)


@admin.register(QuorumRule)
class QuorumRuleAdmin(UndeletableAdminMixin, ModelAdmin):
    """The signatures that campaigns of a partition need; campaigns that are signed keep what they have."""

    list_display = ["partition", "min_signatures", "group_names"]
    list_select_related = ["partition"]
    inlines = [QuorumGroupInline]

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).prefetch_related("groups__group")

    def get_readonly_fields(self, request: HttpRequest, obj: QuorumRule | None = None) -> list[str]:
        return ["partition"] if obj else []

    def group_names(self, rule: QuorumRule) -> str:
        return ", ".join(f"{need.min_signatures} of {need.group}" for need in rule.groups.all()) or "no group in particular"

    group_names.short_description = "of which groups"  # type: ignore[attr-defined]

    def save_model(self, request: Any, obj: QuorumRule, form: Any, change: bool) -> None:
        """Leave the rule to `save_related`, where its groups are known: the service writes both at once, or neither."""

    def save_related(self, request: Any, form: Any, formsets: Any, change: bool) -> None:
        (groups,) = formsets
        groups.save(commit=False)  # tells the log of the admin what changed
        rule = quorum_set(
            partition_name=form.instance.partition.name,
            min_signatures=form.cleaned_data["min_signatures"],
            groups=groups.needs(),
            actor=Actor.of(request.user),
        )
        form.instance.pk = rule.pk


@admin.register(GroupRepresentative)
class GroupRepresentativeAdmin(ModelAdmin):
    """Who is told of campaigns on behalf of a group that owns data, and decides exceptions that are asked for it."""

    list_display = ["group", "user"]
    list_select_related = ["group", "user"]
    search_fields = ["group__name", "user__username"]

    def has_change_permission(self, request: HttpRequest, obj: GroupRepresentative | None = None) -> bool:
        return False  # taken back and given anew

    def has_delete_permission(self, request: HttpRequest, obj: GroupRepresentative | None = None) -> bool:
        return may(request.user, CHANGE_REPRESENTATIVES)

    def save_model(self, request: Any, obj: GroupRepresentative, form: Any, change: bool) -> None:
        _set(request, obj, speaks=True)
        obj.pk = GroupRepresentative.objects.get(group=obj.group_id, user=obj.user_id).pk

    def delete_model(self, request: HttpRequest, obj: GroupRepresentative) -> None:
        _set(request, obj, speaks=False)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[GroupRepresentative]) -> None:
        for row in queryset.select_related("group", "user"):
            _set(request, row, speaks=False)


def _set(request: HttpRequest, row: GroupRepresentative, *, speaks: bool) -> None:
    actor = Actor.of(request.user)  # type: ignore[arg-type] # the admin asks for an account before
    representative_set(group_name=row.group.name, login=row.user.get_username(), speaks=speaks, actor=actor)
