"""What a campaign's list rests on is asked again: when it is released, and when each item's turn comes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from campaigns.exceptions import NotReady
from campaigns.models import Campaign
from campaigns.services.execution import campaign_execute
from campaigns.services.offers import actions_offered
from inventory.models import Dataset, DatasetFacts, DatasetReplica, FactFeed, Injection
from operations.choices import DeletionState
from operations.models import Deletion
from policies.choices import PlanState
from policies.models import Plan, Quota
from policies.services.partition_limits import partition_limits_set
from policies.services.policies import guardrail_define
from tests.factories.campaigns import TEXT, Collaboration
from tests.integration.campaigns.test_execution import HIGGS, TOP, delete_all, enqueue, states


def ready(people: Collaboration, campaign: Campaign) -> None:
    """Let the time of an approved campaign come, with an inventory and feeds of that day."""
    people.later(days=17)
    Injection.objects.update(finished_at=people.now)


def execute(people: Collaboration, campaign: Campaign) -> Campaign:
    return campaign_execute(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)


def limits(people: Collaboration, site: float | None, partition: float | None) -> None:
    partition_limits_set(
        name="Everything", max_site_fraction=site, max_partition_fraction=partition, actor=people.actor("olga"), reason="test"
    )


def quota(people: Collaboration, size_bytes: int) -> None:
    Quota.objects.update_or_create(partition=people.partition, site=people.spare_site(), defaults={"size_bytes": size_bytes})


def test_a_released_list_carries_the_readings_that_a_cycle_carries(people: Collaboration) -> None:
    guardrail_define(
        name="keep-raw", partition_name="Everything", condition="dataset.name == /*/*/RAW", actor=people.actor("olga")
    )
    campaign = people.executing()
    plan = Plan.objects.get(campaign_revision__campaign=campaign)
    assert plan.state == PlanState.RELEASED
    found = {(reading["limit"], reading["subject"]): reading["is_tripped"] for reading in plan.readings}
    assert found == {
        ("inventory_age", "inventory"): False,
        ("fact_feed", "popularity"): False,
        ("site_fraction", "T3_B"): True,  # no quota: shown to who signed, and passed by signing
        ("partition_fraction", "Everything"): True,
        ("guardrail", "keep-raw"): False,
    }
    shown = people.revision(campaign).sums["readings"]
    assert {(one["limit"], one["subject"]) for one in shown if one["is_tripped"]} == {
        key for key, trips in found.items() if trips
    }


def test_a_limit_that_was_within_when_it_was_signed_holds_the_list_once_it_is_exceeded(people: Collaboration) -> None:
    quota(people, 1000)
    limits(people, 0.15, 1.0)
    campaign = people.approved()
    ready(people, campaign)
    quota(people, 500)
    with pytest.raises(NotReady, match=r"24.00% of the quota of T3_B would be deleted; at most 15.00% may; nobody saw that"):
        execute(people, campaign)
    offers = {offer.action: offer for offer in actions_offered(campaign=campaign, actor=people.actor("olga"), now=people.now)}
    assert "nobody saw that who signed" in offers["EXECUTE"].why_not
    quota(people, 1000)
    execute(people, campaign)
    assert people.plan_state(campaign) == PlanState.RELEASED


@pytest.mark.parametrize("name", ["popularity", "tape_requests"])
def test_a_feed_that_has_become_stale_holds_the_list_and_then_each_portion(people: Collaboration, name: str) -> None:
    rule = "Protect dataset.tape_copy_requested\n" if name == "tape_requests" else ""
    text = TEXT.replace("Delete", f"{rule}Delete", 1)
    campaign = people.approved(text=text)
    ready(people, campaign)
    FactFeed.objects.filter(name=name).update(max_age=timedelta(days=1))
    with pytest.raises(NotReady, match=f"the facts of {name} were measured"):
        execute(people, campaign)
    FactFeed.objects.filter(name=name).update(measured_at=people.now)
    execute(people, campaign)
    plan_id = enqueue(people, campaign)
    people.later(days=2)
    Injection.objects.update(finished_at=people.now)
    delete_all(people)
    assert states(plan_id) == {DeletionState.QUEUED: {HIGGS, TOP}}
    FactFeed.objects.filter(name=name).update(measured_at=people.now)
    delete_all(people)
    assert states(plan_id) == {DeletionState.DONE: {HIGGS, TOP}}


def test_an_inventory_that_nobody_brings_up_to_date_holds_the_next_portion(people: Collaboration) -> None:
    campaign = people.executing()
    plan_id = enqueue(people, campaign)
    people.later(days=9)
    delete_all(people)
    assert states(plan_id) == {DeletionState.QUEUED: {HIGGS, TOP}}


def test_a_guardrail_that_came_after_the_signatures_keeps_what_it_forbids(people: Collaboration) -> None:
    campaign = people.executing()
    guardrail_define(
        name="keep-raw", partition_name="Everything", condition="dataset.name == /*/*/RAW", actor=people.actor("olga")
    )
    plan_id = enqueue(people, campaign)
    delete_all(people)
    assert states(plan_id) == {DeletionState.DONE: {HIGGS}, DeletionState.DROPPED: {TOP}}


def grows(people: Collaboration) -> None:
    """A third site takes a copy of what it has nothing of yet."""
    Dataset.objects.filter(name=HIGGS).update(size_bytes=60)
    DatasetReplica.objects.create(
        dataset=Dataset.objects.get(name=HIGGS), site=people.world.site("T1_C"), group=people.higgs, is_growing=True
    )


def asked_for(people: Collaboration) -> None:
    DatasetFacts.objects.update_or_create(dataset=Dataset.objects.get(name=HIGGS), defaults={"unhandled_copy_exists": True})


@pytest.mark.parametrize(
    ("begin", "reason"),
    [(grows, "a copy is on its way to T1_C since the study"), (asked_for, "a copy was asked for since the study")],
)
def test_a_copy_that_begins_after_the_study_keeps_what_it_may_be_taken_from(
    people: Collaboration, begin: Callable[[Collaboration], None], reason: str
) -> None:
    campaign = people.executing()
    assert people.revision(campaign).sums["in_transfer"]["items"] == 0
    begin(people)
    plan_id = enqueue(people, campaign)
    delete_all(people)
    assert states(plan_id) == {DeletionState.DROPPED: {HIGGS}, DeletionState.DONE: {TOP}}
    assert set(Deletion.objects.filter(state=DeletionState.DROPPED).values_list("reason", flat=True)) == {reason}


@pytest.mark.parametrize("begin", [grows, asked_for])
def test_a_copy_that_was_on_its_way_when_it_was_studied_is_shown_and_keeps_nothing(
    people: Collaboration, begin: Callable[[Collaboration], None]
) -> None:
    begin(people)
    campaign = people.executing()
    assert people.revision(campaign).sums["in_transfer"] == {"size_bytes": 60, "items": 3, "datasets": 1}
    plan_id = enqueue(people, campaign)
    delete_all(people)
    assert states(plan_id) == {DeletionState.DONE: {HIGGS, TOP}}


def test_a_growing_replica_that_has_all_of_a_closed_dataset_is_no_transfer(people: Collaboration) -> None:
    DatasetReplica.objects.update(is_growing=True)
    Dataset.objects.update(size_bytes=60)
    assert people.revision(people.studied()).sums["in_transfer"]["items"] == 0
