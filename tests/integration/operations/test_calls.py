"""How a storage is asked: in calls of a limited time, made smaller where nothing gets done in it."""

from __future__ import annotations

import pytest

from operations.choices import FileOutcome
from operations.constants import CALL_SECONDS
from operations.models import Deletion
from operations.services.calls import in_calls
from operations.services.limits import QueueLimits
from operations.services.queue import plan_enqueue
from operations.services.worker import work
from operations.storage import FileResult
from tests.factories.operations import Clock, World, seeded


class Distant:
    """A storage behind servers: all files are looked at, then all are deleted; each request takes its time."""

    can_trash = False

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.sizes: list[int] = []
        self.gone: list[str] = []

    def delete(self, lfns, *, should_stop):
        self.sizes.append(len(lfns))
        seen = [lfn for lfn in lfns if self._may_ask(should_stop)]
        gone = [lfn for lfn in seen if self._may_ask(should_stop)]
        self.gone += gone
        return [FileResult(lfn, FileOutcome.DELETED) for lfn in gone]

    def _may_ask(self, should_stop) -> bool:
        if should_stop():
            return False
        self.clock.advance(seconds=self.seconds)
        return True


@pytest.mark.django_db
@pytest.mark.parametrize("seconds", [0.01, 1, CALL_SECONDS - 1])
def test_slow_storage_gets_done_what_is_asked_of_it(world: World, clock: Clock, seconds: float):
    """What looks first and deletes then would never come to delete if it were asked for the same files again and again."""
    plan_enqueue(world.plan(world.two_copies(num_blocks=2, num_files=20)).pk, now=clock())
    storage = Distant(clock, seconds)
    done = work(worker="w", clock=clock, limits=QueueLimits(), rng=seeded(), gateway=lambda site: storage)
    assert done.states == {"DONE": 2}
    assert sorted(storage.gone) == sorted(world.files_in_inventory("T2_A"))
    assert max(storage.sizes) == 40


@pytest.mark.django_db
def test_storage_that_needs_longer_than_a_call_for_one_file_leaves_it_unknown(world: World, clock: Clock):
    plan_enqueue(world.plan(world.two_copies(num_files=2)).pk, now=clock())
    storage = Distant(clock, CALL_SECONDS + 1)
    work(worker="w", clock=clock, limits=QueueLimits(), rng=seeded(), gateway=lambda site: storage)
    row = Deletion.objects.get()
    assert (row.state, storage.gone, storage.sizes) == ("QUEUED", [], [2, 1, 1])
    assert row.reason.startswith("unknown: the storage did not answer for this file")
    assert row.not_before > clock.now


def test_no_call_is_longer_than_its_size_or_has_a_name_twice():
    files = [(key, FileResult(name, FileOutcome.DELETED)) for key, name in enumerate("abcdbe")]
    calls = [[(key, file.lfn) for key, file in call] for call in in_calls(files, 3, 10)]
    assert calls == [[(0, "a"), (1, "b"), (2, "c")], [(3, "d"), (4, "b"), (5, "e")]]
    assert [len(call) for call in in_calls(files, 10, 10)] == [4, 2]
    assert [len(call) for call in in_calls(files, 10, 3)] == [3, 3]
