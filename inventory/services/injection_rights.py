"""Whose an injection is, what its sender may do by it, and who else may end it or let it go on."""

from __future__ import annotations

from functools import partial

from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db.models import Model

from inventory.ingest.sections import Lacks
from inventory.models import Injection
from inventory.services.audit import Actor
from inventory.services.rights import actor_may, require

INJECT = "inventory.add_injection"
CHANGE_INJECTION = "inventory.change_injection"


def account_of(actor: Actor) -> int | None:
    """Return the key of the account that acts, None for a command or a part of the system."""
    return None if actor.user is None else actor.user.pk


def demand_inject(actor: Actor) -> None:
    """Raise ``PermissionDenied`` unless *actor* may inject."""
    require(actor, INJECT, Injection())


def demand_own(actor: Actor, injection: Injection) -> None:
    """Raise ``PermissionDenied`` unless *actor* may stop *injection*, give it up or let it go on; see `may_decide`."""
    if not may_decide(actor, injection):
        raise PermissionDenied(
            f"{actor.name} may not decide on injection {injection.pk}: it is {injection.started_by}'s, and {CHANGE_INJECTION} is "
            "needed for injections of others."
        )


def may_decide(actor: Actor, injection: Injection) -> bool:
    """Tell whether *actor* may: by ``inventory.change_injection``, or by ``inventory.add_injection`` where it is theirs.

    What a command began is nobody's: a login of the same name as an account of the server says nothing.
    """
    is_own = actor.user is not None and injection.user_id == actor.user.pk
    return actor_may(actor, CHANGE_INJECTION, injection) or (is_own and actor_may(actor, INJECT, Injection()))


def may_decide_on(actor: Actor, injection_id: int) -> bool:
    """Tell `may_decide` of the injection with this key; False if there is none."""
    injection = Injection.objects.filter(pk=injection_id).first()
    return injection is not None and may_decide(actor, injection)


def sender_of(injection: Injection) -> Actor | None:
    """Return who sent *injection*, with their rights at this moment; None if they may not inject any more.

    None, too, if it has no account: that of a document which waited while Dynamo was upgraded may have been removed by then.
    """
    if injection.user_id is None:
        return None
    user = get_user_model().objects.filter(pk=injection.user_id, is_active=True).first()
    if user is None:
        return None
    actor = Actor(injection.started_by, user)
    return actor if actor_may(actor, INJECT, Injection()) else None


def lacks_of(actor: Actor) -> Lacks:
    """Return what tells which rights *actor* lacks for what a record asks: by a document nobody may more than by hand."""
    return partial(_lacking, actor)


def _lacking(actor: Actor, permission: str, subject: Model) -> str:
    if actor_may(actor, permission, subject):
        return ""
    return f"{actor.name} lacks the right {permission}{f' on {subject}' if subject.pk is not None else ''}"
