"""Which locks hold now, whose they are and when they end; what they hold is a matter of their patterns (``locks``)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from inventory.models import Lock

#: How the policy language calls the owner of what nobody owns.
NOBODY = "None"

#: How long before its end a lock is shown to its owner.
EXPIRES_SOON = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class EndingLock:
    """A lock that ends soon."""

    key: int
    text: str
    expires_at: datetime


def in_force_at(now: datetime) -> Q:
    """Return the condition of a lock that is neither released nor expired at *now*."""
    return Q(Q(expires_at__isnull=True) | Q(expires_at__gt=now), released_at__isnull=True)


def locks_in_force(now: datetime) -> QuerySet[Lock]:
    """Return the locks that are neither released nor expired at *now*."""
    return Lock.objects.filter(in_force_at(now))


def expiring_soon(now: datetime) -> Q:
    """Return the condition of a lock that holds at *now* and ends within `EXPIRES_SOON`."""
    return Q(released_at__isnull=True, expires_at__gt=now, expires_at__lte=now + EXPIRES_SOON)


def owned_by(user: Any) -> Q:
    """Return the condition of a lock that *user* made, or of which the user name is the owner."""
    return Q(owner=user.get_username()) | Q(created_by_id=user.pk)


def locks_to_renew(user: Any, *, now: datetime, limit: int) -> list[EndingLock]:
    """Return the locks of *user* that end soon, the next to end first, at most *limit* of them."""
    rows = Lock.objects.filter(owned_by(user), expiring_soon(now)).order_by("expires_at", "pk")
    return [EndingLock(lock.pk, str(lock), lock.expires_at or now) for lock in rows[:limit]]


def lock_people(now: datetime) -> dict[int, int]:
    """Return, by lock in force at *now*, the account that made it; locks that no account made are absent."""
    rows = locks_in_force(now).filter(created_by__is_active=True).order_by("pk")
    return dict(rows.values_list("pk", "created_by_id"))


def lock_patterns_of_source(source: str) -> set[str]:
    """Return the dataset patterns of all locks, also released ones, that came from *source*."""
    return set(Lock.objects.filter(source=source).values_list("dataset_pattern", flat=True))
