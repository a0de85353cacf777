"""Who may do what with policies: object permission (guardian) or the same right on all objects (a role)."""

from __future__ import annotations

from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import PermissionDenied
from django.db.models import Model

from inventory.services.audit import Actor

SET_QUOTA = "policies.set_quota"
RELEASE_PLAN = "policies.release_plan"
ADD_PARTITION = "policies.add_partition"
CHANGE_PARTITION = "policies.change_partition"
VIEW_POLICY = "policies.view_policy"
CHANGE_POLICY = "policies.change_policy"
ACTIVATE_POLICY = "policies.activate_policy"
RUN_POLICY = "policies.run_policy"
CHANGE_GUARDRAIL = "policies.change_guardrail"


def require(actor: Actor, permission: str, subject: Model) -> None:
    """Raise ``PermissionDenied`` unless *actor* has *permission* on *subject*.

    An actor without a user is a part of the system, or somebody at a shell of the server, who has the database anyway.
    """
    user = actor.user
    if user is None:
        return
    if not isinstance(user, PermissionsMixin):
        raise PermissionDenied(f"{actor.name} is of a kind that has no rights.")
    may = user.has_perm(permission) or (subject.pk is not None and user.has_perm(permission, subject))
    if not may:
        raise PermissionDenied(f"{actor.name} lacks the right {permission!r} on {subject._meta.verbose_name} {subject}.")
