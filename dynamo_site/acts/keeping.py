"""Acts on what people hold: locks and tokens."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from dynamo_site.acts.act import Act
from dynamo_site.services.tokens import REVOKE_OF_OTHERS, token_revoke
from inventory.selectors.wording import exact_text, when_text
from inventory.services.audit import Actor
from inventory.services.locks import lock_extend, lock_release, may_end

#: What one act of renewing adds to the end of a lock.
RENEWED_FOR = timedelta(days=90)


def _lock_release(lock: Any, actor: Actor, reason: str) -> str:
    lock_release(lock_id=lock.pk, actor=actor, now=timezone.now(), reason=reason)
    return "The lock is released: what it held may be deleted by the next cycle."


def _lock_renew(lock: Any, actor: Actor, reason: str) -> str:
    now = timezone.now()
    end = max(lock.expires_at or now, now) + RENEWED_FOR
    lock_extend(lock_id=lock.pk, expires_at=end, actor=actor, now=now, reason=reason)
    return f"The lock holds until {exact_text(end)}."


def _token_revoke(token: Any, actor: Actor, reason: str) -> str:
    token_revoke(token=token, actor=actor, reason=reason)
    return f"Revoked: {token} opens nothing any more."


ACTS: dict[str, Act] = {
    "lock-release": Act(
        label="Release the lock…",
        verb=lambda lock: "Release the lock",
        permission="inventory.change_lock",
        model="inventory.Lock",
        question=lambda lock: f"Release the lock on {lock}?",
        consequence=lambda lock: f"What it holds for {lock.owner} may be deleted by the next cycle.",
        perform=_lock_release,
        is_dangerous=True,
        also=may_end,
    ),
    "lock-renew": Act(
        label=f"Renew for {RENEWED_FOR.days} days",
        verb=lambda lock: f"Renew for {RENEWED_FOR.days} days",
        permission="inventory.change_lock",
        model="inventory.Lock",
        question=lambda lock: f"Renew the lock on {lock} for {RENEWED_FOR.days} days?",
        consequence=lambda lock: (
            f"It ends {when_text(lock.expires_at)} ({exact_text(lock.expires_at)})."
            if lock.expires_at
            else "It has no end until somebody releases it: this gives it one."
        ),
        perform=_lock_renew,
        reason_required=False,
        also=may_end,
    ),
    "token-revoke": Act(
        label="Revoke…",
        verb=lambda token: "Revoke the token",
        permission=REVOKE_OF_OTHERS,
        model="dynamo_site.ApiToken",
        question=lambda token: f"Revoke the token for {token}?",
        consequence=lambda token: "Whatever uses it is refused from now on. It cannot be made valid again.",
        perform=_token_revoke,
        is_dangerous=True,
        also=lambda actor, token: actor.user is not None and token.user_id == actor.user.pk,
    ),
}
