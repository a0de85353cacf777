"""Some files of a block replica are deleted and the rest stays: with the trash and without, whatever happens half-way."""

from __future__ import annotations

import pytest

from inventory.models import BlockReplica, PresentFile
from operations.models import Deletion, Trash
from operations.services.act import act
from operations.services.claim import claim
from operations.services.limits import QueueLimits
from operations.services.queue import plan_enqueue
from policies.models import PlanItemFile
from tests.factories.operations import EAGER, Clock, World, says
from tests.factories.trash import Bin, Killed

pytestmark = pytest.mark.django_db


class PartOf(Bin):
    """Of five files at T3_B the plan names two."""

    def __init__(self, world: World, clock: Clock, *, has_trash: bool = True) -> None:
        super().__init__(world, clock, num_files=5)
        Deletion.objects.all().delete()
        replica = BlockReplica.objects.select_related("site", "block__dataset", "group").get(site__name="T3_B")
        self.named, self.rest = self.names[1:3], [self.names[0], *self.names[3:]]
        self.plan = world.plan([replica], only_files=self.named)
        plan_enqueue(self.plan.pk, now=clock())
        if not has_trash:
            self.limits = QueueLimits(watch_interval=EAGER.watch_interval, trash_days=None)
            self.gateway.trashes = False

    def check_gone(self) -> None:
        replica = BlockReplica.objects.get(site__name="T3_B")
        assert (replica.num_files, replica.size_bytes) == (3, 30)
        present = PresentFile.objects.filter(block_replica=replica).values_list("file__lfn", flat=True)
        assert sorted(present) == sorted(self.world.files("T3_B")) == self.rest
        assert Deletion.objects.get().state == "DONE"


@pytest.fixture(params=[True, False], ids=["trash", "no trash"])
def part(request: pytest.FixtureRequest, world: World, clock: Clock) -> PartOf:
    return PartOf(world, clock, has_trash=request.param)


def test_the_named_files_go_and_the_rest_stays_in_storage_and_inventory(part: PartOf):
    assert part.delete().states == {"DONE": 1}
    part.check_gone()
    assert part.in_trash() == (2 if part.gateway.trashes else 0)


@pytest.mark.parametrize("num_done", [0, 1, 2])
def test_worker_that_dies_half_way_loses_nothing(part: PartOf, num_done: int):
    calls = iter(range(10))

    def die(lfn: str) -> None:
        if next(calls) == num_done:
            raise Killed

    part.gateway.before = die
    taken = claim(worker="dies", now=part.clock(), limits=part.limits)
    if num_done < 2:
        with pytest.raises(Killed):
            act(taken, gateway=part(taken.site), clock=part.clock, limits=part.limits)
    else:
        act(taken, gateway=part(taken.site), clock=part.clock, limits=part.limits)
    part.gateway.before = None
    part.later(seconds=121)
    assert part.delete().states == {"DONE": 1}
    part.check_gone()
    assert set(part.gateway.asked) == set(part.named)


def test_file_that_fails_keeps_both_in_the_inventory_until_it_goes_too(part: PartOf):
    part.gateway.faults[part.named[1]] = says("REFUSED")
    assert part.delete().states == {"QUEUED": 1}
    assert part.inventory() == part.before
    part.gateway.faults.clear()
    part.later(hours=2)
    assert part.delete().states == {"DONE": 1}
    part.check_gone()


def test_the_named_files_come_back_and_the_block_replica_is_whole_again(world: World, clock: Clock):
    part = PartOf(world, clock)
    part.delete()
    row = Trash.objects.get()
    assert ([lfn for lfn, _, _ in row.files], row.size_bytes) == (part.named, 20)
    part.ask(lfn=part.named[0])
    assert part.restore() == {"RESTORED": 1}
    assert BlockReplica.objects.get(site__name="T3_B").num_files == 4
    part.ask(plan_id=part.plan.pk)
    part.restore()
    assert (part.inventory(), sorted(part.world.files("T3_B")), part.in_trash()) == (part.before, part.names, 0)
    assert not PresentFile.objects.exists()


def test_named_file_that_comes_to_the_site_between_two_attempts_is_named_in_the_trash_too(world: World, clock: Clock):
    part = PartOf(world, clock)
    replica = BlockReplica.objects.get(site__name="T3_B")
    files = replica.block.files.order_by("lfn")
    PresentFile.objects.bulk_create(PresentFile(block_replica=replica, file=file) for file in files[:2])
    BlockReplica.objects.filter(pk=replica.pk).update(num_files=2, size_bytes=20)
    part.gateway.faults[part.named[0]] = says("RETRYABLE")
    assert part.delete().states == {"QUEUED": 1}
    assert Trash.objects.get().num_files == 1
    PresentFile.objects.create(block_replica=replica, file=files[2])
    BlockReplica.objects.filter(pk=replica.pk).update(num_files=3, size_bytes=30)
    part.gateway.faults.clear()
    part.later(hours=2)
    assert part.delete().states == {"DONE": 1}
    row = Trash.objects.get()
    assert (sorted(lfn for lfn, _, _ in row.files), row.num_files, row.size_bytes) == (part.named, 2, 20)
    part.ask(plan_id=part.plan.pk)
    assert part.restore() == {"RESTORED": 2}
    assert BlockReplica.objects.get(site__name="T3_B").num_files == 3


def test_list_of_files_that_was_altered_after_it_was_queued_deletes_nothing(part: PartOf):
    PlanItemFile.objects.filter(lfn=part.named[0]).update(lfn=part.rest[0])
    part.delete()
    row = Deletion.objects.get()
    assert (row.state, row.reason) == ("DROPPED", "the files that its plan names are not those that were frozen")
    assert (part.gateway.asked, sorted(part.world.files("T3_B"))) == ([], part.names)
