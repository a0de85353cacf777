"""What is deleted can be brought back, whatever instant anything is killed at, until it is purged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured, PermissionDenied

from inventory.models import AuditEvent, BlockReplica, Dataset, DatasetReplica, File, Group, PresentFile, Site
from inventory.services.audit import Actor
from inventory.services.sites import site_pause
from operations.choices import DeletionState, FileOutcome, RestoreOutcome, TrashState
from operations.exceptions import InvalidTransitionError, NotFoundError
from operations.models import Deletion, SiteHealth, Trash, TrashFile
from operations.services.act import act
from operations.services.claim import claim
from operations.services.failed import deletions_drop, deletions_retry
from operations.services.limits import limits_from_settings
from operations.services.pausing import pause_all
from operations.services.queue import plan_enqueue
from operations.services.record import record
from operations.services.restoring import RestoreWanted, restore_act, restore_record, restore_request
from operations.services.sweep import sweep
from operations.services.trash_keeping import trash_hurry
from operations.services.trash_lease import trash_lease
from operations.services.trash_worker import purge_work, restore_work
from operations.services.worker import real_gateway, work
from operations.storage import RestoreResult
from policies.models import Partition, Quota
from tests.factories.operations import EAGER, Clock, FaultyGateway, World, delete_one, deletes_but_says, says, seeded

pytestmark = pytest.mark.django_db
ME = Actor("me")


class Killed(BaseException):
    """Stands for SIGKILL: nothing below a worker catches it."""


class Bin:
    """Two copies of some blocks, those at T3_B deleted by a plan into the trash of the site."""

    def __init__(self, world: World, clock: Clock, num_blocks: int = 1, num_files: int = 3, **site: object) -> None:
        group = Group.objects.create(name="owners")
        self.world, self.clock, self.limits = world, clock, EAGER
        replicas = world.two_copies(num_blocks=num_blocks, num_files=num_files)
        BlockReplica.objects.filter(site__name="T3_B").update(group=group, is_custodial=True)
        Site.objects.filter(name="T3_B").update(**site)
        for replica in replicas:
            replica.refresh_from_db()
        self.before = self.inventory()
        self.names = sorted(world.files("T3_B"))
        self.plan = world.plan(replicas)
        plan_enqueue(self.plan.pk, now=clock())
        self.gateway = FaultyGateway(real=None, trashes=True)

    def __call__(self, site):
        self.gateway.real = real_gateway(site)
        return self.gateway

    def inventory(self) -> list[tuple]:
        rows = BlockReplica.objects.filter(site__name="T3_B").order_by("block__name")
        fields = (
            "block__name",
            "group__name",
            "is_custodial",
            "last_update",
            "size_bytes",
            "num_files",
            "dataset_replica__site__name",
        )
        return list(rows.values_list(*fields))

    def delete(self):
        return work(worker="w", clock=self.clock, limits=self.limits, rng=seeded(), gateway=self)

    def later(self, **kwargs: float) -> None:
        self.clock.advance(**kwargs)
        sweep(now=self.clock.now, limits=self.limits, rng=seeded())

    def ask(self, **wanted: object):
        return restore_request(wanted=RestoreWanted(**wanted), actor=ME, reason="needed", now=self.clock.now)

    def restore(self):
        return restore_work(worker="r", clock=self.clock, limits=self.limits, rng=seeded(), gateway=self).files

    def purge(self):
        return purge_work(worker="p", clock=self.clock, limits=self.limits, rng=seeded(), gateway=self).purged

    def in_trash(self) -> int:
        return sum(path.is_file() for path in (self.world.root("T3_B") / ".dynamo-trash").rglob("*"))


@pytest.fixture
def bin(world: World, clock: Clock) -> Bin:
    return Bin(world, clock)


def state() -> str:
    return Trash.objects.get().state


def test_deleted_files_lie_in_the_trash_with_all_that_it_takes_to_bring_them_back(bin: Bin):
    assert bin.delete().states == {"DONE": 1}
    assert (bin.world.files("T3_B"), bin.in_trash(), bin.inventory()) == (set(), 3, [])
    row = Trash.objects.get()
    assert (row.state, row.group_name, row.is_custodial, row.num_files, row.size_bytes) == ("KEPT", "owners", True, 3, 30)
    assert [lfn for lfn, _, _ in row.files] == bin.names
    assert row.purge_after - bin.clock.now == timedelta(days=7)
    deletion = Deletion.objects.get()
    assert (deletion.files_deleted, deletion.files_absent, deletion.bytes_deleted) == (3, 0, 30)


def test_restore_brings_back_storage_and_inventory_and_twice_is_once(bin: Bin):
    bin.delete()
    asked = bin.ask(plan_id=bin.plan.pk)
    assert (asked.trash_ids, asked.refused) == ((Trash.objects.get().pk,), ())
    assert bin.restore() == {"RESTORED": 3}
    assert sorted(bin.world.files("T3_B")) == bin.names
    assert (bin.inventory(), state(), bin.in_trash()) == (bin.before, "RESTORED", 0)
    assert DatasetReplica.objects.filter(site__name="T3_B").count() == 1
    assert bin.restore() == {}
    ((what, why),) = bin.ask(plan_id=bin.plan.pk).refused
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


def test_purge_comes_after_its_time_and_then_all_is_gone_for_good(bin: Bin):
    bin.delete()
    bin.later(days=6.9)
    assert bin.purge() == {}
    bin.later(days=0.2)
    assert bin.purge() == {"PURGED": 1}
    assert (bin.in_trash(), state()) == (0, "PURGED")
    ((_, why),) = bin.ask(plan_id=bin.plan.pk).refused
    assert why == f"gone for good since {bin.clock.now:%Y-%m-%d %H:%M} UTC"
    assert bin.restore() == {}
    assert AuditEvent.objects.filter(action="operations.trash_purged").count() == 1


def test_what_comes_from_tape_is_kept_for_thirty_days(world: World, clock: Clock):
    bin = Bin(world, clock, storage_type="MSS")
    bin.delete()
    bin.later(days=29.9)
    assert bin.purge() == {}
    bin.later(days=0.2)
    assert bin.purge() == {"PURGED": 1}


@pytest.mark.parametrize("num_moved", [0, 1, 2, 3])
def test_worker_that_dies_between_move_and_record_loses_nothing(bin: Bin, num_moved: int):
    calls = iter(range(10))

    def die(lfn: str) -> None:
        if next(calls) == num_moved:
            raise Killed

    taken = claim(worker="dies", now=bin.clock(), limits=EAGER)
    gateway = bin(taken.site)
    gateway.before = die if num_moved < 3 else None
    if num_moved < 3:
        with pytest.raises(Killed):
            act(taken, gateway=gateway, clock=bin.clock, limits=EAGER)
    else:
        act(taken, gateway=gateway, clock=bin.clock, limits=EAGER)
    gateway.before = None
    assert (bin.in_trash(), state()) == (num_moved, "FILLING")

    bin.later(seconds=121)
    assert bin.delete().states == {"DONE": 1}
    deletion = Deletion.objects.get()
    assert (deletion.files_deleted, deletion.files_absent) == (3, 0)
    assert (bin.in_trash(), state()) == (3, "KEPT")
    bin.ask(site_name="T3_B")
    assert bin.restore() == {"RESTORED": 3}
    assert bin.inventory() == bin.before


def test_what_was_absent_before_stays_absent_however_often_the_rest_is_tried(bin: Bin):
    bin.world.path("T3_B", bin.names[0]).unlink()
    bin.gateway.faults[bin.names[2]] = says(FileOutcome.RETRYABLE)
    assert bin.delete().states == {"QUEUED": 1}
    bin.gateway.faults.clear()
    bin.later(hours=2)
    assert bin.delete().states == {"DONE": 1}
    deletion = Deletion.objects.get()
    assert (deletion.files_deleted, deletion.files_absent, deletion.bytes_deleted) == (2, 1, 20)


def test_later_day_does_not_hide_what_an_earlier_attempt_moved(bin: Bin):
    bin.gateway.faults[bin.names[2]] = says(FileOutcome.RETRYABLE)
    assert bin.delete().states == {"QUEUED": 1}
    bin.gateway.faults.clear()
    bin.later(days=3)
    assert bin.delete().states == {"DONE": 1}
    assert len({path.parent for path in (bin.world.root("T3_B") / ".dynamo-trash").rglob("*=*")}) == 1
    bin.ask(site_name="T3_B")
    assert bin.restore() == {"RESTORED": 3}


@pytest.mark.parametrize("outcome", [FileOutcome.RETRYABLE, FileOutcome.REFUSED, FileOutcome.UNKNOWN])
@pytest.mark.parametrize("is_moved_before", [False, True])
def test_move_that_fails_before_or_after_it_is_done_ends_well(bin: Bin, outcome: FileOutcome, is_moved_before: bool):
    bin.gateway.faults[bin.names[1]] = deletes_but_says(outcome) if is_moved_before else says(outcome)
    assert bin.delete().states == {"QUEUED": 1}
    assert (bin.inventory(), bin.in_trash()) == (bin.before, 3 if is_moved_before else 2)
    bin.gateway.faults.clear()
    bin.later(hours=2)
    assert bin.delete().states == {"DONE": 1}
    assert (bin.in_trash(), state(), bin.inventory()) == (3, "KEPT", [])


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


def test_deletion_that_fails_and_is_tried_again_uses_the_same_trash(bin: Bin):
    bin.gateway.faults[bin.names[1]] = says(FileOutcome.REFUSED)
    for _ in range(3):
        bin.delete()
        bin.later(hours=2)
    bin.gateway.faults.clear()
    Deletion.objects.update(state=DeletionState.QUEUED)
    assert bin.delete().states == {"DONE": 1}
    assert (state(), bin.in_trash()) == ("KEPT", 3)


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


@pytest.fixture(params=["restore", "purge"])
def asked(request: pytest.FixtureRequest, bin: Bin) -> Callable[[], Counter[str]]:
    """Return how files in the trash are asked for: back, or for good."""
    bin.delete()
    if request.param == "restore":
        bin.ask(plan_id=bin.plan.pk)
        return bin.restore
    bin.later(days=8)
    return bin.purge


def _another_file(real, lfn):
    return replace(delete_one(real, lfn), lfn=f"{lfn}.other")


def _no_such_word(real, lfn):
    return replace(delete_one(real, lfn), outcome="GONE")


class Stammering(FaultyGateway):
    """Says all twice."""

    def _each(self, *args):
        return [answer for answer in super()._each(*args) for _ in range(2)]


class Forgetful(FaultyGateway):
    """Leaves out its first answer."""

    def _each(self, *args):
        return super()._each(*args)[1:]


@pytest.mark.parametrize("lie", [_another_file, _no_such_word, Stammering, Forgetful])
def test_wrong_answer_of_the_trash_is_unknown_and_what_was_done_is_found_later(bin: Bin, asked, lie):
    if isinstance(lie, type):
        bin.gateway = lie(real=None, trashes=True)
    else:
        bin.gateway.faults[bin.names[0]] = lie
    result = asked()
    row = Trash.objects.get()
    assert "unknown: the storage" in row.reason
    assert row.state in {TrashState.KEPT, TrashState.PURGING}
    if row.state == TrashState.KEPT:
        assert result["UNKNOWN"] == (1 if lie is Forgetful else 3)
        bin.ask(plan_id=bin.plan.pk)
    else:
        assert (result, row.not_before > bin.clock.now) == ({"PURGING": 1}, True)
    bin.gateway = FaultyGateway(real=None, trashes=True)
    bin.later(hours=2)
    assert asked() == ({"PURGED": 1} if row.state == TrashState.PURGING else {"RESTORED": 3})
    assert bin.inventory() == ([] if row.state == TrashState.PURGING else bin.before)


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


def test_what_left_the_inventory_between_claim_and_act_is_not_deleted_past_the_trash(bin: Bin):
    taken = claim(worker="w", now=bin.clock(), limits=EAGER)
    BlockReplica.objects.filter(site__name="T3_B").delete()
    acted = act(taken, gateway=bin(taken.site), clock=bin.clock, limits=EAGER)
    assert (bin.gateway.asked, sorted(bin.world.files("T3_B"))) == ([], bin.names)
    record(acted, now=bin.clock(), limits=EAGER, rng=seeded())
    bin.later(hours=2)
    bin.delete()
    row = Deletion.objects.get()
    assert (row.state, row.reason) == ("DROPPED", "not in the inventory any more")


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


def _breaks(real, lfn):
    raise RuntimeError("back end broke")


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


def test_back_end_that_breaks_while_restoring_or_purging_leaves_all_where_it_is(bin: Bin):
    bin.delete()
    bin.ask(plan_id=bin.plan.pk)
    bin.gateway.default = _breaks
    assert bin.restore() == {"UNKNOWN": 3}
    assert (state(), bin.in_trash(), bin.inventory()) == ("KEPT", 3, [])
    bin.later(days=8)
    assert bin.purge() == {"PURGING": 1}
    assert bin.in_trash() == 3
    bin.gateway.default = None
    bin.later(hours=2)
    assert bin.purge() == {"PURGED": 1}


@pytest.mark.parametrize("outcome", [FileOutcome.RETRYABLE, FileOutcome.REFUSED, FileOutcome.UNKNOWN])
@pytest.mark.parametrize("is_purged_before", [False, True])
def test_purge_that_fails_is_tried_again_and_a_part_is_not_restored(bin: Bin, outcome: FileOutcome, is_purged_before: bool):
    bin.delete()
    bin.later(days=8)
    bin.gateway.faults[bin.names[1]] = deletes_but_says(outcome) if is_purged_before else says(outcome)
    assert bin.purge() == {"PURGING": 1}
    ((_, why),) = bin.ask(plan_id=bin.plan.pk).refused
    assert "is being purged" in why
    bin.gateway.faults.clear()
    bin.later(hours=2)
    assert bin.purge() == {"PURGED": 1}
    assert bin.in_trash() == 0


def test_nothing_is_purged_while_all_or_the_site_is_paused_but_it_can_be_restored(bin: Bin):
    bin.delete()
    bin.later(days=8)
    bin.gateway.before = lambda lfn: pause_all(actor=ME, reason="stop")
    assert bin.purge() == {"PURGING": 1}
    assert (bin.in_trash(), bin.purge()) == (2, {})


def test_paused_site_purges_nothing_and_restores(bin: Bin):
    bin.delete()
    bin.later(days=8)
    site_pause(site_name="T3_B", actor=ME, reason="stop")
    pause_all(actor=ME, reason="stop")
    assert bin.purge() == {}
    bin.ask(plan_id=bin.plan.pk)
    assert bin.restore() == {"RESTORED": 3}


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


def test_without_trash_files_are_deleted_at_once_and_nothing_can_be_asked_back(bin: Bin):
    bin.limits = EAGER.__class__(watch_interval=timedelta(0), trash_days=None)
    assert bin.delete().states == {"DONE": 1}
    assert (bin.in_trash(), Trash.objects.count()) == (0, 0)


def test_full_site_purges_its_oldest_trash_early_where_the_setting_allows(world: World, clock: Clock):
    bin = Bin(world, clock, num_blocks=4)
    bin.delete()
    site = Site.objects.get(name="T3_B")
    Quota.objects.create(partition=Partition.objects.get(), site=site, size_bytes=100)
    assert trash_hurry(now=clock.now, limits=EAGER) == {}
    limits = EAGER.__class__(purge_at_fraction=0.7)
    assert trash_hurry(now=clock.now, limits=limits) == {"T3_B": 60}
    assert trash_hurry(now=clock.now, limits=limits) == {}
    assert bin.purge() == {"PURGED": 2}
    assert list(Trash.objects.filter(state="KEPT").order_by("pk").values_list("block_name", flat=True)) == ["b00002", "b00003"]
    assert trash_hurry(now=clock.now, limits=limits) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DYNAMO_TRASH_DAYS", 0.5),
        ("DYNAMO_TRASH_DAYS", 94),
        ("DYNAMO_TRASH_TAPE_DAYS", 29),
        ("DYNAMO_TRASH_PURGE_AT_FRACTION", 95),
    ],
)
def test_times_that_are_not_allowed_stop_the_worker(settings, name: str, value: float):
    setattr(settings, name, value)
    with pytest.raises(ImproperlyConfigured, match=f"{name} is {value}; expected"):
        limits_from_settings()


def fail(bin: Bin) -> int:
    """Let the deletion fail when a part of its files lies in the trash; return its key."""
    bin.gateway.faults[bin.names[1]] = says(FileOutcome.REFUSED)
    for _ in range(3):
        bin.delete()
        bin.later(hours=2)
    assert (Deletion.objects.get().state, state()) == (DeletionState.FAILED, "KEPT")
    bin.gateway.faults.clear()
    return Deletion.objects.get().pk


def test_what_a_failed_deletion_put_aside_waits_for_a_person_and_is_never_purged(bin: Bin):
    fail(bin)
    bin.limits = replace(bin.limits, purge_at_fraction=0.0001)
    Quota.objects.create(partition=Partition.objects.first(), site=Site.objects.get(name="T3_B"), size_bytes=1)
    bin.later(days=400)
    assert trash_hurry(now=bin.clock.now, limits=bin.limits) == {}
    assert not bin.purge()
    assert (bin.in_trash(), state(), bin.inventory()) == (2, "KEPT", bin.before)


def test_what_a_deletion_that_was_given_up_put_aside_comes_back_by_itself(bin: Bin):
    deletions_drop(deletion_ids=[fail(bin)], actor=ME, reason="keep it")
    bin.later(minutes=1)
    assert bin.restore() == {"RESTORED": 3}
    assert (sorted(bin.world.files("T3_B")), bin.inventory(), state()) == (bin.names, bin.before, "RESTORED")
    assert "given up" in Trash.objects.get().asked_reason


def test_what_cannot_come_back_from_a_deletion_that_was_given_up_stays_and_is_not_asked_for_again(bin: Bin):
    deletions_drop(deletion_ids=[fail(bin)], actor=ME, reason="keep it")
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


def test_deletion_that_was_begun_at_another_endpoint_waits(bin: Bin, tmp_path):
    bin.gateway.faults[bin.names[1]] = says(FileOutcome.RETRYABLE)
    bin.delete()
    before = Site.objects.get(name="T3_B").endpoint_url
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / ".dynamo-storage").write_text("T3_B")
    Site.objects.filter(name="T3_B").update(endpoint_url=f"file://{tmp_path / 'new'}")
    bin.gateway.faults.clear()
    bin.later(hours=2)
    assert bin.delete().states == {"QUEUED": 1}
    assert before in Deletion.objects.get().reason
    Site.objects.filter(name="T3_B").update(endpoint_url=before)
    bin.later(hours=2)
    assert bin.delete().states == {"DONE": 1}
    assert (bin.in_trash(), bin.inventory()) == (3, [])
