"""Policies and their versions."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.widgets import UnfoldAdminTextareaWidget

from inventory.permissions import may
from inventory.rights_pages import RightsPagesMixin
from inventory.selectors.wording import badge_html, duration_text, when_html
from inventory.services.audit import Actor
from inventory.services.edits import definition_save
from policies.admin.base import DefinitionAdmin, ServiceAdmin, clean_policy
from policies.admin.comparisons import VersionCompareMixin
from policies.admin.editing import PolicyEditorMixin
from policies.models import Policy, PolicyVersion
from policies.selectors.cycles_overview import coverage_lines, latest_cycle_of_version, policy_versions
from policies.services.policies import policy_create, policy_version_create


@admin.register(Policy)
class PolicyAdmin(PolicyEditorMixin, DefinitionAdmin, RightsPagesMixin):
    """A policy: its active text with what each line decided, and its versions."""

    list_display = ["name", "partition", "active", "evaluated", "changed"]
    list_filter = ["is_enabled", "partition"]
    list_select_related = ["partition", "active_version"]
    search_fields = ["name", "partition__name"]
    fields = [("name", "partition"), "is_enabled", ("period", "deletion_per_iteration")]
    change_form_outer_before_template = "dynamo/policy_panels.html"

    def get_fields(self, request: HttpRequest, obj: Policy | None = None) -> list[Any]:
        # A new policy is switched on and does nothing until a version of it is active.
        return list(self.fields) if obj else [("name", "partition"), ("period", "deletion_per_iteration")]

    def get_readonly_fields(self, request: HttpRequest, obj: Policy | None = None) -> list[str]:
        return ["name", "partition"] if obj else []

    def save_model(self, request: HttpRequest, obj: Policy, form: forms.ModelForm[Policy], change: bool) -> None:
        if change:
            definition_save(user=request.user, instance=obj, changed_fields=form.changed_data)
            return
        saved = policy_create(
            name=obj.name,
            partition_name=obj.partition.name,
            period=obj.period,
            deletion_per_iteration=obj.deletion_per_iteration,
            actor=Actor.of(request.user),
        )
        obj.__dict__.update(saved.__dict__)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        context: dict[str, Any] = {}
        policy = self.get_object(request, object_id)
        if policy is not None:
            version = policy.active_version
            cycle_id = latest_cycle_of_version(version.pk) if version else None
            context = {
                "may_edit": may(request.user, "policies.change_policy", policy),
                "versions": policy_versions(policy.pk),
                "version": version,
                "coverage_cycle_id": cycle_id,
                "lines": coverage_lines(version.text, cycle_id) if version else [],
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    @display(description="active version")
    def active(self, policy: Policy) -> SafeString:
        if policy.active_version is None:
            return badge_html("warning", "none: nothing is evaluated")
        return badge_html("fine", f"v{policy.active_version.number}")

    @display(description="evaluated")
    def evaluated(self, policy: Policy) -> SafeString | str:
        return f"every {duration_text(policy.period)}" if policy.is_enabled else badge_html("kept", "switched off")

    @display(description="active since")
    def changed(self, policy: Policy) -> SafeString:
        return when_html(policy.active_version.activated_at if policy.active_version else None)


class VersionForm(forms.ModelForm):  # type: ignore[type-arg] # generic only in the stubs
    """A new text of a policy; every finding of the checker stands beside it."""

    class Meta:
        model = PolicyVersion
        fields = ["policy", "text", "comment"]
        widgets = {"text": UnfoldAdminTextareaWidget(attrs={"rows": 24, "class": "dy-mono", "spellcheck": "false"})}

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        policy, text = cleaned.get("policy"), cleaned.get("text")
        if policy is not None and text:
            try:
                clean_policy(text, policy.partition.name)
            except forms.ValidationError as findings:
                self.add_error("text", findings)
        return cleaned


@admin.register(PolicyVersion)
class PolicyVersionAdmin(VersionCompareMixin, ServiceAdmin):
    """A text that never changes once it is saved: there is a form for a new one, none for an old one."""

    list_display = ["__str__", "active", "comment", "created", "created_by", "activated"]
    list_filter = ["policy"]
    list_select_related = ["policy__active_version"]
    search_fields = ["policy__name", "comment", "text"]
    fields = [("policy", "number"), ("comment", "digest"), ("created", "created_by"), ("activated", "activated_by")]
    change_form_outer_before_template = "dynamo/version_panels.html"
    form = VersionForm

    def has_change_permission(self, request: HttpRequest, obj: PolicyVersion | None = None) -> bool:
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: PolicyVersion | None = None) -> list[str]:
        return flatten_fieldsets(self.get_fieldsets(request, obj)) if obj else []

    def get_fields(self, request: HttpRequest, obj: PolicyVersion | None = None) -> list[Any]:
        return list(self.fields) if obj else ["policy", "text", "comment"]

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start from the latest text of the policy that was asked for."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        asked = str(initial.get("policy", ""))
        latest = PolicyVersion.objects.filter(policy_id=asked).order_by("-number").first() if asked.isdecimal() else None
        return initial | ({"text": latest.text} if latest else {})

    def save_model(self, request: HttpRequest, obj: PolicyVersion, form: forms.ModelForm[PolicyVersion], change: bool) -> None:
        saved = policy_version_create(policy_id=obj.policy_id, text=obj.text, comment=obj.comment, actor=Actor.of(request.user))
        obj.__dict__.update(saved.__dict__)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        context: dict[str, Any] = {}
        version = self.get_object(request, object_id)
        if version is not None:
            cycle_id = latest_cycle_of_version(version.pk)
            may_compare = all(request.user.has_perm(f"policies.view_{what}") for what in ("cycle", "comparison"))
            context = {
                "coverage_cycle_id": cycle_id,
                "lines": coverage_lines(version.text, cycle_id),
                "version": version,
                "others": [row for row in policy_versions(version.policy_id) if row.pk != version.pk] if may_compare else [],
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    @display(description="state")
    def active(self, version: PolicyVersion) -> SafeString:
        is_active = version.policy.active_version_id == version.pk
        return badge_html("fine", "active") if is_active else badge_html("kept", "not active")

    @display(description="written")
    def created(self, version: PolicyVersion) -> SafeString:
        return when_html(version.created_at)

    @display(description="activated")
    def activated(self, version: PolicyVersion) -> SafeString:
        return when_html(version.activated_at)
