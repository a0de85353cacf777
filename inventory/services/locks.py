"""Locks: made, extended and released, each with an event in the audit trail."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction

from inventory.exceptions import InvalidInput, InvalidTransition, NotFound
from inventory.models import Lock
from inventory.services.audit import Actor, audit_record
from inventory.services.rights import actor_may, require
from inventory.services.under_way import UnderWay, too_late_for

logger = logging.getLogger(__name__)

#: Called with what a lock comes too late for, after the commit.
TellTooLate = Callable[[Sequence[UnderWay]], None]

ADD_LOCK = "inventory.add_lock"
CHANGE_LOCK = "inventory.change_lock"

#: Block replicas that the audit event of a late lock names.
_LATE_SHOWN = 100

#: Longest pattern of each kind: as long as the names that it can match.
_LENGTHS = {"dataset": 512, "block": 128, "site": 128, "group": 128}


def lock_create(
    *,
    dataset_pattern: str,
    actor: Actor,
    now: datetime,
    block_pattern: str = "*",
    site_pattern: str = "*",
    group_pattern: str = "*",
    owner: str = "",
    comment: str = "",
    expires_at: datetime | None = None,
    source: str = "manual",
    tell_too_late: TellTooLate | None = None,
) -> Lock:
    """Keep what the patterns match from *now* until *expires_at* or a release; ``*`` is any text, ``?`` any character.

    What a worker is deleting at this moment cannot be kept any more: *tell_too_late* is called with it, if there is any, and
    the audit trail has it. The owner is the actor unless named. A site pattern that fits no site locks everywhere (see
    ``inventory.selectors.locks``).
    Raises ``InvalidInput`` for an empty or overlong pattern, one with control characters, or an expiry that is not after *now*;
    ``PermissionDenied`` without ``inventory.add_lock``.
    """
    patterns = {"dataset": dataset_pattern, "block": block_pattern, "site": site_pattern, "group": group_pattern}
    require(actor, ADD_LOCK, Lock())
    demand_patterns(**patterns)
    demand_text("owner", owner)
    demand_text("comment", comment)
    demand_future(expires_at, now)
    with transaction.atomic():
        lock = Lock.objects.create(
            dataset_pattern=dataset_pattern,
            block_pattern=block_pattern,
            site_pattern=site_pattern,
            group_pattern=group_pattern,
            owner=owner or actor.name,
            created_by_id=actor.user.pk if actor.user is not None else None,
            source=source,
            comment=comment,
            expires_at=expires_at,
        )
        # Before anything else is locked: the claims of deletions wait for the audit trail, and this waits for the claims.
        late = too_late_for([lock.pk], now=now)
        _record("inventory.lock_create", lock, actor, comment, {**patterns, "owner": lock.owner, **late_details(late)})
    tell(late, tell_too_late, f"lock {lock.pk}")
    return lock


def lock_extend(
    *,
    lock_id: int,
    expires_at: datetime | None,
    actor: Actor,
    now: datetime,
    reason: str = "",
    comment: str | None = None,
    tell_too_late: TellTooLate | None = None,
) -> Lock:
    """Move the expiry of a lock; None: until released. A lock that has expired already holds again, as a new one would.

    *comment* takes the place of the lock's where it is given. An earlier end is taken, too, but not one that is past.
    Raises ``NotFound`` if there is no such lock, ``InvalidTransition`` if it was released, ``InvalidInput`` for a past expiry,
    ``PermissionDenied`` for who may not (see `demand_own`).
    """
    demand_future(expires_at, now)
    demand_text("comment", comment or "")
    with transaction.atomic():
        lock = _unreleased(lock_id)
        demand_own(actor, lock)
        before = {"before": _text(lock.expires_at)} | ({} if comment is None else {"comment_before": lock.comment})
        lock.expires_at = expires_at
        lock.comment = lock.comment if comment is None else comment
        lock.save(update_fields=["expires_at", "comment"])
        late = too_late_for([lock.pk], now=now)
        _record("inventory.lock_extend", lock, actor, reason, {**before, **late_details(late)})
    tell(late, tell_too_late, f"lock {lock.pk}")
    return lock


def lock_release(*, lock_id: int, actor: Actor, now: datetime, reason: str = "") -> Lock:
    """Let go what the lock holds; its row stays as history.

    Raises ``NotFound`` if there is no such lock, ``InvalidTransition`` if it was released before, ``PermissionDenied`` for who
    may not (see `demand_own`).
    """
    with transaction.atomic():
        lock = _unreleased(lock_id)
        demand_own(actor, lock)
        lock.released_at = now
        lock.save(update_fields=["released_at"])
        _record("inventory.lock_release", lock, actor, reason, {"owner": lock.owner})
    return lock


def demand_own(actor: Actor, lock: Lock) -> None:
    """Raise ``PermissionDenied`` unless *actor* may end or extend *lock*; see `may_end`."""
    if not may_end(actor, lock):
        raise PermissionDenied(
            f"{actor.name} may not change lock {lock.pk}: it is {lock.owner}'s, and {CHANGE_LOCK} is needed for locks of others."
        )


def may_end(actor: Actor, lock: Lock) -> bool:
    """Tell whether *actor* may end or extend *lock*: by ``inventory.change_lock``, or by ``inventory.add_lock`` if it is theirs.

    A lock is somebody's who made it or whose user name is its owner.
    """
    user = actor.user
    is_own = user is not None and (lock.created_by_id == user.pk or lock.owner == user.get_username())
    return actor_may(actor, CHANGE_LOCK, lock) or (is_own and actor_may(actor, ADD_LOCK, Lock()))


def _unreleased(lock_id: int) -> Lock:
    lock = Lock.objects.select_for_update().filter(pk=lock_id).first()
    if lock is None:
        raise NotFound(f"there is no lock {lock_id}: see the command locks for those there are")
    if lock.released_at is not None:
        raise InvalidTransition(f"lock {lock_id} was released at {lock.released_at.isoformat()}: make a new one instead")
    return lock


def demand_patterns(*, dataset: str, block: str, site: str, group: str) -> None:
    """Raise ``InvalidInput`` for the first pattern that no lock can have."""
    for what, pattern in {"dataset": dataset, "block": block, "site": site, "group": group}.items():
        length = _LENGTHS[what]
        if not pattern or len(pattern) > length or not pattern.isprintable():
            raise InvalidInput(
                f"{what} pattern {pattern[:80]!r} cannot be taken: expected 1 to {length} printable characters, * for any text"
            )


def demand_text(what: str, text: str) -> None:
    """Raise ``InvalidInput`` for an owner or a comment that is longer than what is kept of it."""
    length = {"owner": 150, "comment": 512}[what]
    if len(text) > length or "\0" in text:
        raise InvalidInput(f"the {what} {text[:80]!r}... cannot be taken: expected at most {length} characters")


def demand_future(expires_at: datetime | None, now: datetime) -> None:
    """Raise ``InvalidInput`` for an end that is not after *now*."""
    if expires_at is not None and expires_at <= now:
        raise InvalidInput(f"a lock cannot end at {expires_at.isoformat()}, which is not after now ({now.isoformat()})")


def late_details(late: Sequence[UnderWay]) -> dict[str, Any]:
    """Return what the audit trail keeps of what locks come too late for."""
    return {"too_late": len(late), "too_late_for": [str(one) for one in late[:_LATE_SHOWN]]} if late else {}


def tell(late: Sequence[UnderWay], tell_too_late: TellTooLate | None, what: str) -> None:
    """Say, after the commit, what *what* comes too late for; nothing where it is nothing."""
    if late:
        logger.warning("%s comes too late for %s block replicas that are being deleted", what, len(late))
        if tell_too_late is not None:
            tell_too_late(late)


def _record(action: str, lock: Lock, actor: Actor, reason: str, details: dict[str, Any]) -> None:
    audit_record(
        actor=actor,
        action=action,
        subject=f"lock {lock.pk}: {lock.dataset_pattern}",
        reason=reason,
        details={**details, "lock": lock.pk, "expires_at": _text(lock.expires_at)},
    )


def _text(moment: datetime | None) -> str:
    return moment.isoformat() if moment is not None else ""
