"""Rights on one campaign, given to accounts and groups on a page of the admin."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from guardian.admin import AdminGroupObjectPermissionsForm, AdminUserObjectPermissionsForm, GuardedModelAdmin

from campaigns.permissions import CHANGE_QUORUM, require
from inventory.permissions import may
from inventory.services.audit import Actor
from inventory.services.object_rights import object_rights_set

#: Mean nothing on one campaign: it is there already, and never deleted.
_OF_NO_OBJECT = frozenset({"add_campaign", "delete_campaign"})


class _UserForm(AdminUserObjectPermissionsForm):
    def get_obj_perms_field_choices(self) -> list[Any]:
        return [choice for choice in super().get_obj_perms_field_choices() if choice[0] not in _OF_NO_OBJECT]


class _GroupForm(AdminGroupObjectPermissionsForm):
    def get_obj_perms_field_choices(self) -> list[Any]:
        return [choice for choice in super().get_obj_perms_field_choices() if choice[0] not in _OF_NO_OBJECT]


class CampaignRightsMixin(GuardedModelAdmin):
    """The pages of rights on a campaign, for who may say who must sign; each change is a row of the audit trail."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell who may open the pages of rights; the campaign itself is changed by its own acts alone."""
        return may(request.user, CHANGE_QUORUM)

    def get_obj_perms_base_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_obj_perms_base_context(request, obj)
        context["model_perms"] = context["model_perms"].exclude(codename__in=_OF_NO_OBJECT)
        return context

    def get_obj_perms_manage_user_form(self, request: HttpRequest) -> type[AdminUserObjectPermissionsForm]:
        class Form(_UserForm):
            def save_obj_perms(self) -> None:
                _save(request, self.obj, self.user, self.cleaned_data["permissions"])

        return Form

    def get_obj_perms_manage_group_form(self, request: HttpRequest) -> type[AdminGroupObjectPermissionsForm]:
        class Form(_GroupForm):
            def save_obj_perms(self) -> None:
                _save(request, self.obj, self.group, self.cleaned_data["permissions"])

        return Form


def _save(request: HttpRequest, campaign: Any, holder: Any, codenames: list[str]) -> None:
    actor = Actor.of(request.user)  # type: ignore[arg-type] # the admin asks for an account before
    require(actor, CHANGE_QUORUM)
    object_rights_set(subject=campaign, holder=holder, codenames=codenames, actor=actor)
