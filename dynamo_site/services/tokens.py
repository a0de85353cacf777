"""API tokens: issued, used and revoked. The text of a token is returned once; only its hash is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractUser
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from dynamo_site.api.scopes import SCOPES, unknown_scopes
from dynamo_site.exceptions import TokenRefused
from dynamo_site.models import ApiToken
from inventory.services.audit import Actor, audit_record

ISSUE_FOR_OTHERS = "dynamo_site.issue_apitoken"
REVOKE_OF_OTHERS = "dynamo_site.revoke_apitoken"
#: The role of accounts that are programs, for which others issue tokens.
SERVICES = "Services"
MAX_DAYS = 366
#: A use is written down at most once in so long: reading must not become writing.
USE_PRECISION = timedelta(minutes=1)


@transaction.atomic
def token_issue(
    *, owner: AbstractUser, name: str, scopes: Sequence[str], days: int, actor: Actor, by: ApiToken | None = None
) -> tuple[ApiToken, str]:
    """Issue a token that opens *scopes* for *owner* during *days*; return it with its text, which is shown nowhere again.

    *by* is the token with which it is asked for: the new one opens no further scope and does not outlive it.

    Raises:
        PermissionDenied: a user asks for somebody else than a service, without the right to, or for more than *by* opens.
        TokenRefused: no name, an unknown scope or none, days out of range, or an owner who is not active.
    """
    _demand(actor, owner, ISSUE_FOR_OTHERS, f"issue a token for {owner.get_username()}")
    _refuse_impersonation(actor, owner)
    wanted = sorted(set(scopes))
    if not 1 <= days <= MAX_DAYS:
        raise TokenRefused(f"{days} days: a token lives from 1 to {MAX_DAYS} days; give a number in that range.")
    if unknown := unknown_scopes(wanted):
        raise TokenRefused(f"There is no scope {', '.join(unknown)}; there are {', '.join(SCOPES)}.")
    if not wanted:
        raise TokenRefused(f"A token without a scope opens nothing; name some of {', '.join(SCOPES)}.")
    if not name.strip() or len(name) > 100:
        raise TokenRefused("Say in 1 to 100 characters what the token is for.")
    if not owner.is_active:
        raise TokenRefused(f"{owner.get_username()} is not active: its token would open nothing.")
    expires_at = timezone.now() + timedelta(days=days)
    if by is not None:
        if more := sorted(set(wanted) - set(by.scopes)):
            raise PermissionDenied(f"This token does not open {', '.join(more)}: it cannot issue one that does.")
        if by.expiry is not None:
            expires_at = min(expires_at, by.expiry)
    token, text = ApiToken.objects.create(owner, name=name.strip(), scopes=wanted, issued_by=actor.name)
    token.expiry = expires_at
    token.save(update_fields=["expiry"])
    audit_record(
        actor=actor,
        action="site.token_issue",
        subject=owner.get_username(),
        details={"uid": str(token.uid), "name": token.name, "scopes": wanted, "expiry": token.expiry.isoformat()},
    )
    return token, text


@transaction.atomic
def token_revoke(*, token: ApiToken, actor: Actor, reason: str) -> None:
    """Revoke a token at once and for good. Raises ``PermissionDenied``, and ``TokenRefused`` where it is gone already."""
    _demand(actor, token.user, REVOKE_OF_OTHERS, f"revoke a token of {token.user.get_username()}")
    locked = ApiToken.objects.select_for_update(of=("self",)).filter(uid=token.uid).first()
    if locked is None:
        raise TokenRefused(f"The token {token} is revoked already.")
    locked.delete()
    audit_record(
        actor=actor,
        action="site.token_revoke",
        subject=token.user.get_username(),
        reason=reason,
        details={"uid": str(token.uid), "name": token.name},
    )


def token_used(token: ApiToken, *, now: datetime) -> None:
    """Note that *token* opened the API at *now*, to the minute; of two at once one writes it."""
    if token.last_used_at is not None and now - token.last_used_at < USE_PRECISION:
        return
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USE_PRECISION)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


def _demand(actor: Actor, owner: AbstractUser, permission: str, what: str) -> None:
    """Let users act on their own tokens, and on those of others with *permission*; a part of the system may."""
    user = actor.user
    if user is None:
        return
    if not isinstance(user, AbstractUser) or (user.pk != owner.pk and not user.has_perm(permission)):
        raise PermissionDenied(f"{actor.name} may not {what}: it takes the right {permission}.")


def _refuse_impersonation(actor: Actor, owner: AbstractUser) -> None:
    """Keep users from acting as another person, who may have more rights or have to approve what they propose."""
    user = actor.user
    if not isinstance(user, AbstractUser) or user.pk == owner.pk:
        return
    is_service = not owner.is_superuser and owner.groups.filter(name=SERVICES).exists()
    if not is_service or not owner.get_all_permissions() <= user.get_all_permissions():
        raise PermissionDenied(
            f"{owner.get_username()} issues tokens with their own login. For somebody else they are issued only where that is a "
            f"service (role {SERVICES}) with no right that the issuer lacks."
        )
