"""Who must sign, and who speaks for a group."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline

from campaigns.models import GroupRepresentative, QuorumGroup, QuorumRule
from inventory.permissions import UndeletableAdminMixin
from inventory.services.edits import definition_save


class QuorumGroupInline(TabularInline):
    """The groups that must sign, and how many of each."""

    model = QuorumGroup
    extra = 1


@admin.register(QuorumRule)
class QuorumRuleAdmin(UndeletableAdminMixin, ModelAdmin):
    """The signatures that campaigns of a partition need; campaigns that are signed keep what they have."""

    list_display = ["partition", "min_signatures", "group_names"]
    list_select_related = ["partition"]
    inlines = [QuorumGroupInline]

    def get_queryset(self, request: Any) -> Any:
        return super().get_queryset(request).prefetch_related("groups__group")

    def group_names(self, rule: QuorumRule) -> str:
        return ", ".join(f"{need.min_signatures} of {need.group}" for need in rule.groups.all()) or "no group in particular"

    group_names.short_description = "of which groups"  # type: ignore[attr-defined]

    def save_model(self, request: Any, obj: QuorumRule, form: Any, change: bool) -> None:
        definition_save(user=request.user, instance=obj, changed_fields=form.changed_data)


@admin.register(GroupRepresentative)
class GroupRepresentativeAdmin(ModelAdmin):
    """Who is told of campaigns on behalf of a group that owns data, and decides exceptions that are asked for it."""

    list_display = ["group", "user"]
    list_select_related = ["group", "user"]
    search_fields = ["group__name", "user__username"]

    def save_model(self, request: Any, obj: GroupRepresentative, form: Any, change: bool) -> None:
        definition_save(user=request.user, instance=obj, changed_fields=form.changed_data)
