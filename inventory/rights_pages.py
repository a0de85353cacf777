"""Pages of the admin on which rights on one object are given and taken; each change is a row of the audit trail."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.http import HttpRequest
from guardian.admin import AdminGroupObjectPermissionsForm, AdminUserObjectPermissionsForm, GuardedModelAdmin

from inventory.services.audit import Actor
from inventory.services.object_rights import object_rights_set, rights_of_kind, rights_offered


class RightsPagesMixin(GuardedModelAdmin):
    """The pages of rights on an object, for who may change every object of its kind.

    Nobody hands out more than they have: `rights_offered`. What the holder has beyond these stays as it is.
    """

    def rights_to_give(self, request: HttpRequest) -> frozenset[str]:
        """Return the rights (code names) that whoever asks may give and take."""
        return rights_offered(self.model, request.user)

    def get_obj_perms_base_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Return what guardian's pages show; columns for rights that mean something on one object."""
        context: dict[str, Any] = super().get_obj_perms_base_context(request, obj)
        context["model_perms"] = context["model_perms"].filter(codename__in=rights_of_kind(self.model))
        return context

    def get_obj_perms_manage_user_form(self, request: HttpRequest) -> type[AdminUserObjectPermissionsForm]:
        offered = self.rights_to_give(request)

        class UserForm(AdminUserObjectPermissionsForm):
            def get_obj_perms_field_choices(self) -> list[Any]:
                return [choice for choice in super().get_obj_perms_field_choices() if choice[0] in offered]

            def save_obj_perms(self) -> None:
                _save(request, self.obj, self.user, self.cleaned_data["permissions"], offered)

        return UserForm

    def get_obj_perms_manage_group_form(self, request: HttpRequest) -> type[AdminGroupObjectPermissionsForm]:
        offered = self.rights_to_give(request)

        class GroupForm(AdminGroupObjectPermissionsForm):
            def get_obj_perms_field_choices(self) -> list[Any]:
                return [choice for choice in super().get_obj_perms_field_choices() if choice[0] in offered]

            def save_obj_perms(self) -> None:
                _save(request, self.obj, self.group, self.cleaned_data["permissions"], offered)

        return GroupForm


def _save(request: HttpRequest, subject: Any, holder: Any, chosen: Collection[str], offered: frozenset[str]) -> None:
    actor = Actor.of(request.user)  # type: ignore[arg-type] # the admin asks for an account before
    object_rights_set(subject=subject, holder=holder, codenames=chosen, among=offered, actor=actor)
