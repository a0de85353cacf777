"""Who may act: asked under the lock of what is acted on."""

from __future__ import annotations

from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import PermissionDenied

from inventory.services.audit import Actor


def demand_right(actor: Actor, permission: str, what: str) -> None:
    """Refuse a person without the right; parts of the system and people at the shell of the host are not asked.

    Raises ``PermissionDenied``.
    """
    user = actor.user
    if user is None:
        return
    if not (isinstance(user, PermissionsMixin) and user.is_active and user.has_perm(permission)):
        raise PermissionDenied(f"{actor.name} may not {what}: it takes the right {permission}")
