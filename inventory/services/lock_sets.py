"""Sets of locks that an owner replaces as a whole: what a production system does all day."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from inventory.exceptions import InvalidInput, InvalidTransition
from inventory.models import Lock, LockSet
from inventory.selectors.lock_holdings import Patterns
from inventory.services.audit import Actor, audit_record
from inventory.services.locks import (
    ADD_LOCK,
    CHANGE_LOCK,
    TellTooLate,
    demand_future,
    demand_patterns,
    demand_text,
    late_details,
    tell,
)
from inventory.services.rights import actor_may, require
from inventory.services.under_way import too_late_for

#: Locks that one set may have.
MAX_LOCKS = 10_000
#: Locks of each kind that the audit event of a replacement names.
_NAMED = 200


@dataclass(frozen=True, slots=True)
class WantedLock:
    """One lock of a set as it shall be; None: until released."""

    patterns: Patterns
    comment: str = ""
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SetChange:
    """What replacing a set did: keys of the locks that are new, have another end or comment, were released, or are as before."""

    lock_set: LockSet
    created: tuple[int, ...]
    changed: tuple[int, ...]
    released: tuple[int, ...]
    unchanged: tuple[int, ...]


def lock_set_replace(
    *,
    owner: str,
    name: str,
    locks: Sequence[WantedLock],
    actor: Actor,
    now: datetime,
    reason: str = "",
    expected_number: int | None = None,
    tell_too_late: TellTooLate | None = None,
) -> SetChange:
    """Make *locks* all that *owner* holds in the set *name*, in one transaction; other locks, also the owner's own, stay.

    A lock is the same as before if its four patterns are: it keeps its row, and gets another end or comment where these differ.
    The same request again changes nothing and leaves no event. Two replacements of one set take their turns; with
    *expected_number* (`LockSet.number`) the second is refused. An empty list releases all.
    Raises ``InvalidInput`` for a lock that cannot be (the first, by its number in the list) or stands twice, or too many;
    ``InvalidTransition`` where the set is not at *expected_number*; ``PermissionDenied`` without ``inventory.add_lock``, and for
    another owner than the actor without ``inventory.change_lock``.
    """
    _demand_owner(actor, owner)
    _demand_name(name)
    wanted = _checked(locks, now)
    with transaction.atomic():
        LockSet.objects.get_or_create(owner=owner, name=name)
        lock_set = LockSet.objects.select_for_update().get(owner=owner, name=name)
        _demand_owner(actor, owner)
        if expected_number is not None and expected_number != lock_set.number:
            raise InvalidTransition(f"the set {lock_set} has changed since it was read: read it again, then decide anew")
        change = _apply(lock_set, wanted, actor, now)
        touched = [*change.created, *change.changed]
        late = too_late_for(touched, now=now) if touched else ()
        if touched or change.released:
            lock_set.number += 1
            lock_set.changed_at = timezone.now()
            lock_set.save(update_fields=["number", "changed_at"])
            details = {
                "created": list(change.created[:_NAMED]),
                "changed": list(change.changed[:_NAMED]),
                "released": list(change.released[:_NAMED]),
                "num_created": len(change.created),
                "num_changed": len(change.changed),
                "num_released": len(change.released),
                "num_unchanged": len(change.unchanged),
                **late_details(late),
            }
            audit_record(
                actor=actor, action="inventory.lock_set_replace", subject=f"lock set {lock_set}", reason=reason, details=details
            )
    tell(late, tell_too_late, f"the set of locks {lock_set}")
    return change


def _apply(lock_set: LockSet, wanted: dict[Patterns, WantedLock], actor: Actor, now: datetime) -> SetChange:
    held = {Patterns.of(lock): lock for lock in lock_set.locks.select_for_update().filter(released_at__isnull=True)}
    changed = [
        lock
        for patterns, lock in held.items()
        if patterns in wanted and (lock.expires_at, lock.comment) != (wanted[patterns].expires_at, wanted[patterns].comment)
    ]
    for lock in changed:
        lock.expires_at, lock.comment = wanted[Patterns.of(lock)].expires_at, wanted[Patterns.of(lock)].comment
    Lock.objects.bulk_update(changed, ["expires_at", "comment"], batch_size=500)
    gone = [lock.pk for patterns, lock in held.items() if patterns not in wanted]
    for start in range(0, len(gone), 500):
        Lock.objects.filter(pk__in=gone[start : start + 500]).update(released_at=now)
    created = [_row(lock_set, one, actor) for patterns, one in wanted.items() if patterns not in held]
    Lock.objects.bulk_create(created, batch_size=500)
    touched = {lock.pk for lock in changed} | set(gone)
    return SetChange(
        lock_set,
        created=tuple(lock.pk for lock in created),
        changed=tuple(lock.pk for lock in changed),
        released=tuple(gone),
        unchanged=tuple(lock.pk for lock in held.values() if lock.pk not in touched),
    )


def _row(lock_set: LockSet, one: WantedLock, actor: Actor) -> Lock:
    return Lock(
        lock_set=lock_set,
        dataset_pattern=one.patterns.dataset,
        block_pattern=one.patterns.block,
        site_pattern=one.patterns.site,
        group_pattern=one.patterns.group,
        owner=lock_set.owner,
        created_by_id=actor.user.pk if actor.user is not None else None,
        source="set",
        comment=one.comment,
        expires_at=one.expires_at,
    )


def _checked(locks: Sequence[WantedLock], now: datetime) -> dict[Patterns, WantedLock]:
    if len(locks) > MAX_LOCKS:
        raise InvalidInput(f"{len(locks)} locks are too many for one set: at most {MAX_LOCKS}; use wildcards, or several sets")
    wanted: dict[Patterns, WantedLock] = {}
    for number, one in enumerate(locks):
        patterns = one.patterns
        try:
            demand_patterns(dataset=patterns.dataset, block=patterns.block, site=patterns.site, group=patterns.group)
            demand_text("comment", one.comment)
            demand_future(one.expires_at, now)
        except InvalidInput as problem:
            raise InvalidInput(f"locks[{number}]: {problem}") from problem
        if patterns in wanted:
            raise InvalidInput(f"locks[{number}]: the lock on {patterns.dataset} with these patterns stands in the set already")
        wanted[patterns] = one
    return wanted


def _demand_owner(actor: Actor, owner: str) -> None:
    """Raise ``PermissionDenied`` unless *actor* may keep sets of *owner*."""
    require(actor, ADD_LOCK, Lock())
    if owner != actor.name and not actor_may(actor, CHANGE_LOCK, Lock()):
        raise PermissionDenied(f"{actor.name} may not replace locks of {owner}: {CHANGE_LOCK} is needed for locks of others.")


def _demand_name(name: str) -> None:
    if not 0 < len(name) <= 64 or re.fullmatch(r"[A-Za-z0-9_-]+", name) is None:
        raise InvalidInput(f"{name[:80]!r} is no name of a set: expected 1 to 64 letters, digits, - and _")
