"""Locks: made, extended and released, each with an event in the audit trail."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from inventory.exceptions import InvalidInput, InvalidTransition, NotFound
from inventory.models import Lock
from inventory.services.audit import Actor, audit_record
from inventory.services.under_way import UnderWay, too_late_for

logger = logging.getLogger(__name__)

#: Called with what a lock comes too late for, after the commit.
TellTooLate = Callable[[Sequence[UnderWay]], None]

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
    Raises ``InvalidInput`` for an empty or overlong pattern, one with control characters, or an expiry that is not after *now*.
    """
    patterns = {"dataset": dataset_pattern, "block": block_pattern, "site": site_pattern, "group": group_pattern}
    for what, pattern in patterns.items():
        _demand_pattern(what, pattern)
    _demand_future(expires_at, now)
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
        _record("inventory.lock_create", lock, actor, comment, {**patterns, "owner": lock.owner, **_late_details(late)})
    _tell(lock, late, tell_too_late)
    return lock


def lock_extend(
    *,
    lock_id: int,
    expires_at: datetime | None,
    actor: Actor,
    now: datetime,
    reason: str = "",
    tell_too_late: TellTooLate | None = None,
) -> Lock:
    """Move the expiry of a lock; None: until released. A lock that has expired already holds again, as a new one would.

    Raises ``NotFound`` if there is no such lock, ``InvalidTransition`` if it was released, ``InvalidInput`` for a past expiry.
    """
    _demand_future(expires_at, now)
    with transaction.atomic():
        lock = _unreleased(lock_id)
        before = lock.expires_at
        lock.expires_at = expires_at
        lock.save(update_fields=["expires_at"])
        late = too_late_for([lock.pk], now=now)
        _record("inventory.lock_extend", lock, actor, reason, {"before": _text(before), **_late_details(late)})
    _tell(lock, late, tell_too_late)
    return lock


def lock_release(*, lock_id: int, actor: Actor, now: datetime, reason: str = "") -> Lock:
    """Let go what the lock holds; its row stays as history.

    Raises ``NotFound`` if there is no such lock, ``InvalidTransition`` if it was released before.
    """
    with transaction.atomic():
        lock = _unreleased(lock_id)
        lock.released_at = now
        lock.save(update_fields=["released_at"])
        _record("inventory.lock_release", lock, actor, reason, {"owner": lock.owner})
    return lock


def _unreleased(lock_id: int) -> Lock:
    lock = Lock.objects.select_for_update().filter(pk=lock_id).first()
    if lock is None:
        raise NotFound(f"there is no lock {lock_id}: see the command locks for those there are")
    if lock.released_at is not None:
        raise InvalidTransition(f"lock {lock_id} was released at {lock.released_at.isoformat()}: make a new one instead")
    return lock


def _demand_pattern(what: str, pattern: str) -> None:
    length = _LENGTHS[what]
    if not pattern or len(pattern) > length or not pattern.isprintable():
        raise InvalidInput(
            f"{what} pattern {pattern[:80]!r} cannot be taken: expected 1 to {length} printable characters, * for any text"
        )


def _demand_future(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and expires_at <= now:
        raise InvalidInput(f"a lock cannot end at {expires_at.isoformat()}, which is not after now ({now.isoformat()})")


def _late_details(late: Sequence[UnderWay]) -> dict[str, Any]:
    return {"too_late": len(late), "too_late_for": [str(one) for one in late[:_LATE_SHOWN]]} if late else {}


def _tell(lock: Lock, late: Sequence[UnderWay], tell: TellTooLate | None) -> None:
    if late:
        logger.warning("lock %s comes too late for %s block replicas that are being deleted", lock.pk, len(late))
        if tell is not None:
            tell(late)


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
