"""Rights on one campaign, given to accounts and groups on a page of the admin."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from guardian.admin import AdminGroupObjectPermissionsForm, AdminUserObjectPermissionsForm, GuardedModelAdmin

from campaigns.permissions import CHANGE_QUORUM, require
from inventory.permissions import may
from inventory.services.audit import Actor
from inventory.services.object_rights import object_rights_set


class CampaignRightsMixin(GuardedModelAdmin):
    """The pages of rights on a campaign, for who may say who must sign; each change is a row of the audit trail."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell who may open the pages of rights; the campaign itself is changed by its own acts alone."""
        return may(request.user, CHANGE_QUORUM)

    def get_obj_perms_manage_user_form(self, request: HttpRequest) -> type[AdminUserObjectPermissionsForm]:
        class Form(AdminUserObjectPermissionsForm):
            def save_obj_perms(self) -> None:
                _save(request, self.obj, self.user, self.cleaned_data["permissions"])

        return Form

    def get_obj_perms_manage_group_form(self, request: HttpRequest) -> type[AdminGroupObjectPermissionsForm]:
        class Form(AdminGroupObjectPermissionsForm):
            def save_obj_perms(self) -> None:
                _save(request, self.obj, self.group, self.cleaned_data["permissions"])

        return Form


def _save(request: HttpRequest, campaign: Any, holder: Any, codenames: list[str]) -> None:
    actor = Actor.of(request.user)  # type: ignore[arg-type] # the admin asks for an account before
    require(actor, CHANGE_QUORUM)
    object_rights_set(subject=campaign, holder=holder, codenames=codenames, actor=actor)
