"""What is in the trash can be brought back, whatever instant anything is killed at."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from inventory.models import AuditEvent, BlockReplica, Dataset, DatasetReplica, File, PresentFile, Site
from inventory.services.audit import Actor
from operations.choices import DeletionState, FileOutcome, RestoreOutcome, TrashState
from operations.exceptions import InvalidTransitionError, NotFoundError
from operations.models import Deletion, SiteHealth, Trash, TrashFile
from operations.services.act import act
from operations.services.claim import claim
from operations.services.failed import deletions_drop, deletions_retry
from operations.services.limits import QueueLimits
from operations.services.queue import plan_enqueue
from operations.services.record import record
from operations.services.restoring import RestoreWanted, restore_act, restore_record, restore_request
from operations.services.trash_lease import trash_lease
from operations.storage import RestoreResult
from tests.factories.operations import EAGER, Clock, World, delete_one, says, seeded
from tests.factories.trash import ME, Bin, Killed

pytestmark = pytest.mark.django_db


def state() -> str:
    return Trash.objects.get().state


def test_restore_brings_back_storage_and_inventory_and_twice_is_once(bin: Bin):
    bin.delete()
    asked = bin.ask(plan_id=bin.plan.pk)
    assert (asked.trash_ids, asked.refused) == ((Trash.objects.get().pk,), ())
    assert bin.restore() == {"RESTORED": 3}
    assert sorted(bin.world.files("T3_B")) == bin.names
    assert (bin.inventory(), state(), bin.in_trash()) == (bin.before, "RESTORED", 0)
    assert DatasetReplica.objects.filter(site__name="T3_B").count() == 1
    assert bin.restore() == {}
    ((what, why),) = bin.ask(plan_id=bin.plan.pk).back_already
    assert (what, "was restored already" in why) == ("/A/B-1/RAW#b00000 of T3_B", True)
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"operations.restore_asked", "operations.restored"} <= actions


@pytest.mark.parametrize(
    "wanted",
    [
        {"site_name": "T3_B"},
        {"dataset_name": "/A/B-1/RAW"},
        {"dataset_name": "/A/B-1/RAW", "block_name": "b00000", "site_name": "T3_B"},
    ],
)
def test_what_fits_comes_back(bin: Bin, wanted: dict):
    bin.delete()
    bin.ask(**wanted)
    assert bin.restore() == {"RESTORED": 3}


def test_single_file_comes_back_and_the_block_replica_is_incomplete_until_the_others_do(bin: Bin):
    bin.delete()
    bin.ask(lfn=bin.names[1])
    assert bin.restore() == {"RESTORED": 1}
    assert bin.world.files("T3_B") == {bin.names[1]}
    replica = BlockReplica.objects.get(site__name="T3_B")
    assert (replica.num_files, replica.size_bytes, replica.group.name, replica.is_custodial) == (1, 10, "owners", True)
    assert list(PresentFile.objects.values_list("file__lfn", flat=True)) == [bin.names[1]]
    assert (state(), bin.in_trash()) == ("KEPT", 2)
    bin.ask(dataset_name="/A/B-1/RAW")
    bin.restore()
    assert (bin.inventory(), state(), PresentFile.objects.count()) == (bin.before, "RESTORED", 0)


def test_deletion_that_fails_half_way_and_is_given_up_can_be_brought_back(bin: Bin):
    bin.gateway.faults[bin.names[1]] = says(FileOutcome.REFUSED)
    for _ in range(3):
        bin.delete()
        bin.later(hours=2)
    assert Deletion.objects.get().state == DeletionState.FAILED
    assert state() == "KEPT"
    deletions_drop(deletion_ids=[Deletion.objects.get().pk], actor=ME, reason="keep it")
    bin.gateway.faults.clear()
    bin.ask(plan_id=bin.plan.pk)
    assert bin.restore() == {"RESTORED": 3}
    assert sorted(bin.world.files("T3_B")) == bin.names
    assert (bin.inventory(), state()) == (bin.before, "RESTORED")


def test_what_is_being_restored_is_not_deleted_at_the_same_time(bin: Bin):
    bin.gateway.faults[bin.names[1]] = says(FileOutcome.REFUSED)
    for _ in range(3):
        bin.delete()
        bin.later(hours=2)
    bin.ask(plan_id=bin.plan.pk)
    Deletion.objects.update(state=DeletionState.QUEUED)
    bin.gateway.asked.clear()
    assert bin.delete().states == {"QUEUED": 1}
    row = Deletion.objects.get()
    assert (bin.gateway.asked, row.reason) == ([], "its trash is being restored")
    assert bin.clock.now < row.not_before <= bin.clock.now + EAGER.longest_back_off
    assert SiteHealth.objects.get().recent_outcomes.endswith("xxx")  # it says nothing of the storage


def test_what_is_deleted_again_after_it_came_back_does_not_count_as_restored(bin: Bin):
    """A trash that is filled a second time is as new: a file asked back alone must not close it over the others."""
    bin.gateway.faults[bin.names[1]] = says(FileOutcome.REFUSED)
    for _ in range(3):
        bin.delete()
        bin.later(hours=2)
    bin.gateway.faults.clear()
    bin.ask(plan_id=bin.plan.pk)
    assert bin.restore() == {"RESTORED": 3}
    deletions_retry(deletion_ids=[Deletion.objects.get().pk], actor=ME, reason="it may go after all")
    assert bin.delete().states == {"DONE": 1}
    bin.ask(lfn=bin.names[0])
    assert bin.restore() == {"RESTORED": 1}
    assert (state(), bin.in_trash()) == ("KEPT", 2)
    bin.ask(plan_id=bin.plan.pk)
    bin.restore()
    assert (bin.inventory(), state()) == (bin.before, "RESTORED")


class Twice(Bin):
    """The same block was deleted, written anew and planned for deletion again."""

    def __init__(self, world: World, clock: Clock) -> None:
        super().__init__(world, clock)
        self.delete()
        again = world.replica(Dataset.objects.get().blocks.get(), Site.objects.get(name="T3_B"))
        self.second = world.plan([again])
        plan_enqueue(self.second.pk, now=clock())


def test_nothing_comes_back_to_a_place_that_is_being_emptied(world: World, clock: Clock):
    """It would be found again in storage alone: the deletion takes the block replica out of the inventory."""
    bin = Twice(world, clock)
    taken = claim(worker="w", now=bin.clock(), limits=EAGER)
    bin.gateway.before = lambda lfn: (bin.ask(plan_id=bin.plan.pk), bin.restore())
    acted = act(taken, gateway=bin(taken.site), clock=bin.clock, limits=EAGER)
    bin.gateway.before = None
    record(acted, now=bin.clock(), limits=EAGER, rng=seeded())
    assert (bin.world.files("T3_B"), bin.inventory()) == (set(), [])
    assert bin.restore() == {"RESTORED": 3}
    assert [row[0] for row in bin.inventory()] == ["b00000"]


def test_nothing_is_emptied_to_which_something_comes_back(world: World, clock: Clock):
    bin = Twice(world, clock)
    bin.ask(plan_id=bin.plan.pk)
    bin.gateway.asked.clear()
    assert bin.delete().states == {"QUEUED": 1}
    first = Deletion.objects.get(plan=bin.plan).pk
    reason = Deletion.objects.get(plan=bin.second).reason
    assert (bin.gateway.asked, reason) == ([], f"files of it are being restored from the trash of deletion {first}")
    assert bin.restore() == {"TAKEN": 3}
    bin.later(hours=2)
    assert bin.delete().states == {"DONE": 1}


@pytest.mark.parametrize("num_moved", [0, 1, 2, 3])
def test_worker_that_dies_while_restoring_loses_nothing(bin: Bin, num_moved: int):
    bin.delete()
    bin.ask(plan_id=bin.plan.pk)
    calls = iter(range(10))

    def die(lfn: str) -> None:
        if next(calls) == num_moved:
            raise Killed

    lease = trash_lease(TrashState.RESTORING, worker="dies", now=bin.clock(), limits=EAGER)
    gateway = bin(lease.site)
    gateway.before = die if num_moved < 3 else None
    if num_moved < 3:
        with pytest.raises(Killed):
            restore_act(lease, gateway=gateway, clock=bin.clock, limits=EAGER)
    else:
        restore_act(lease, gateway=gateway, clock=bin.clock, limits=EAGER)
    gateway.before = None
    assert bin.restore() == {}
    bin.later(seconds=121)
    assert bin.restore() == {"RESTORED": 3}
    assert (bin.inventory(), sorted(bin.world.files("T3_B")), state()) == (bin.before, bin.names, "RESTORED")


def _restores_but_says(outcome: RestoreOutcome):
    def fault(real, lfn):
        delete_one(real, lfn)
        return RestoreResult(lfn, outcome, "said so")

    return fault


@pytest.mark.parametrize("outcome", [o for o in RestoreOutcome if o != RestoreOutcome.RESTORED])
@pytest.mark.parametrize("is_restored_before", [False, True])
def test_restore_that_fails_says_so_and_can_be_asked_for_again(bin: Bin, outcome: RestoreOutcome, is_restored_before: bool):
    bin.delete()
    bin.ask(plan_id=bin.plan.pk)
    fault = _restores_but_says(outcome) if is_restored_before else lambda real, lfn: RestoreResult(lfn, outcome, "said so")
    bin.gateway.faults[bin.names[1]] = fault
    assert bin.restore() == {"RESTORED": 2, outcome: 1}
    row = Trash.objects.get()
    assert row.state == (TrashState.RESTORING if outcome == RestoreOutcome.RETRYABLE else TrashState.KEPT)
    assert "said so" in row.reason
    assert TrashFile.objects.get(lfn=bin.names[1]).outcome == outcome
    assert BlockReplica.objects.get(site__name="T3_B").num_files == 2
    bin.gateway.faults.clear()
    bin.later(hours=2)
    bin.ask(plan_id=bin.plan.pk)
    assert bin.restore() == {"RESTORED": 3}
    assert (bin.inventory(), state()) == (bin.before, "RESTORED")


def test_place_that_is_taken_dataset_that_is_gone_and_damage_are_reported_and_stay_in_the_trash(world: World, clock: Clock):
    bin = Bin(world, clock, num_blocks=3)
    File.objects.filter(lfn=bin.names[3]).update(checksum="adler32:00000001")
    bin.delete()
    world.path("T3_B", bin.names[0]).parent.mkdir(parents=True)
    world.path("T3_B", bin.names[0]).write_bytes(b"newcomer")
    Dataset.objects.get().blocks.filter(name="b00002").delete()
    bin.ask(plan_id=bin.plan.pk)
    assert bin.restore() == {"RESTORED": 4, "TAKEN": 1, "DAMAGED": 1, "REFUSED": 3}
    assert world.path("T3_B", bin.names[0]).read_bytes() == b"newcomer"
    reasons = [row.reason for row in Trash.objects.order_by("block_name")]
    assert "its place is taken" in reasons[0]
    assert "has the checksum" in reasons[1]
    assert "its block has left the inventory" in reasons[2]
    assert set(Trash.objects.values_list("state", flat=True)) == {"KEPT"}
    assert [row[4:6] for row in bin.inventory()] == [(20, 2), (20, 2)]


def test_asking_takes_the_right_a_reason_and_something_that_was_there(bin: Bin, django_user_model):
    bin.delete()
    user = django_user_model.objects.create_user("somebody")
    with pytest.raises(PermissionDenied, match="it takes the right operations"):
        restore_request(wanted=RestoreWanted(site_name="T3_B"), actor=Actor.of(user), reason="x", now=bin.clock.now)
    with pytest.raises(InvalidTransitionError, match="restoring needs"):
        restore_request(wanted=RestoreWanted(site_name="T3_B"), actor=ME, reason=" ", now=bin.clock.now)
    with pytest.raises(InvalidTransitionError, match="say what is to come back"):
        bin.ask()
    with pytest.raises(NotFoundError, match="nothing that fits"):
        bin.ask(site_name="T9_X")
    assert state() == "KEPT"


def test_what_a_deletion_that_was_given_up_put_aside_comes_back_by_itself(bin: Bin):
    deletions_drop(deletion_ids=[bin.fail()], actor=ME, reason="keep it")
    bin.later(minutes=1)
    assert bin.restore() == {"RESTORED": 3}
    assert (sorted(bin.world.files("T3_B")), bin.inventory(), state()) == (bin.names, bin.before, "RESTORED")
    assert "given up" in Trash.objects.get().asked_reason


def test_what_cannot_come_back_from_a_deletion_that_was_given_up_stays_and_is_not_asked_for_again(bin: Bin):
    deletions_drop(deletion_ids=[bin.fail()], actor=ME, reason="keep it")
    bin.later(minutes=1)
    bin.world.path("T3_B", bin.names[0]).write_bytes(b"something else")
    bin.restore()
    bin.later(days=400)
    assert not bin.restore()
    assert not bin.purge()
    assert (state(), bin.in_trash()) == ("KEPT", 1)
    assert "taken" in Trash.objects.get().reason


def test_second_request_for_another_file_is_kept_while_the_first_is_being_restored(bin: Bin):
    bin.delete()
    bin.ask(lfn=bin.names[0])
    lease = trash_lease(TrashState.RESTORING, worker="r", now=bin.clock.now, limits=bin.limits)
    bin.ask(lfn=bin.names[1])
    acted = restore_act(lease, gateway=bin(lease.site), clock=bin.clock, limits=bin.limits)
    restore_record(acted, now=bin.clock.now, limits=bin.limits, rng=seeded())
    assert (state(), Trash.objects.get().wanted_files) == ("RESTORE", [bin.names[1]])
    assert bin.restore() == {"RESTORED": 1}
    assert sorted(bin.world.files("T3_B")) == bin.names[:2]


def test_request_for_all_is_kept_while_one_file_is_being_restored(bin: Bin):
    bin.delete()
    bin.ask(lfn=bin.names[0])
    lease = trash_lease(TrashState.RESTORING, worker="r", now=bin.clock.now, limits=bin.limits)
    bin.ask(plan_id=bin.plan.pk)
    acted = restore_act(lease, gateway=bin(lease.site), clock=bin.clock, limits=bin.limits)
    restore_record(acted, now=bin.clock.now, limits=bin.limits, rng=seeded())
    bin.restore()
    assert (sorted(bin.world.files("T3_B")), state()) == (bin.names, "RESTORED")


def test_trash_of_another_endpoint_is_neither_purged_nor_restored_until_the_endpoint_is_set_back(bin: Bin, tmp_path):
    bin.delete()
    before = Site.objects.get(name="T3_B").endpoint_url
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".dynamo-storage").write_text("T3_B")
    Site.objects.filter(name="T3_B").update(endpoint_url=f"file://{tmp_path / 'new'}")
    ((_, why),) = bin.ask(plan_id=bin.plan.pk).refused
    assert before in why
    bin.later(days=8)
    assert not bin.purge()
    assert (state(), bin.in_trash()) == ("KEPT", 3)
    Site.objects.filter(name="T3_B").update(endpoint_url=before)
    assert bin.ask(plan_id=bin.plan.pk).refused == ()
    assert bin.restore() == {"RESTORED": 3}


@pytest.mark.parametrize("num_blocks", [2, 12])
def test_number_of_queries_of_a_restore_does_not_depend_on_what_comes_back(
    world: World, clock: Clock, num_blocks: int, django_assert_num_queries: Any
):
    bin = Bin(world, clock, num_blocks=num_blocks)
    bin.delete()
    bin.ask(plan_id=bin.plan.pk)
    gateway = bin(Site.objects.get(name="T3_B"))
    limits = QueueLimits()  # whether the lease is still held is asked once a second, and the clock stands still
    lease = trash_lease(TrashState.RESTORING, worker="r", now=bin.clock(), limits=limits)
    with django_assert_num_queries(3):
        acted = restore_act(lease, gateway=gateway, clock=bin.clock, limits=limits)
    assert sum(map(len, acted.results.values())) == 3 * num_blocks
