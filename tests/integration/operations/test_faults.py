"""Storage that fails before it deletes, after it deletes, hangs or lies: the inventory follows only what is certain."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import OperationalError

from inventory.models import BlockReplica
from inventory.services.audit import Actor
from inventory.services.sites import site_pause
from operations.choices import DeletionState, FileOutcome
from operations.models import Attempt, Deletion, DeletionFile, SiteHealth
from operations.selectors.pausing import pause_file
from operations.services.act import act
from operations.services.claim import claim
from operations.services.pausing import pause_all, resume_all
from operations.services.queue import plan_enqueue
from operations.services.record import record
from operations.services.sweep import leases_take_back
from operations.services.worker import real_gateway, work
from operations.storage import FileResult
from tests.factories.operations import EAGER, NOW, Clock, FaultyGateway, World, delete_one, deletes_but_says, says, seeded

pytestmark = pytest.mark.django_db


class Storage:
    """The faulty storage of T3_B, the same over several runs."""

    def __init__(self, world: World, clock: Clock, num_blocks: int = 1, num_files: int = 3) -> None:
        replicas = world.two_copies(num_blocks=num_blocks, num_files=num_files)
        self.world, self.clock = world, clock
        self.plan = world.plan(replicas)
        plan_enqueue(self.plan.pk, now=clock())
        self.names = sorted(world.files("T3_B"))
        self.gateway = FaultyGateway(real=None)
        self.limits = EAGER

    def __call__(self, site):
        self.gateway.real = real_gateway(site)
        return self.gateway

    def run(self):
        return work(worker="w", clock=self.clock, limits=self.limits, rng=seeded(), gateway=self)

    def run_after(self, **kwargs: float):
        self.clock.advance(**kwargs)
        leases_take_back(now=self.clock.now, limits=self.limits, rng=seeded())
        return self.run()


@pytest.fixture
def storage(world: World, clock: Clock) -> Storage:
    return Storage(world, clock)


def counts() -> tuple[str, int, int, int]:
    row = Deletion.objects.get()
    return (row.state, row.files_deleted, row.files_absent, row.bytes_deleted)


def in_inventory() -> bool:
    return BlockReplica.objects.filter(site__name="T3_B").exists()


@pytest.mark.parametrize("outcome", [FileOutcome.RETRYABLE, FileOutcome.REFUSED, FileOutcome.UNKNOWN])
@pytest.mark.parametrize("is_deleted_before", [False, True])
def test_file_that_fails_keeps_the_block_replica_and_succeeds_later(
    storage: Storage, outcome: FileOutcome, is_deleted_before: bool
):
    fault = deletes_but_says(outcome) if is_deleted_before else says(outcome)
    storage.gateway.faults[storage.names[1]] = fault
    assert storage.run().states == {"QUEUED": 1}
    assert counts() == ("QUEUED", 2, 0, 20)
    assert in_inventory()
    row = DeletionFile.objects.get()
    assert (row.lfn, row.outcome, row.message) == (storage.names[1], outcome, "said so")
    assert NOW < Deletion.objects.get().not_before <= NOW + EAGER.first_back_off

    storage.gateway.faults.clear()
    assert storage.run().num_batches == 0
    assert storage.run_after(hours=2).states == {"DONE": 1}
    state, deleted, absent, _ = counts()
    assert (state, deleted + absent) == ("DONE", 3)
    assert deleted == (2 if is_deleted_before else 3)
    assert DeletionFile.objects.get().outcome == (FileOutcome.ABSENT if is_deleted_before else FileOutcome.DELETED)
    assert not in_inventory()


@pytest.mark.parametrize("outcome", [FileOutcome.REFUSED, FileOutcome.UNKNOWN])
def test_refused_and_unknown_wait_for_a_person_after_the_limit(storage: Storage, outcome: FileOutcome):
    storage.gateway.default = says(outcome, "no")
    states = [storage.run_after(hours=2).states for _ in range(4)]
    assert states == [{"QUEUED": 1}, {"QUEUED": 1}, {"FAILED": 1}, {}]
    row = Deletion.objects.get()
    assert row.reason == f"{outcome.label}: no: {storage.names[0]} (and 2 more files)"
    assert in_inventory()
    assert len(storage.world.files("T3_B")) == 3


def test_what_is_to_be_tried_again_is_tried_for_ever_with_growing_pauses(storage: Storage):
    storage.gateway.default = says(FileOutcome.RETRYABLE)
    waits = []
    for _ in range(12):
        storage.run_after(hours=2)
        waits.append(Deletion.objects.get().not_before - storage.clock.now)
    assert Deletion.objects.get().state == DeletionState.QUEUED
    assert waits[0] <= EAGER.first_back_off < waits[3] < waits[6] <= EAGER.longest_back_off
    assert EAGER.longest_back_off / 2 <= waits[-1] <= EAGER.longest_back_off


def test_file_absent_before_the_first_attempt_is_noted_and_counts_as_absent(storage: Storage):
    storage.world.path("T3_B", storage.names[2]).unlink()
    storage.run()
    assert counts() == ("DONE", 2, 1, 20)
    assert list(DeletionFile.objects.values_list("lfn", "outcome")) == [(storage.names[2], "ABSENT")]


@pytest.mark.parametrize("num_deleted", [0, 1, 2, 3])
def test_worker_that_dies_while_acting_loses_nothing_and_no_file_counts_twice(storage: Storage, num_deleted: int):
    class Killed(BaseException):
        """Stands for SIGKILL: nothing below a worker catches it."""

    calls = iter(range(10))

    def die(lfn: str) -> None:
        if next(calls) == num_deleted:
            raise Killed

    taken = claim(worker="dies", now=storage.clock(), limits=EAGER)
    gateway = storage(taken.site)
    gateway.before = die
    if num_deleted < 3:
        with pytest.raises(Killed):
            act(taken, gateway=gateway, clock=storage.clock, limits=EAGER)
    else:
        act(taken, gateway=gateway, clock=storage.clock, limits=EAGER)
    gateway.before = None
    assert len(storage.world.files("T3_B")) == 3 - num_deleted
    assert counts()[0] == "ACTING"
    assert storage.run().num_batches == 0

    assert storage.run_after(seconds=121).states == {"DONE": 1}
    state, deleted, absent, _ = counts()
    assert (state, deleted, absent) == ("DONE", 3 - num_deleted, num_deleted)
    attempts = [(attempt.number, attempt.recorded_at is None, attempt.worker) for attempt in Attempt.objects.all()]
    assert attempts == [(1, True, "dies"), (2, False, "w")]
    assert not DeletionFile.objects.exists()
    assert not in_inventory()


def test_worker_that_hangs_past_its_lease_records_nothing(storage: Storage):
    taken = claim(worker="slow", now=storage.clock(), limits=EAGER)
    gateway = storage(taken.site)
    gateway.before = lambda lfn: storage.clock.advance(seconds=200)
    acted = act(taken, gateway=gateway, clock=storage.clock, limits=EAGER)
    assert acted.stopped == "the lease ran out"
    assert len(gateway.asked) == 1
    gateway.before = None
    leases_take_back(now=storage.clock.now, limits=EAGER, rng=seeded())
    second = claim(worker="quick", now=storage.clock(), limits=EAGER)

    late = record(acted, now=storage.clock(), limits=EAGER, rng=seeded())
    assert (late.states, late.num_lost) == ({}, 1)
    assert Deletion.objects.get().lease_token == second.token
    assert Attempt.objects.get(number=1).recorded_at is None
    done = record(
        act(second, gateway=gateway, clock=storage.clock, limits=EAGER), now=storage.clock(), limits=EAGER, rng=seeded()
    )
    assert done.states == {"DONE": 1}
    assert counts()[:3] == ("DONE", 2, 1)


def test_long_work_keeps_its_lease_alive(storage: Storage):
    taken = claim(worker="w", now=storage.clock(), limits=EAGER)
    gateway = storage(taken.site)
    gateway.before = lambda lfn: storage.clock.advance(seconds=70)
    acted = act(taken, gateway=gateway, clock=storage.clock, limits=EAGER)
    assert (acted.stopped, len(gateway.asked)) == ("", 3)
    assert Deletion.objects.get().lease_until > storage.clock.now
    assert record(acted, now=storage.clock(), limits=EAGER, rng=seeded()).states == {"DONE": 1}


def test_record_twice_changes_nothing_the_second_time(storage: Storage):
    taken = claim(worker="w", now=storage.clock(), limits=EAGER)
    acted = act(taken, gateway=storage(taken.site), clock=storage.clock, limits=EAGER)
    assert record(acted, now=storage.clock(), limits=EAGER, rng=seeded()).states == {"DONE": 1}
    again = record(acted, now=storage.clock(), limits=EAGER, rng=seeded())
    assert (again.states, again.num_lost) == ({}, 1)
    assert counts() == ("DONE", 3, 0, 30)


def _answers_for_another_file(real, lfn):
    return FileResult(f"{lfn}.other", FileOutcome.DELETED)


def _breaks(real, lfn):
    raise RuntimeError("back end broke")


def _deletes_and_breaks(real, lfn):
    delete_one(real, lfn)
    raise RuntimeError("back end broke")


@pytest.mark.parametrize("fault", [_answers_for_another_file, _breaks, _deletes_and_breaks])
def test_answer_that_does_not_fit_or_an_error_is_unknown_and_the_inventory_stays(storage: Storage, fault):
    storage.gateway.faults[storage.names[2]] = fault
    assert storage.run().states == {"QUEUED": 1}
    assert in_inventory()
    assert set(DeletionFile.objects.values_list("outcome", flat=True)) == {"UNKNOWN"}
    storage.gateway.faults.clear()
    assert storage.run_after(hours=2).states == {"DONE": 1}
    assert sum(counts()[1:3]) == 3


def test_storage_that_leaves_out_a_file_leaves_it_unknown(storage: Storage):
    class Forgetful(FaultyGateway):
        def delete(self, lfns, *, should_stop):
            return super().delete(lfns, should_stop=should_stop)[1:]

    storage.gateway = Forgetful(real=None)
    assert storage.run().states == {"QUEUED": 1}
    row = DeletionFile.objects.get()
    assert (row.lfn, row.message) == (storage.names[0], "the storage did not answer for this file")
    assert in_inventory()


def test_database_that_fails_while_acting_leaves_everything_to_the_lease(storage: Storage):
    def broken(real, lfn):
        raise OperationalError("server closed the connection")

    storage.gateway.faults[storage.names[1]] = broken
    with pytest.raises(OperationalError):
        storage.run()
    assert counts()[0] == "ACTING"
    storage.gateway.faults.clear()
    assert storage.run_after(seconds=121).states == {"DONE": 1}
    assert sum(counts()[1:3]) == 3


def test_pause_of_all_stops_before_the_next_file_and_resume_goes_on(storage: Storage):
    storage.gateway.before = lambda lfn: pause_all(actor=Actor("me"), reason="stop")
    storage.run()
    assert storage.gateway.asked == storage.names[:1]
    assert (counts()[:2], Deletion.objects.get().reason) == (("QUEUED", 1), "all deletions are paused")
    assert Deletion.objects.get().not_before is None
    assert storage.run().num_batches == 0
    storage.gateway.before = None
    resume_all(actor=Actor("me"), reason="go on")
    assert storage.run().states == {"DONE": 1}
    assert counts() == ("DONE", 3, 0, 30)
    assert not DeletionFile.objects.exists()


def test_pause_file_stops_before_the_next_file(storage: Storage):
    storage.gateway.before = lambda lfn: pause_file().touch()
    try:
        storage.run()
    finally:
        pause_file().unlink()
    assert storage.gateway.asked == storage.names[:1]
    assert in_inventory()


def test_pause_of_the_site_stops_before_the_next_file(storage: Storage):
    storage.gateway.before = lambda lfn: (
        site_pause(site_name="T3_B", actor=Actor("me"), reason="stop") if not storage.gateway.asked[1:] else None
    )
    storage.run()
    assert storage.gateway.asked == storage.names[:1]
    assert Deletion.objects.get().reason == "deletions at T3_B are paused"


def test_missing_storage_folder_removes_nothing_from_the_inventory_and_goes_on_when_it_is_back(world: World, clock: Clock):
    storage = Storage(world, clock, num_blocks=5)
    world.root("T3_B").rename(world.folder / "unmounted")
    assert storage.run().states == {"QUEUED": 5}
    assert BlockReplica.objects.filter(site__name="T3_B").count() == 5
    health = SiteHealth.objects.get()
    assert (health.recent_outcomes, "is missing: is it mounted?" in health.last_failure) == ("x", True)
    assert health.back_off_until > clock.now
    assert not Attempt.objects.filter(may_have_deleted=True).exists()
    (world.folder / "unmounted").rename(world.root("T3_B"))
    assert storage.run_after(hours=2).states == {"DONE": 5}
    assert world.files("T3_B") == set()


def test_site_without_endpoint_deletes_nothing_and_waits_for_a_person(world: World, clock: Clock):
    storage = Storage(world, clock)
    BlockReplica.objects.get(site__name="T3_B").site.__class__.objects.filter(name="T3_B").update(endpoint_url="")
    for _ in range(3):
        storage.run_after(hours=2)
    row = Deletion.objects.get()
    assert (row.state, "has no endpoint" in row.reason) == ("FAILED", True)
    assert len(world.files("T3_B")) == 3


def test_block_replica_that_grows_while_it_is_deleted_stays_in_the_inventory_for_a_person(storage: Storage):
    storage.gateway.before = lambda lfn: BlockReplica.objects.filter(site__name="T3_B").update(num_files=4, size_bytes=40)
    storage.run()
    assert in_inventory()
    row = Deletion.objects.get()
    assert (row.state, "files of it may be gone already" in row.reason) == ("FAILED", True)


def test_file_of_many_calls_is_asked_for_once_per_attempt(world: World, clock: Clock):
    storage = Storage(world, clock, num_files=2500)
    storage.limits = replace(EAGER, watch_interval=timedelta(seconds=1))
    assert storage.run().states == {"DONE": 1}
    assert storage.gateway.asked == storage.names
    assert counts() == ("DONE", 2500, 0, 25000)
