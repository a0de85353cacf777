"""What is not known must protect: feeds from the future, values that are no numbers, versions that are active no more."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from inventory.choices import FactFeedName
from inventory.models import Dataset, DatasetFacts, FactFeed
from policies.choices import CycleKind, PlanState
from policies.facts.registry import PROVIDERS
from policies.facts.request import Provider
from policies.models import Cycle, Plan, PlanItem, Policy
from policies.services.cycles import cycle_carry_out, cycle_run, cycle_start
from policies.services.policies import policy_create, policy_version_create
from tests.factories.inventories import TB, dataset, document, replica, site
from tests.factories.policies import ACTOR, CLOCK, define, store

pytestmark = pytest.mark.django_db

UNUSED = "Partition P\nOn site.name == S*\nWhen always\nUntil never\nProtect dataset.usage_rank < 1\nDelete\n"


@pytest.fixture(autouse=True)
def _inventory() -> None:
    names = [f"/A/{number}/RAW" for number in range(3)]
    define()
    replicas = [replica(name, at) for name in names for at in ("S1", "S2")]
    quotas = {"S1": 20 * TB, "S2": 40 * TB}
    store(document([site("S1"), site("S2")], [dataset(name) for name in names], replicas, quotas=quotas))


def run(**kwargs):
    return cycle_start(text=UNUSED, source="test", kind=CycleKind.MANUAL, actor=ACTOR, now=CLOCK, **kwargs)


def ranks(*values: float) -> dict[str, Provider]:
    series = pl.Series("usage_rank", values, dtype=pl.Float64)
    return {**PROVIDERS, "popularity": Provider("popularity", lambda request: {"dataset.usage_rank": series})}


def test_a_rank_that_is_not_a_number_protects() -> None:
    cycle_carry_out(cycle_id=run().pk, actor=ACTOR, providers=ranks(5.0, float("nan"), 5.0))
    assert sorted(set(PlanItem.objects.values_list("dataset_name", flat=True))) == ["/A/0/RAW", "/A/2/RAW"]


ORDERED = "Partition P\nOn site.name == S*\nWhen always\nUntil never\nDismiss\nOrder decreasing dataset.usage_rank\n"


@pytest.mark.parametrize("is_stale", [False, True])
def test_a_plan_in_an_order_by_facts_that_are_unknown_waits_for_a_person(is_stale: bool) -> None:
    """Rules on them protect; but an order by what nobody knows takes whatever comes first."""
    if is_stale:
        FactFeed.objects.filter(name=FactFeedName.POPULARITY).update(measured_at=CLOCK - timedelta(days=365))
    cycle = cycle_start(text=ORDERED, source="test", kind=CycleKind.MANUAL, actor=ACTOR, now=CLOCK)
    cycle_carry_out(cycle_id=cycle.pk, actor=ACTOR)
    plan = Plan.objects.get()
    found = [(reading["subject"], reading["text"]) for reading in plan.tripped if reading["limit"] == "fact_feed"]
    assert [subject for subject, _ in found] == (["popularity"] if is_stale else [])
    assert all("Order rests on the facts of popularity, which were unknown" in text for _, text in found)
    assert plan.state == PlanState.HELD or not is_stale


def test_a_feed_from_the_future_is_unknown() -> None:
    FactFeed.objects.filter(name=FactFeedName.POPULARITY).update(measured_at=CLOCK + timedelta(days=365))
    cycle = cycle_carry_out(cycle_id=run().pk, actor=ACTOR).cycle
    assert [unknown["feed"] for unknown in cycle.unknown_facts] == ["popularity"]
    assert "is a clock wrong?" in cycle.unknown_facts[0]["reason"]
    assert not PlanItem.objects.exists()


@pytest.mark.parametrize("change", ["other version", "no version", "disabled"])
def test_a_plan_is_held_when_its_version_was_taken_away_while_the_cycle_ran(change: str) -> None:
    policy = policy_create(name="nightly", partition_name="P", actor=ACTOR)
    text = UNUSED.replace("Protect dataset.usage_rank < 1", "Protect dataset.name == /A/0/RAW")
    first, second = (policy_version_create(policy_id=policy.pk, text=text + "#" * n, actor=ACTOR) for n in range(2))
    Policy.objects.filter(pk=policy.pk).update(active_version=first)
    cycle = cycle_start(text=first.text, source="test", kind=CycleKind.AUTOMATIC, actor=ACTOR, now=CLOCK, policy_version=first)
    changed = {
        "other version": {"active_version": second},
        "no version": {"active_version": None},
        "disabled": {"is_enabled": False},
    }
    Policy.objects.filter(pk=policy.pk).update(**changed[change])
    cycle_carry_out(cycle_id=cycle.pk, actor=ACTOR)
    plan = Plan.objects.get()
    assert plan.state == PlanState.HELD
    assert "origin" in {reading["limit"] for reading in plan.tripped}


def test_items_keep_the_owner_that_the_cycle_saw() -> None:
    cycle_run(
        text=UNUSED.replace("Protect dataset.usage_rank < 1\n", ""), source="t", kind=CycleKind.MANUAL, actor=ACTOR, now=CLOCK
    )
    owners = set(PlanItem.objects.values_list("owner", flat=True))
    assert owners
    assert "" not in owners


BY_ATTRIBUTE = "Partition P\nOn site.name == S*\nWhen always\nUntil never\nDelete dataset.attr.idle_days > 100\nProtect\n"


def _measure(**attributes: object) -> None:
    """Give the datasets by their number attributes that a feed measured."""
    for number, given in attributes.items():
        DatasetFacts.objects.update_or_create(
            dataset=Dataset.objects.get(name=f"/A/{number[1:]}/RAW"), defaults={"attributes": given}
        )


def _deleted_by_attribute() -> tuple[list[str], Cycle]:
    cycle = cycle_start(text=BY_ATTRIBUTE, source="test", kind=CycleKind.MANUAL, actor=ACTOR, now=CLOCK)
    done = cycle_carry_out(cycle_id=cycle.pk, actor=ACTOR).cycle
    return sorted(set(PlanItem.objects.values_list("dataset_name", flat=True))), done


def test_measured_attributes_decide_as_long_as_their_feed_is_fresh_and_stand_before_those_of_documents() -> None:
    Dataset.objects.filter(name="/A/0/RAW").update(attributes={"idle_days": 300})
    Dataset.objects.filter(name="/A/1/RAW").update(attributes={"idle_days": 300})
    _measure(n1={"idle_days": 1}, n2={"idle_days": 200})
    deleted, cycle = _deleted_by_attribute()
    assert deleted == ["/A/0/RAW", "/A/2/RAW"]
    assert cycle.unknown_facts == []
    judged = {(reading["limit"], reading["subject"]) for reading in Plan.objects.get().readings}
    assert ("fact_feed", "attributes") in judged


def test_attributes_that_a_stale_feed_measured_are_unknown_and_no_others() -> None:
    Dataset.objects.filter(name="/A/0/RAW").update(attributes={"idle_days": 300})
    Dataset.objects.filter(name="/A/1/RAW").update(attributes={"idle_days": 300})
    _measure(n1={"idle_days": 200}, n2={"idle_days": 200})
    FactFeed.objects.filter(name=FactFeedName.ATTRIBUTES).update(measured_at=CLOCK - timedelta(hours=49))
    deleted, cycle = _deleted_by_attribute()
    assert deleted == ["/A/0/RAW"]
    assert [unknown["feed"] for unknown in cycle.unknown_facts] == ["attributes"]


def test_without_a_feed_of_attributes_those_of_documents_are_known() -> None:
    Dataset.objects.filter(name="/A/0/RAW").update(attributes={"idle_days": 300})
    FactFeed.objects.filter(name=FactFeedName.ATTRIBUTES).delete()
    deleted, cycle = _deleted_by_attribute()
    assert (deleted, cycle.unknown_facts) == (["/A/0/RAW"], [])
