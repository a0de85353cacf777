"""What is claimed, what keeps waiting and what drops out at the last moment."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from inventory.models import AuditEvent, BlockReplica, Group, Lock, Site
from inventory.services.audit import Actor
from operations.choices import DeletionState, HealthSign
from operations.models import Attempt, Deletion, SiteHealth
from operations.selectors.pausing import pause_file
from operations.services.claim import claim, sites_with_queue
from operations.services.pausing import pause_all
from operations.services.queue import plan_enqueue
from operations.services.worker import work
from policies.choices import PlanState
from tests.factories.operations import EAGER, NOW, Clock, World, seeded

pytestmark = pytest.mark.django_db


def queued(world: World, num_blocks: int = 1) -> list[BlockReplica]:
    replicas = world.two_copies(num_blocks=num_blocks)
    plan_enqueue(world.plan(replicas).pk, now=NOW)
    return replicas


def take(after_site: str = "", limits=EAGER, now=NOW):
    return claim(worker="w", now=now, limits=limits, after_site=after_site)


def only_reason(state: DeletionState = DeletionState.DROPPED) -> str:
    row = Deletion.objects.get()
    assert row.state == state
    assert (row.finished_at is not None) == (state == DeletionState.DROPPED)
    return row.reason


def test_claim_takes_a_lease_and_opens_an_attempt(world: World):
    queued(world)
    taken = take()
    row = Deletion.objects.get()
    assert (row.state, row.lease_token, row.lease_until) == ("ACTING", taken.token, NOW + EAGER.lease)
    assert [file.lfn for file in taken.items[0].files] == sorted(world.files("T3_B"))
    attempt = Attempt.objects.get()
    assert (attempt.number, attempt.recorded_at, attempt.may_have_deleted) == (1, None, True)
    assert take() is None


def test_batch_is_limited_by_items_and_by_files_but_takes_one_at_least(world: World):
    queued(world, num_blocks=5)
    assert len(take(limits=replace(EAGER, batch_items=2)).items) == 2
    assert len(take(limits=replace(EAGER, batch_files=4)).items) == 1
    assert len(take(limits=replace(EAGER, batch_files=1)).items) == 1


def test_batch_at_a_local_folder_is_larger_than_behind_a_server(world: World):
    limits = replace(EAGER, batch_items=2, local_batch_factor=2)
    queued(world, num_blocks=8)
    assert len(take(limits=limits).items) == 2, "nothing is known of the site yet"
    health = SiteHealth.objects.create(site_name="T3_B", recent_outcomes=HealthSign.ABSENT + HealthSign.FINE * 99)
    assert len(take(limits=limits).items) == 2, "one of the latest hundred was not there"
    health.recent_outcomes = HealthSign.FAILED + HealthSign.FINE * 100
    health.save()
    assert len(take(limits=limits).items) == 4
    assert limits.batch_at("root://se.example.org//store", goes_well=True) == (2, EAGER.batch_files)


def test_site_takes_only_so_many_batches_at_the_same_time(world: World):
    queued(world, num_blocks=3)
    limits = replace(EAGER, batch_items=1, batches_per_site=2)
    assert [take(limits=limits) is not None for _ in range(3)] == [True, True, False]


def test_claims_go_round_the_sites(world: World):
    for name in ("T3_C", "T3_A"):
        site = world.site(name)
        keep = world.site(f"T1_{name}")
        for index in range(2):
            block = world.block(f"/{name}/B-1/RAW", f"b{index}")
            world.replica(block, keep, with_files=False)
            plan_enqueue(world.plan([world.replica(block, site)]).pk, now=NOW)
            Deletion.objects.filter(state="DROPPED").update(state="QUEUED", finished_at=None)
    assert sites_with_queue() == ["T3_A", "T3_C"]
    limits = replace(EAGER, batch_items=1)
    first = take("T3_A", limits)
    second = take(first.site.name, limits)
    assert (first.site.name, second.site.name) == ("T3_C", "T3_A")


@pytest.mark.parametrize(
    "change",
    [
        {"deletion_paused_at": NOW},
        {"status": "WAITROOM"},
        {"status": "MORGUE"},
        {"status": "UNKNOWN"},
    ],
)
def test_site_that_is_paused_or_not_ready_keeps_its_queue(world: World, change: dict):
    queued(world)
    Site.objects.filter(name="T3_B").update(**change)
    assert take() is None
    assert Deletion.objects.get().state == DeletionState.QUEUED
    Site.objects.filter(name="T3_B").update(deletion_paused_at=None, status="READY")
    assert take() is not None


def test_site_that_backs_off_keeps_its_queue_until_then(world: World):
    queued(world)
    SiteHealth.objects.create(site_name="T3_B", back_off_until=NOW + timedelta(seconds=10))
    assert take() is None
    assert take(now=NOW + timedelta(seconds=10)) is not None


def test_nothing_is_claimed_while_all_is_paused_by_switch(world: World):
    queued(world)
    pause_all(actor=Actor("me"), reason="test")
    assert take() is None


def test_nothing_is_claimed_while_the_pause_file_is_there(world: World):
    queued(world)
    pause_file().touch()
    try:
        assert take() is None
    finally:
        pause_file().unlink()
    assert take() is not None


def test_lock_taken_after_queueing_drops_the_deletion_out(world: World):
    queued(world, num_blocks=2)
    Lock.objects.create(dataset_pattern="/A/*/RAW", block_pattern="b00000", owner="me")
    assert [item.deletion_id for item in take().items] == [Deletion.objects.get(block_name="b00001").pk]
    row = Deletion.objects.get(block_name="b00000")
    assert (row.state, row.reason) == ("DROPPED", "locked")
    event = AuditEvent.objects.get(action="operations.dropped_out")
    assert event.details == {"block_replicas": 1, "reasons": {"locked": 1}}
    assert len(world.files("T3_B")) == 6


def test_lock_that_has_expired_does_not_hold(world: World):
    queued(world)
    Lock.objects.create(dataset_pattern="*", owner="me", expires_at=NOW - timedelta(seconds=1))
    assert take() is not None


def test_last_copy_drops_out(world: World):
    queued(world)
    BlockReplica.objects.filter(site__name="T2_A").delete()
    assert take() is None
    assert only_reason() == "last copy anywhere"
    assert len(world.files("T3_B")) == 3


def test_other_copy_that_became_incomplete_does_not_count(world: World):
    queued(world)
    BlockReplica.objects.filter(site__name="T2_A").update(num_files=2, size_bytes=20)
    assert take() is None
    assert only_reason() == "last copy anywhere"


def test_of_two_copies_that_are_to_go_at_the_same_time_one_stays(world: World):
    """The copy that is being deleted is still in the inventory: it must not count as the one that remains."""
    sites = [world.site("T2_A"), world.site("T3_B")]
    block = world.block()
    plan_enqueue(world.plan([world.replica(block, site) for site in sites]).pk, now=NOW)
    first, second = take(), take()
    assert (first.site.name, second) == ("T2_A", None)
    row = Deletion.objects.get(site_name="T3_B")
    assert (row.state, row.reason) == ("DROPPED", "last copy anywhere: the others are being deleted")


def test_copy_that_a_dead_worker_may_have_damaged_does_not_count_as_the_one_that_remains(world: World):
    sites = [world.site("T2_A"), world.site("T3_B")]
    block = world.block()
    plan_enqueue(world.plan([world.replica(block, site) for site in sites]).pk, now=NOW)
    take()
    Deletion.objects.filter(state="ACTING").update(state="QUEUED", lease_token=None, lease_until=None)
    Site.objects.filter(name="T2_A").update(status="WAITROOM")
    assert take() is None
    assert Deletion.objects.get(site_name="T3_B").reason == "last copy anywhere: the others are being deleted"


def test_plan_that_was_discarded_drops_out(world: World):
    queued(world)
    plan = Deletion.objects.get().plan
    plan.state = PlanState.DISCARDED
    plan.save()
    assert take() is None
    assert only_reason() == f"plan {plan.pk} is not released any more"


def test_new_owner_drops_the_deletion_out(world: World):
    (replica,) = queued(world)
    replica.group = Group.objects.create(name="DataOps")
    replica.save()
    assert take() is None
    assert only_reason() == "owner changed from None to DataOps"


def test_block_replica_that_has_grown_drops_out(world: World):
    (replica,) = queued(world)
    BlockReplica.objects.filter(pk=replica.pk).update(num_files=4, size_bytes=40)
    assert take() is None
    assert only_reason() == "changed since the plan: 4 files and 40 bytes are there, planned were 3 and 30"


def test_block_replica_that_left_the_inventory_drops_out(world: World):
    (replica,) = queued(world)
    replica.delete()
    assert take() is None
    assert only_reason() == "not in the inventory any more"


def test_key_that_now_belongs_to_another_block_drops_out(world: World):
    (replica,) = queued(world)
    Deletion.objects.update(block_name="other")
    assert take() is None
    assert only_reason() == "not in the inventory any more"
    assert BlockReplica.objects.filter(pk=replica.pk).exists()


def test_block_replica_without_file_names_waits_for_a_person_and_stays_in_the_inventory(world: World):
    (replica,) = queued(world)
    replica.block.files.all().delete()
    assert take() is None
    assert only_reason(DeletionState.FAILED) == (
        "the inventory knows 3 files of this block replica but none by name: inject the names of its files"
    )
    assert BlockReplica.objects.filter(pk=replica.pk).exists()
    assert AuditEvent.objects.filter(action="operations.needs_a_person").exists()


def test_block_replica_of_which_some_names_are_missing_is_not_touched(world: World):
    (replica,) = queued(world)
    replica.block.files.first().delete()
    assert take() is None
    assert "but 2 of them by name" in only_reason(DeletionState.FAILED)
    assert len(world.files("T3_B")) == 3


def test_block_replica_without_files_leaves_the_inventory(world: World, clock: Clock):
    keep, spare = world.site("T2_A"), world.site("T3_B")
    block = world.block(num_files=0)
    world.replica(block, keep)
    replica = world.replica(block, spare)
    plan_enqueue(world.plan([replica]).pk, now=NOW)
    assert work(worker="w", clock=clock, limits=EAGER, rng=seeded()).states == {"DONE": 1}
    assert not BlockReplica.objects.filter(pk=replica.pk).exists()


def test_drop_out_of_what_has_been_begun_waits_for_a_person(world: World):
    """Half of its files may be gone: the inventory says more than is true, so it must not vanish from view."""
    queued(world)
    take()
    Deletion.objects.update(state="QUEUED", lease_token=None, lease_until=None)
    Lock.objects.create(dataset_pattern="*", owner="me")
    assert take() is None
    assert only_reason(DeletionState.FAILED) == "locked; but files of it may be gone already"


def test_claim_asks_the_same_number_of_queries_for_many_as_for_few(world: World, django_assert_max_num_queries):
    queued(world, num_blocks=60)
    with django_assert_max_num_queries(40):
        take()
