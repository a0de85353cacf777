"""What a plan was decided on must still stand when its turn comes: each ground that falls, and the same just before it falls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory.choices import FactFeedName, InjectionState
from inventory.models import BlockReplica, DatasetFacts, FactFeed, Injection, Site
from inventory.selectors.replicas import block_replicas_by_key
from inventory.services.audit import Actor
from operations.choices import DeletionState
from operations.models import Deletion
from operations.selectors.belts import belts
from operations.services.claim import Claim, claim
from operations.services.limits import QueueLimits
from operations.services.queue import plan_enqueue
from operations.services.worker import work
from policies.choices import CycleKind, PlanKind, PlanState
from policies.models import Guardrail, Partition, Plan, Policy, PolicyVersion
from policies.services.cycles import cycle_run, text_digest
from policies.services.listed import ListedReplica
from policies.services.partitions import partition_define
from policies.services.plans import plan_freeze_listed, plan_release, plan_release_listed
from policies.services.policies import guardrail_define
from tests.factories.operations import EAGER, Clock, World, seeded

pytestmark = pytest.mark.django_db

ACTOR = Actor("test")
RAW = "/A/B-1/RAW"
TEXT = "Partition Everything\nOn site.name == *\nWhen always\nUntil never\n{}\nProtect\n"
AT_T3_B = "Delete site.name == T3_B"
UNUSED = "Delete site.name == T3_B and dataset.last_access older_than 30 days ago"


@pytest.fixture(autouse=True)
def _fresh_inventory() -> None:
    Injection.objects.create(source="t", started_by="t", state=InjectionState.COMPLETED, finished_at=timezone.now())
    FactFeed.objects.create(name=FactFeedName.POPULARITY, source="t", measured_at=timezone.now(), max_age=timedelta(hours=48))
    partition_define(name="Everything", condition="replica.size >= 0", actor=ACTOR)


def decided(rule: str = AT_T3_B) -> Plan:
    """Run an active policy of one rule, release its plan and put it into the queue."""
    text = TEXT.format(rule)
    policy = Policy.objects.create(name="nightly", partition=Partition.objects.get(name="Everything"))
    version = PolicyVersion.objects.create(policy=policy, number=1, text=text, digest=text_digest(text), created_by="t")
    Policy.objects.filter(pk=policy.pk).update(active_version=version)
    cycle_run(text=text, source="nightly v1", kind=CycleKind.AUTOMATIC, actor=ACTOR, now=timezone.now(), policy_version=version)
    plan = Plan.objects.get(kind=PlanKind.CYCLE)
    if plan.state == PlanState.HELD:
        plan_release(plan_id=plan.pk, actor=ACTOR, reason="no quotas here")
    plan_enqueue(plan.pk)
    return plan


def listed(copies: Sequence[BlockReplica], kind: PlanKind) -> Plan:
    rows = block_replicas_by_key([copy.pk for copy in copies])
    items = [
        ListedReplica(key, row.site, row.dataset, row.block, row.group or "None", row.size_bytes, row.num_files, "asked for")
        for key, row in rows.items()
    ]
    plan = plan_freeze_listed(kind=kind, title="a list", items=items, actor=ACTOR)
    plan_release_listed(plan_id=plan.pk, actor=ACTOR, reason="approved")
    plan_enqueue(plan.pk)
    return plan


def take(now: datetime | None = None, limits: QueueLimits = EAGER) -> Claim | None:
    return claim(worker="w", now=now or timezone.now(), limits=limits)


def taken(count: int = 1, now: datetime | None = None, limits: QueueLimits = EAGER) -> None:
    """Assert that the deletions are taken up."""
    found = take(now, limits)
    assert found is not None, list(Deletion.objects.values_list("state", "reason"))
    assert len(found.items) == count


def dropped_for() -> str:
    """Assert that nothing is taken up and the one deletion dropped out; return why."""
    assert take() is None
    row = Deletion.objects.get()
    assert row.state == DeletionState.DROPPED
    return row.reason


def guard(condition: str, name: str = "rail") -> Guardrail:
    return guardrail_define(name=name, condition=condition, actor=ACTOR)


def on_tape(world: World, copies: Sequence[BlockReplica]) -> list[BlockReplica]:
    tape = world.site("T1_MSS", storage_type="MSS")
    return [world.replica(copy.block, tape, with_files=False) for copy in copies]


# --- guardrails


def test_raw_whose_tape_copy_went_since_drops_out(world: World) -> None:
    tape = on_tape(world, world.two_copies())
    guard("dataset.name == /*/*/RAW and dataset.on_tape != FULL")
    decided()
    tape[0].delete()
    assert dropped_for() == "the guardrail rail forbids it: dataset.name == /*/*/RAW and dataset.on_tape != FULL"


def test_raw_that_is_still_on_tape_goes(world: World) -> None:
    on_tape(world, world.two_copies())
    guard("dataset.name == /*/*/RAW and dataset.on_tape != FULL")
    decided()
    taken()


def test_a_guardrail_that_was_declared_since_forbids_what_it_meets_and_no_more(world: World) -> None:
    world.two_copies(1, dataset="/A/B-1/RAW")
    world.two_copies(1, dataset="/A/B-1/AOD")
    decided()
    guard("dataset.name == /*/*/RAW")
    taken(1)
    assert dict(Deletion.objects.values_list("dataset_name", "state")) == {"/A/B-1/RAW": "DROPPED", "/A/B-1/AOD": "ACTING"}


def test_a_guardrail_that_somebody_released_the_plan_in_spite_of_is_not_asked_again(world: World) -> None:
    world.two_copies()
    guard("dataset.name == /*/*/RAW")
    decided()
    taken()


def test_a_copy_that_is_being_deleted_elsewhere_does_not_count_for_a_guardrail(world: World) -> None:
    (copy,) = world.two_copies()
    third = world.site("T4_C")
    other = world.replica(copy.block, third)
    guard("dataset.num_full_disk_copy < 3")
    decided()
    listed([other], PlanKind.REQUEST)
    Deletion.objects.filter(site_name="T4_C").update(state="ACTING", lease_token="0" * 32, lease_until=timezone.now())
    assert take() is None
    assert "num_full_disk_copy < 3" in Deletion.objects.get(site_name="T3_B").reason


def test_a_replica_that_goes_in_several_batches_is_judged_as_the_whole_that_it_was(world: World) -> None:
    world.two_copies(4)
    guard("dataset.num_full_disk_copy < 2")
    decided()
    small = replace(EAGER, batch_items=1)
    done = work(worker="w", clock=Clock(timezone.now()), limits=small, rng=seeded())
    assert done.states == {"DONE": 4}
    assert world.files("T3_B") == set()


def test_an_unknown_fact_meets_a_guardrail(world: World) -> None:
    world.two_copies()
    decided()
    guard("dataset.usage_rank < 0")
    FactFeed.objects.update(measured_at=None)
    assert "the guardrail rail forbids it" in dropped_for()


# --- access


def accessed(at: datetime) -> None:
    for dataset in {row.block.dataset for row in BlockReplica.objects.select_related("block__dataset")}:
        DatasetFacts.objects.update_or_create(dataset=dataset, defaults={"last_access_at": at})


def test_what_was_read_since_a_plan_that_rests_on_popularity_drops_out(world: World) -> None:
    world.two_copies()
    decided(UNUSED)
    accessed(timezone.now() + timedelta(seconds=1))
    assert dropped_for().startswith("accessed at 20")


def test_what_was_read_before_the_plan_goes(world: World) -> None:
    world.two_copies()
    accessed(timezone.now() - timedelta(days=31))
    decided(UNUSED)
    taken()


def test_a_policy_that_does_not_ask_for_popularity_does_not_care_for_accesses(world: World) -> None:
    world.two_copies()
    decided()
    accessed(timezone.now() + timedelta(seconds=1))
    taken()


@pytest.mark.parametrize(("kind", "is_taken"), [(PlanKind.CAMPAIGN, False), (PlanKind.REQUEST, True)])
def test_a_campaign_spares_what_was_read_since_it_was_frozen(world: World, kind: PlanKind, *, is_taken: bool) -> None:
    listed(world.two_copies(), kind)
    accessed(timezone.now() + timedelta(seconds=1))
    if is_taken:
        taken()
    else:
        assert dropped_for().startswith("accessed at 20")


# --- feeds and inventory


def test_a_plan_waits_while_a_feed_that_it_rests_on_is_too_old(world: World) -> None:
    world.two_copies()
    plan = decided(UNUSED)
    FactFeed.objects.update(measured_at=timezone.now() - timedelta(hours=48, minutes=1))
    assert take() is None
    assert Deletion.objects.get().state == DeletionState.QUEUED
    out = StringIO()
    call_command("deletions", stdout=out)
    assert "waits: the facts of popularity, on which the plan rests, have become too old" in out.getvalue()
    assert [belt.scope for belt in belts(now=timezone.now()) if belt.name == "grounds of a plan"] == [f"plan {plan.pk}"]
    FactFeed.objects.update(measured_at=timezone.now() - timedelta(hours=47, minutes=50))
    taken()


def test_a_feed_that_decided_nothing_may_be_as_old_as_it_likes(world: World) -> None:
    world.two_copies()
    decided()
    FactFeed.objects.update(measured_at=timezone.now() - timedelta(days=100))
    taken()


def test_a_plan_waits_while_the_inventory_is_too_old(world: World, settings) -> None:
    world.two_copies()
    decided()
    settings.DYNAMO_MAX_INVENTORY_AGE_HOURS = 10
    Injection.objects.update(finished_at=timezone.now() - timedelta(hours=10, minutes=1))
    assert take() is None
    assert Deletion.objects.get().state == DeletionState.QUEUED
    Injection.objects.update(finished_at=timezone.now() - timedelta(hours=9, minutes=50))
    taken()


def test_a_plan_that_was_released_in_spite_of_an_old_inventory_does_not_wait(world: World) -> None:
    world.two_copies()
    Injection.objects.update(finished_at=timezone.now() - timedelta(days=100))
    decided()
    taken()


# --- policy and partition


def test_a_plan_falls_with_the_version_that_decided_it(world: World) -> None:
    world.two_copies()
    decided()
    Policy.objects.update(active_version=None)
    assert dropped_for() == "nightly v1 is not the active version of the policy any more"


def test_a_plan_falls_when_its_policy_is_switched_off(world: World) -> None:
    world.two_copies()
    decided()
    Policy.objects.update(is_enabled=False)
    assert dropped_for() == "the policy nightly was switched off since"


def test_what_left_the_partition_by_a_new_definition_drops_out_and_the_rest_goes(world: World) -> None:
    world.two_copies(1, dataset="/A/B-1/RAW")
    world.two_copies(1, dataset="/A/B-1/AOD")
    decided()
    partition_define(name="Everything", condition="dataset.name == /*/*/AOD", actor=ACTOR)
    taken(1)
    reasons = dict(Deletion.objects.values_list("dataset_name", "reason"))
    assert reasons["/A/B-1/RAW"] == "not in the partition Everything any more: it was defined anew"


def test_the_last_look_costs_the_same_for_many_as_for_few(world: World) -> None:
    for number in range(12):
        world.two_copies(3, num_files=1, dataset=f"/A/B-{number}/RAW")
    guard("dataset.num_full_disk_copy < 2")
    decided(UNUSED)
    queries = {}
    for count in (3, 33):
        with CaptureQueriesContext(connection) as captured:
            taken(count, limits=replace(EAGER, batch_items=count))
        queries[count] = len(captured)
    assert queries[33] <= queries[3]
    assert Site.objects.count() == 2
