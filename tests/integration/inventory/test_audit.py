"""The audit trail shows when somebody has changed it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F

from inventory.models import AuditEvent, AuditHead
from inventory.services.audit import Actor, audit_record, audit_verify

pytestmark = pytest.mark.django_db


@pytest.fixture
def events() -> list[AuditEvent]:
    """Return five events in the order in which they were recorded."""
    with transaction.atomic():
        return [audit_record(actor=Actor("tester"), action="test.act", subject=f"s{n}", details={"n": n}) for n in range(5)]


def change_content(events: list[AuditEvent]) -> int:
    AuditEvent.objects.filter(pk=events[2].pk).update(details={"n": 99})
    return events[2].pk


def change_actor(events: list[AuditEvent]) -> int:
    AuditEvent.objects.filter(pk=events[0].pk).update(actor="nobody")
    return events[0].pk


def remove_one(events: list[AuditEvent]) -> int:
    AuditEvent.objects.filter(pk=events[1].pk).delete()
    return events[2].pk


def remove_the_last(events: list[AuditEvent]) -> int:
    AuditHead.objects.update(last_event=None)
    AuditEvent.objects.filter(pk=events[4].pk).delete()
    return events[3].pk


def break_a_link(events: list[AuditEvent]) -> int:
    AuditEvent.objects.filter(pk__in=[events[4].pk]).update(previous_digest="f" * 64)
    return events[4].pk


def insert_one(events: list[AuditEvent]) -> int:
    last = events[4]
    forged = AuditEvent(at=last.at, actor="x", action="x", subject="x", previous_digest=last.digest, digest="e" * 64)
    forged.save()
    return forged.pk


def swap_two(events: list[AuditEvent]) -> int:
    first, second = events[1], events[2]
    one = AuditEvent.objects.filter(pk=first.pk)
    other = AuditEvent.objects.filter(pk=second.pk)
    one.update(digest="d" * 64)
    other.update(
        digest=first.digest, previous_digest=first.previous_digest, subject=first.subject, details=first.details, at=first.at
    )
    one.update(
        digest=second.digest, previous_digest=second.previous_digest, subject=second.subject, details=second.details, at=second.at
    )
    return first.pk


def remove_all(events: list[AuditEvent]) -> int:
    AuditHead.objects.update(last_event=None)
    AuditEvent.objects.all().delete()
    return 0


def raise_count(events: list[AuditEvent]) -> int:
    AuditHead.objects.update(num_events=F("num_events") + 1)
    return events[4].pk


def test_an_untouched_trail_is_whole(events: list[AuditEvent]) -> None:
    assert len(events) == 5
    assert audit_verify() is None
    call_command("audit_verify")


@pytest.mark.parametrize(
    "tamper",
    [change_content, change_actor, remove_one, remove_the_last, break_a_link, insert_one, swap_two, remove_all, raise_count],
)
def test_tampering_is_found_at_the_first_event_that_does_not_fit(
    events: list[AuditEvent], tamper: Callable[[list[AuditEvent]], int]
) -> None:
    where = tamper(events)
    broken = audit_verify()
    assert broken is not None
    assert broken.event_id == where
    with pytest.raises(CommandError, match=f"broken at event {where}"):
        call_command("audit_verify")


@pytest.mark.django_db(transaction=True)
def test_an_event_outside_a_transaction_is_refused() -> None:
    with pytest.raises(transaction.TransactionManagementError):
        audit_record(actor=Actor("tester"), action="test.act", subject="s")
    assert AuditEvent.objects.count() == 0
