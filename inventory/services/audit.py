"""The audit trail: append-only, hash-chained, written in the transaction of the act that it records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection, transaction
from django.utils import timezone

from inventory.models import AuditEvent, AuditHead

#: Digest before the first event.
GENESIS = "0" * 64


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person (``user`` set) or a part of the system (a cycle, a worker, a command)."""

    name: str
    user: AbstractBaseUser | None = None

    @classmethod
    def of(cls, user: AbstractBaseUser) -> Actor:
        return cls(name=user.get_username(), user=user)


@dataclass(frozen=True, slots=True)
class BrokenLink:
    """The first event that does not fit the chain."""

    event_id: int
    problem: str


def audit_record(
    *, actor: Actor, action: str, subject: str, reason: str = "", details: Mapping[str, Any] | None = None
) -> AuditEvent:
    """Append one event to the chain, inside the caller's transaction.

    Locks the head of the chain until that transaction ends: call it last, after every other row lock is taken.
    Raises ``TransactionManagementError`` outside a transaction.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("an event belongs to the transaction of the act that it records: open one")
    head = _locked_head()
    now = timezone.now()
    content = dict(details or {})
    digest = _digest(head.digest, at=now, actor=actor.name, action=action, subject=subject, reason=reason, details=content)
    event = AuditEvent.objects.create(
        at=now,
        actor=actor.name,
        user_id=None if actor.user is None else actor.user.pk,
        action=action,
        subject=subject,
        reason=reason,
        details=content,
        previous_digest=head.digest,
        digest=digest,
    )
    head.last_event = event
    head.digest = digest
    head.num_events += 1
    head.save(update_fields=["last_event", "digest", "num_events"])
    return event


def audit_verify() -> BrokenLink | None:
    """Recompute the whole chain in order; return the first break, or None when every event and the head fit."""
    with transaction.atomic():
        head = AuditHead.objects.filter(pk=1).first()
        expected = GENESIS
        count = 0
        last_id = 0
        for event in AuditEvent.objects.order_by("pk").iterator(chunk_size=2000):
            count += 1
            last_id = event.pk
            if broken := _break_at(event, expected):
                return broken
            expected = event.digest
        recorded = (head.digest, head.num_events) if head is not None else (GENESIS, 0)
    if recorded != (expected, count):
        return BrokenLink(
            last_id, f"the chain ends after {count} events, its head says {recorded[1]}: the last ones were removed"
        )
    return None


def audit_verify_latest(*, number: int = 200) -> BrokenLink | None:
    """Check the latest *number* events and the head, at the same cost however long the chain is; return the first break, or None.

    That the chain is whole before them is told by ``audit_verify`` alone.
    """
    with transaction.atomic():
        head = AuditHead.objects.filter(pk=1).first()
        events = list(AuditEvent.objects.order_by("-pk")[:number])[::-1]
    expected = events[0].previous_digest if events else GENESIS
    for event in events:
        if broken := _break_at(event, expected):
            return broken
        expected = event.digest
    if (head.digest if head is not None else GENESIS) != expected:
        return BrokenLink(events[-1].pk if events else 0, "its head belongs to another event: the last ones were removed")
    return None


def _break_at(event: AuditEvent, expected: str) -> BrokenLink | None:
    """Return what is wrong with *event* behind an event of the digest *expected*."""
    if event.previous_digest != expected:
        return BrokenLink(event.pk, "the event before it was removed, inserted, changed or moved")
    digest = _digest(
        expected,
        at=event.at,
        actor=event.actor,
        action=event.action,
        subject=event.subject,
        reason=event.reason,
        details=event.details,
    )
    return None if digest == event.digest else BrokenLink(event.pk, "its content is not what was recorded")


def _locked_head() -> AuditHead:
    head = AuditHead.objects.select_for_update().filter(pk=1).first()
    if head is None:
        AuditHead.objects.bulk_create([AuditHead(pk=1)], ignore_conflicts=True)
        head = AuditHead.objects.select_for_update().get(pk=1)
    return head


def _digest(
    previous: str, *, at: datetime, actor: str, action: str, subject: str, reason: str, details: Mapping[str, Any]
) -> str:
    body = json.dumps(
        [previous, at.isoformat(), actor, action, subject, reason, details],
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
    )
    return hashlib.sha256(body.encode()).hexdigest()
