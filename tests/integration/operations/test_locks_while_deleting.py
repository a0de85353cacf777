"""A lock that comes while a batch is being deleted keeps what of it has not been begun."""

from __future__ import annotations

import pytest

from inventory.models import BlockReplica, Lock
from inventory.services.audit import Actor
from inventory.services.locks import lock_create, lock_extend
from operations.models import Deletion
from operations.services.act import act
from operations.services.claim import claim
from operations.services.queue import plan_enqueue
from operations.services.record import record
from operations.services.worker import real_gateway, work
from tests.factories.operations import EAGER, NOW, Clock, FaultyGateway, World, seeded

pytestmark = pytest.mark.django_db

ACTOR = Actor("late")


def acted_on(world: World, lock_pattern: str, *, after_files: int, lock: Lock | None = None) -> FaultyGateway:
    """Delete a batch of three blocks with three files each; after so many files a lock comes."""
    plan_enqueue(world.plan(world.two_copies(3)).pk, now=NOW)
    taken = claim(worker="w", now=NOW, limits=EAGER)
    assert taken is not None

    def comes(lfn: str) -> None:
        if len(gateway.asked) == after_files:
            if lock is not None:
                lock_extend(lock_id=lock.pk, expires_at=None, actor=ACTOR, now=NOW)
            else:
                lock_create(dataset_pattern="*", block_pattern=lock_pattern, actor=ACTOR, now=NOW)

    gateway = FaultyGateway(real_gateway(taken.site), before=comes)
    done = act(taken, gateway=gateway, clock=Clock(), limits=EAGER)
    record(done, now=NOW, limits=EAGER, rng=seeded())
    return gateway


def states() -> dict[str, tuple[str, str]]:
    return {row.block_name: (row.state, row.reason) for row in Deletion.objects.order_by("block_name")}


def test_the_worker_stops_and_what_was_not_begun_stays(world: World) -> None:
    gateway = acted_on(world, "b00002", after_files=4)
    assert len(gateway.asked) == 4
    stopped = "a lock came that holds 1 of the block replicas of the batch"
    assert states() == {"b00000": ("DONE", ""), "b00001": ("QUEUED", stopped), "b00002": ("QUEUED", stopped)}
    work(worker="w", clock=Clock(), limits=EAGER, rng=seeded())
    assert states() == {"b00000": ("DONE", ""), "b00001": ("DONE", ""), "b00002": ("DROPPED", "locked")}
    assert len(world.files("T3_B")) == 3


def test_what_was_begun_of_the_locked_waits_for_a_person(world: World) -> None:
    acted_on(world, "b00001", after_files=4)
    work(worker="w", clock=Clock(), limits=EAGER, rng=seeded())
    found = states()
    assert found["b00001"] == ("FAILED", "locked; but files of it may be gone already")
    assert found["b00002"] == ("DONE", "")
    assert BlockReplica.objects.filter(block__name="b00001", site__name="T3_B").exists()


def test_a_lock_on_something_else_stops_nothing(world: World) -> None:
    gateway = acted_on(world, "elsewhere", after_files=4)
    assert len(gateway.asked) == 9
    assert {state for state, _ in states().values()} == {"DONE"}


def test_an_expired_lock_that_holds_again_stops_as_a_new_one_does(world: World) -> None:
    lock = Lock.objects.create(dataset_pattern="*", block_pattern="b00002", owner="me", expires_at=NOW)
    assert len(acted_on(world, "", after_files=2, lock=lock).asked) == 2
