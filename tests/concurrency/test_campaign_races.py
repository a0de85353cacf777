"""Campaigns on two connections at once: signatures, exceptions, pauses and claims that meet in the same instant."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from campaigns.choices import CampaignState, ExceptionState, Verdict
from campaigns.exceptions import AlreadySigned, CampaignError, InvalidTransition, NotReady
from campaigns.models import Approval, Campaign, CampaignEvent, ExceptionRequest
from campaigns.services.approvals import campaign_sign
from campaigns.services.campaigns import campaign_cancel
from campaigns.services.exception_requests import exception_ask, exception_decide
from campaigns.services.execution import campaign_execute, campaign_pause
from inventory.models import Injection
from inventory.services.audit import audit_verify
from operations.choices import DeletionState
from operations.models import Deletion
from operations.services.claim import claim
from operations.services.queue import plan_enqueue
from tests.concurrency.test_races import must_wait_for, together
from tests.factories.campaigns import Collaboration
from tests.factories.operations import EAGER

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


@pytest.fixture
def people(transactional_db: None, tmp_path: Path) -> Collaboration:
    return Collaboration(tmp_path, num_blocks=1)


def test_two_approvers_at_the_same_instant_approve_once(pool: ThreadPoolExecutor, people: Collaboration) -> None:
    campaign = people.proposed()
    digest = people.revision(campaign).digest
    actors = [people.actor(login) for login in ("petra", "carla")]

    def sign(actor: object) -> Approval:
        return campaign_sign(campaign_id=campaign.pk, verdict=Verdict.APPROVE, digest=digest, actor=actor, now=people.now)

    results = together(pool, *(lambda actor=actor: sign(actor) for actor in actors))
    assert [type(result) for result in results] == [Approval, Approval], results
    assert people.fresh(campaign).state == CampaignState.APPROVED
    actions = list(CampaignEvent.objects.filter(campaign=campaign).order_by("pk").values_list("action", flat=True))
    assert actions[-3:] == ["SIGN", "SIGN", "APPROVE"]
    assert audit_verify() is None


def test_one_approver_twice_at_once_signs_once(pool: ThreadPoolExecutor, people: Collaboration) -> None:
    campaign = people.proposed()
    digest, petra = people.revision(campaign).digest, people.actor("petra")

    def sign() -> Approval:
        return campaign_sign(campaign_id=campaign.pk, verdict=Verdict.APPROVE, digest=digest, actor=petra, now=people.now)

    results = together(pool, sign, sign)
    assert sorted(type(result).__name__ for result in results) == ["AlreadySigned", "Approval"], results
    assert isinstance(next(one for one in results if isinstance(one, Exception)), AlreadySigned)
    assert Approval.objects.count() == 1


def test_a_grant_and_the_execution_at_once_never_leave_an_exception_undecided(
    pool: ThreadPoolExecutor, people: Collaboration
) -> None:
    campaign = people.approved()
    exception = exception_ask(
        campaign_id=campaign.pk,
        patterns=["/Higgs/*"],
        reason="mine",
        until=(people.now + timedelta(days=90)).date(),
        group_name="higgs",
        actor=people.actor("dan"),
        now=people.now,
    )
    people.later(days=17)
    Injection.objects.update(finished_at=people.now)
    rita, olga = people.actor("rita"), people.actor("olga")
    results = together(
        pool,
        lambda: exception_decide(exception_id=exception.pk, is_granted=True, actor=rita, now=people.now),
        lambda: campaign_execute(campaign_id=campaign.pk, actor=olga, now=people.now),
    )
    assert isinstance(results[0], ExceptionRequest), results
    assert isinstance(results[1], Campaign | NotReady), results
    assert ExceptionRequest.objects.get().state == ExceptionState.GRANTED
    assert people.fresh(campaign).state in (CampaignState.EXECUTING, CampaignState.APPROVED)


def test_a_pause_waits_for_the_claim_that_decides_and_stops_the_next(pool: ThreadPoolExecutor, people: Collaboration) -> None:
    campaign = people.executing()
    plan_enqueue(people.revision(campaign).plan_id, now=people.now)
    petra = people.actor("petra")
    taken, _ = must_wait_for(
        pool,
        lambda: claim(worker="w", now=people.now, limits=EAGER),
        lambda: campaign_pause(campaign_id=campaign.pk, reason="stop", actor=petra, now=people.now),
    )
    assert taken is not None
    assert claim(worker="w2", now=people.now, limits=EAGER) is None


def test_a_claim_waits_for_the_pause_that_is_being_made_and_obeys_it(pool: ThreadPoolExecutor, people: Collaboration) -> None:
    campaign = people.executing()
    plan_enqueue(people.revision(campaign).plan_id, now=people.now)
    petra = people.actor("petra")
    _, taken = must_wait_for(
        pool,
        lambda: campaign_pause(campaign_id=campaign.pk, reason="stop", actor=petra, now=people.now),
        lambda: claim(worker="w", now=people.now, limits=EAGER),
    )
    assert taken is None
    assert set(Deletion.objects.values_list("state", flat=True)) == {DeletionState.QUEUED}


def test_a_cancellation_and_claims_at_once_never_wait_for_each_other_for_ever(
    pool: ThreadPoolExecutor, people: Collaboration
) -> None:
    campaign = people.executing()
    plan_enqueue(people.revision(campaign).plan_id, now=people.now)
    olga = people.actor("olga")
    results = together(
        pool,
        lambda: claim(worker="w1", now=people.now, limits=EAGER),
        lambda: campaign_cancel(campaign_id=campaign.pk, reason="stop", actor=olga, now=people.now),
        lambda: claim(worker="w2", now=people.now, limits=EAGER),
    )
    assert not [one for one in results if isinstance(one, BaseException)], results
    assert claim(worker="w3", now=people.now, limits=EAGER) is None
    assert people.fresh(campaign).state == CampaignState.CANCELLED


def test_of_a_rejection_and_the_last_approval_at_once_the_later_sees_the_earlier(
    pool: ThreadPoolExecutor, people: Collaboration
) -> None:
    campaign = people.proposed()
    people.sign(campaign, "petra")
    digest, carla, paul = people.revision(campaign).digest, people.actor("carla"), people.actor("paul")

    def sign(actor: object, verdict: Verdict) -> Approval:
        return campaign_sign(campaign_id=campaign.pk, verdict=verdict, digest=digest, comment="no", actor=actor, now=people.now)

    results = together(pool, lambda: sign(carla, Verdict.APPROVE), lambda: sign(paul, Verdict.REJECT))
    assert people.fresh(campaign).state == CampaignState.REJECTED
    assert isinstance(results[1], Approval)
    assert isinstance(results[0], Approval | InvalidTransition)
    assert not [one for one in results if isinstance(one, BaseException) and not isinstance(one, CampaignError)]
