"""Who may act: asked by the services themselves, under the lock of what is acted on, whichever screen or program they serve."""

from __future__ import annotations

from django.contrib.auth.models import PermissionsMixin
from django.core.exceptions import PermissionDenied
from django.db.models import Model

from inventory.permissions import may
from inventory.services.audit import Actor


def require(actor: Actor, permission: str, subject: Model) -> None:
    """Raise ``PermissionDenied`` unless *actor* has *permission* in general or on *subject*.

    An actor without a user is a part of the system, or somebody at a shell of the server, who has the database anyway.
    """
    if not actor_may(actor, permission, subject):
        named = f" {subject}" if subject.pk is not None else ""
        raise PermissionDenied(f"{actor.name} lacks the right {permission!r} on {subject._meta.verbose_name}{named}.")


def actor_may(actor: Actor, permission: str, subject: Model) -> bool:
    """Tell whether *actor* has *permission* in general or on *subject*; see `require`. One that is not saved has no key."""
    user = actor.user
    if user is None:
        return True
    if not isinstance(user, PermissionsMixin):
        raise PermissionDenied(f"{actor.name} is of a kind that has no rights.")
    return may(user, permission, subject if subject.pk is not None else None)
