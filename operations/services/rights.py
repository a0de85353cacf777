"""Who may act: asked under the lock of what is acted on."""

from __future__ import annotations

from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import PermissionDenied

from inventory.selectors.sites import sites_without_right
from inventory.services.audit import Actor
from operations.exceptions import InvalidTransitionError, OwnRequestError

#: After the login in the name of who acts at the shell of a host, without an account.
AT_SHELL = " (shell)"


def demand_right(actor: Actor, permission: str, what: str) -> None:
    """Refuse a person without the right; parts of the system and people at the shell of the host are not asked.

    Raises ``PermissionDenied``.
    """
    user = actor.user
    if user is None:
        return
    if not (isinstance(user, PermissionsMixin) and user.is_active and user.has_perm(permission)):
        raise PermissionDenied(f"{actor.name} may not {what}: it takes the right {permission}")


def demand_another(actor: Actor, *, asked_by: int | None, asked_by_name: str, what: str) -> None:
    """Refuse whoever asked for *what* by the account or by the name, whatever their rights. Raises ``OwnRequestError``.

    A login at the shell of a host and the account of the same name are one person.
    """
    is_same_name = asked_by_name.removesuffix(AT_SHELL) == actor.name[:150].removesuffix(AT_SHELL)
    if is_same_name or (actor.user is not None and asked_by == actor.user.pk):
        raise OwnRequestError(f"{what} was asked for by {actor.name}: somebody else must approve it")


def demand_site_right(actor: Actor, permission: str, site_name: str) -> None:
    """Refuse a person without the right in general or on the site; parts of the system and the shell are not asked.

    Raises ``PermissionDenied``.
    """
    if actor.user is not None and sites_without_right(actor.user, permission, [site_name]):
        raise PermissionDenied(f"{actor.name} lacks the right {permission} at {site_name}")


def demand_reason(reason: str, kept: str = "the reason is kept in the audit trail") -> None:
    """Refuse an act without a reason; *kept* says what becomes of it. Raises ``InvalidTransitionError``."""
    if not reason.strip():
        raise InvalidTransitionError(f"say why: {kept}")
