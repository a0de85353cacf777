"""Partitions, quotas and guardrails: forms over the services that define them."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display

from inventory.rights_pages import RightsPagesMixin
from inventory.selectors.wording import badge_html, share_text
from inventory.services.audit import Actor
from policies.admin.base import DefinitionAdmin, clean_condition
from policies.models import Guardrail, Partition
from policies.services.partition_limits import partition_limits_set
from policies.services.partitions import partition_define
from policies.services.policies import guardrail_define


class PartitionForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    """A condition, or the parts of a union."""

    class Meta:
        model = Partition
        fields = ["name", "condition", "parts", "max_site_fraction", "max_partition_fraction"]

    def clean_condition(self) -> str:
        text: str = self.cleaned_data["condition"].strip()
        return clean_condition(text, "partition") if text else ""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        if "condition" in cleaned and "parts" in cleaned and bool(cleaned["condition"]) == bool(cleaned["parts"]):
            raise forms.ValidationError("A partition has either a condition or parts, one of both.")
        return cleaned


@admin.register(Partition)
class PartitionAdmin(DefinitionAdmin, RightsPagesMixin):
    """A set of block replicas that is managed as one."""

    form = PartitionForm
    list_display = ["name", "what", "site_limit", "partition_limit"]
    search_fields = ["name", "condition"]
    autocomplete_fields = ["parts"]
    fields = ["name", "condition", "parts", ("max_site_fraction", "max_partition_fraction")]
    change_form_outer_before_template = "dynamo/partition_panels.html"

    def get_readonly_fields(self, request: HttpRequest, obj: Partition | None = None) -> list[str]:
        return ["name"] if obj else []

    def save_model(self, request: HttpRequest, obj: Partition, form: forms.ModelForm[Partition], change: bool) -> None:
        actor, cleaned = Actor.of(request.user), form.cleaned_data
        parts = [part.name for part in cleaned["parts"]]
        partition_define(name=obj.name, condition=cleaned["condition"], parts=parts, actor=actor)
        limits = {key: cleaned[key] for key in ("max_site_fraction", "max_partition_fraction")}
        if not change or any(key in form.changed_data for key in limits):
            saved = partition_limits_set(name=obj.name, actor=actor, **limits)
        else:
            saved = Partition.objects.get(name=obj.name)
        obj.__dict__.update(saved.__dict__)

    @display(description="what belongs to it")
    def what(self, partition: Partition) -> str:
        return partition.condition or "a union of other partitions"

    @display(description="one cycle may delete, of a quota")
    def site_limit(self, partition: Partition) -> str:
        return _limit(partition.max_site_fraction)

    @display(description="of the partition's bytes")
    def partition_limit(self, partition: Partition) -> str:
        return _limit(partition.max_partition_fraction)


def _limit(fraction: float | None) -> str:
    return "the general limit" if fraction is None else share_text(fraction)


class GuardrailForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    """A condition on replicas; its errors stand beside it."""

    class Meta:
        model = Guardrail
        fields = ["name", "condition", "partition", "is_protecting", "is_enabled", "comment"]

    def clean_condition(self) -> str:
        return clean_condition(self.cleaned_data["condition"], "replica")


@admin.register(Guardrail)
class GuardrailAdmin(DefinitionAdmin):
    """A condition that no plan may violate."""

    form = GuardrailForm
    list_display = ["name", "condition", "applies_to", "effect"]
    list_filter = ["is_enabled", "is_protecting"]
    list_select_related = ["partition"]
    search_fields = ["name", "condition", "comment"]
    fields = ["name", "condition", "partition", ("is_protecting", "is_enabled"), "comment"]

    def get_readonly_fields(self, request: HttpRequest, obj: Guardrail | None = None) -> list[str]:
        return ["name"] if obj else []

    def save_model(self, request: HttpRequest, obj: Guardrail, form: forms.ModelForm[Guardrail], change: bool) -> None:
        saved = guardrail_define(
            name=obj.name,
            condition=obj.condition,
            partition_name=obj.partition.name if obj.partition else None,
            is_protecting=obj.is_protecting,
            is_enabled=obj.is_enabled,
            comment=obj.comment,
            actor=Actor.of(request.user),
        )
        obj.__dict__.update(saved.__dict__)

    @display(description="applies to")
    def applies_to(self, guardrail: Guardrail) -> str:
        return guardrail.partition.name if guardrail.partition else "every partition"

    @display(description="effect")
    def effect(self, guardrail: Guardrail) -> SafeString:
        if not guardrail.is_enabled:
            return badge_html("kept", "switched off")
        if guardrail.is_protecting:
            return badge_html("protected", "protects while planning, and holds plans")
        return badge_html("warning", "holds plans")
