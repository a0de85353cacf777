"""What is deleted is kept in the trash, whatever instant anything is killed at, until it is purged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured

from inventory.models import AuditEvent, BlockReplica, Site
from inventory.services.sites import site_pause
from operations.choices import DeletionState, FileOutcome, TrashState
from operations.models import Deletion, Trash
from operations.services.act import act
from operations.services.claim import claim
from operations.services.limits import limits_from_settings
from operations.services.pausing import pause_all
from operations.services.record import record
from operations.services.trash_keeping import trash_hurry
from policies.models import Partition, Quota
from tests.factories.operations import EAGER, Clock, FaultyGateway, World, delete_one, deletes_but_says, says, seeded
from tests.factories.trash import ME, Bin, Killed

pytestmark = pytest.mark.django_db


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


def test_deletion_that_fails_and_is_tried_again_uses_the_same_trash(bin: Bin):
    bin.gateway.faults[bin.names[1]] = says(FileOutcome.REFUSED)
    for _ in range(3):
        bin.delete()
        bin.later(hours=2)
    bin.gateway.faults.clear()
    Deletion.objects.update(state=DeletionState.QUEUED)
    assert bin.delete().states == {"DONE": 1}
    assert (state(), bin.in_trash()) == ("KEPT", 3)


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
    return delete_one(real, lfn)._replace(lfn=f"{lfn}.other")


def _no_such_word(real, lfn):
    return delete_one(real, lfn)._replace(outcome="GONE")


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


def _breaks(real, lfn):
    raise RuntimeError("back end broke")


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


def test_what_a_failed_deletion_put_aside_waits_for_a_person_and_is_never_purged(bin: Bin):
    bin.fail()
    bin.limits = replace(bin.limits, purge_at_fraction=0.0001)
    Quota.objects.create(partition=Partition.objects.first(), site=Site.objects.get(name="T3_B"), size_bytes=1)
    bin.later(days=400)
    assert trash_hurry(now=bin.clock.now, limits=bin.limits) == {}
    assert not bin.purge()
    assert (bin.in_trash(), state(), bin.inventory()) == (2, "KEPT", bin.before)


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
