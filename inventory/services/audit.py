"""The audit trail: append-only, hash-chained, written in the transaction of the act that it records."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connection, transaction
from django.utils import timezone

from inventory.models import AuditEvent, AuditHead

logger = logging.getLogger(__name__)

#: Digest before the first event.
GENESIS = "0" * 64

#: What the digests of new events are made of. Those of version 1, which are not written any more, leave out the account.
DIGEST_VERSION = 2


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

    Locks the head of the chain until that transaction ends: call it last, after every other row lock is taken. Its digest is
    logged after the commit, so that the logs are a copy of the chain that who changes the database does not have.
    Raises ``TransactionManagementError`` outside a transaction.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("an event belongs to the transaction of the act that it records: open one")
    head = _locked_head()
    event = AuditEvent(
        at=timezone.now(),
        actor=actor.name,
        user_id=None if actor.user is None else actor.user.pk,
        action=action,
        subject=subject,
        reason=reason,
        details=dict(details or {}),
        previous_digest=head.digest,
        digest_version=DIGEST_VERSION,
    )
    event.digest = _digest(event)
    event.save(force_insert=True)
    head.last_event = event
    head.digest = event.digest
    head.num_events += 1
    head.save(update_fields=["last_event", "digest", "num_events"])
    ids = {"audit_event": event.pk, "audit_digest": event.digest}
    transaction.on_commit(lambda: logger.info("audit event %s: %s", event.pk, event.digest, extra=ids))
    return event


def audit_head() -> tuple[int, str]:
    """Return how many events there are and the digest of the last: noted elsewhere, it shows later that none of them is gone."""
    head = AuditHead.objects.filter(pk=1).first()
    return (head.num_events, head.digest) if head is not None else (0, GENESIS)


def audit_verify(*, head: str = "", at_least: int = 0) -> BrokenLink | None:
    """Recompute the whole chain in order; return the first break, or None when every event and the end fit.

    There is no key: who may write all of the table can write a chain anew, or cut its end, so that it fits. What was noted
    where they cannot write shows it: *head*, the digest of any event, which must still be in the chain (then all before it is as
    it was), and *at_least*, a number of events.
    """
    noted = head.strip().lower()
    is_known = noted in {"", GENESIS}
    with transaction.atomic():
        recorded_count, recorded = audit_head()
        expected = GENESIS
        count = 0
        last_id = 0
        for event in AuditEvent.objects.order_by("pk").iterator(chunk_size=2000):
            count += 1
            last_id = event.pk
            if broken := _break_at(event, expected):
                return broken
            expected = event.digest
            is_known = is_known or event.digest == noted
    if (recorded, recorded_count) != (expected, count):
        return BrokenLink(
            last_id, f"the chain ends after {count} events, its head says {recorded_count}: the last ones were removed"
        )
    if not is_known:
        return BrokenLink(last_id, f"no event has the digest {noted}, which was noted: the chain was cut or written anew")
    if count < at_least:
        return BrokenLink(last_id, f"{count} events are there, at least {at_least} were expected: the last ones were removed")
    return None


def audit_verify_latest(*, number: int = 200) -> BrokenLink | None:
    """Check the latest *number* events and the head, at the same cost however long the chain is; return the first break, or None.

    That the chain is whole before them is told by ``audit_verify`` alone.
    """
    with transaction.atomic():
        _, recorded = audit_head()
        events = list(AuditEvent.objects.order_by("-pk")[:number])[::-1]
    expected = events[0].previous_digest if events else GENESIS
    for event in events:
        if broken := _break_at(event, expected):
            return broken
        expected = event.digest
    if recorded != expected:
        return BrokenLink(events[-1].pk if events else 0, "its head belongs to another event: the last ones were removed")
    return None


def _break_at(event: AuditEvent, expected: str) -> BrokenLink | None:
    """Return what is wrong with *event* behind an event of the digest *expected*."""
    if event.previous_digest != expected:
        return BrokenLink(event.pk, "the event before it was removed, inserted, changed or moved")
    if not 1 <= event.digest_version <= DIGEST_VERSION:
        return BrokenLink(event.pk, f"its digest is of version {event.digest_version}, which this Dynamo does not know")
    return None if _digest(event) == event.digest else BrokenLink(event.pk, "its content is not what was recorded")


def _locked_head() -> AuditHead:
    head = AuditHead.objects.select_for_update().filter(pk=1).first()
    if head is None:
        AuditHead.objects.bulk_create([AuditHead(pk=1)], ignore_conflicts=True)
        head = AuditHead.objects.select_for_update().get(pk=1)
    return head


def _digest(event: AuditEvent) -> str:
    content = [event.previous_digest, event.at.isoformat(), event.actor, event.action, event.subject, event.reason, event.details]
    if event.digest_version >= 2:
        content += [event.digest_version, event.user_id]
    body = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(body.encode()).hexdigest()
