"""The chain holds the account that acted, also of rows from before it did; a head that was noted elsewhere shows a cut tail."""

from __future__ import annotations

import hashlib
import json
import logging

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client
from django.urls import reverse

from inventory.models import AuditEvent, AuditHead
from inventory.services.audit import GENESIS, Actor, audit_head, audit_record, audit_verify, audit_verify_latest

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


def record(actor: Actor, number: int = 1) -> list[AuditEvent]:
    with transaction.atomic():
        return [audit_record(actor=actor, action="test.act", subject=f"s{n}", details={"n": n}) for n in range(number)]


def as_before_accounts(event: AuditEvent) -> None:
    """Make the event, the only one, what it would have been when digests did not hold the account."""
    content = [GENESIS, event.at.isoformat(), event.actor, event.action, event.subject, event.reason, event.details]
    body = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256(body.encode()).hexdigest()
    AuditEvent.objects.filter(pk=event.pk).update(digest=digest, digest_version=1)
    AuditHead.objects.update(digest=digest)


@pytest.mark.parametrize("to", ["another", None])
@pytest.mark.parametrize("with_version", [True, False])
def test_another_account_in_an_event_is_found(ann: User, to: str | None, with_version: bool) -> None:
    (event,) = record(Actor.of(ann))
    other = User.objects.create_user(to).pk if to else None
    AuditEvent.objects.filter(pk=event.pk).update(user_id=other, **({"digest_version": 1} if with_version else {}))
    for broken in (audit_verify(), audit_verify_latest()):
        assert broken is not None
        assert (broken.event_id, broken.problem) == (event.pk, "its content is not what was recorded")


def test_an_account_put_into_an_act_of_the_system_is_found(ann: User) -> None:
    (event,) = record(Actor("cycle 7"))
    AuditEvent.objects.filter(pk=event.pk).update(user_id=ann.pk)
    assert audit_verify() is not None


def test_events_of_an_account_that_is_removed_stay_whole_and_say_so(ann: User, client: Client) -> None:
    (event,) = record(Actor.of(ann))
    key = ann.pk
    ann.delete()
    assert audit_verify() is None
    client.force_login(User.objects.create_superuser("root"))
    page = client.get(reverse("admin:inventory_auditevent_change", args=[event.pk])).content.decode()
    assert f"account {key}, which is removed" in page


def test_events_from_before_digests_held_the_account_still_fit(ann: User) -> None:
    (event,) = record(Actor.of(ann))
    as_before_accounts(event)
    record(Actor.of(ann), 2)
    assert audit_verify() is None
    assert list(AuditEvent.objects.order_by("pk").values_list("digest_version", flat=True)) == [1, 2, 2]


def test_a_digest_of_a_version_that_is_not_known_is_told(ann: User) -> None:
    (event,) = record(Actor.of(ann))
    AuditEvent.objects.filter(pk=event.pk).update(digest_version=9)
    broken = audit_verify()
    assert broken is not None
    assert broken.problem == "its digest is of version 9, which this Dynamo does not know"


def cut_the_tail(first: AuditEvent) -> None:
    """Remove the events from *first* on and set the head back, as somebody who may write everything could."""
    before = AuditEvent.objects.filter(pk__lt=first.pk).order_by("pk").last()
    number = AuditEvent.objects.filter(pk__lt=first.pk).count()
    AuditHead.objects.update(last_event=before, digest=before.digest, num_events=number)
    AuditEvent.objects.filter(pk__gte=first.pk).delete()


def test_a_tail_that_is_cut_with_its_head_is_found_by_what_was_noted_elsewhere(ann: User, capsys) -> None:
    events = record(Actor.of(ann), 5)
    call_command("audit_verify")
    said = capsys.readouterr().out
    assert f"the audit trail is whole: 5 events, head {events[4].digest}" in said
    cut_the_tail(events[3])
    assert audit_verify() is None  # the chain alone cannot know
    call_command("audit_verify", head=events[2].digest, at_least=3)
    with pytest.raises(CommandError, match=f"no event has the digest {events[4].digest}"):
        call_command("audit_verify", head=events[4].digest)
    with pytest.raises(CommandError, match="3 events are there, at least 5 were expected"):
        call_command("audit_verify", at_least=5)


def test_a_chain_that_was_written_anew_is_found_by_a_head_that_was_noted(ann: User) -> None:
    noted = record(Actor.of(ann), 3)[2].digest
    AuditHead.objects.all().delete()
    AuditEvent.objects.all().delete()
    record(Actor("forger"), 3)
    assert audit_verify(at_least=3) is None
    assert audit_verify(head=noted) is not None


def test_a_noted_head_may_be_given_in_the_way_that_logs_have_it(ann: User, caplog, django_capture_on_commit_callbacks) -> None:
    with caplog.at_level(logging.INFO), django_capture_on_commit_callbacks(execute=True):
        (event,) = record(Actor.of(ann))
    (line,) = [one for one in caplog.records if getattr(one, "audit_digest", "")]
    assert (line.audit_event, line.audit_digest) == (event.pk, event.digest)
    assert audit_verify(head=line.audit_digest.upper()) is None
    assert audit_head() == (1, event.digest)
