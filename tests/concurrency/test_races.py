"""Two connections at the same moment: each pair is brought to the instant at which it could do harm, then let go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as StillWaiting
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from django.db import connections, transaction

from inventory.models import AuditEvent, BlockReplica
from inventory.selectors.sites import SiteStorage
from inventory.services.audit import Actor, audit_verify
from inventory.services.locks import lock_create
from inventory.services.under_way import UnderWay
from operations.choices import DeletionState
from operations.models import Deletion
from operations.services.act import act
from operations.services.claim import claim, take_turn
from operations.services.pausing import pause_all
from operations.services.queue import plan_enqueue
from operations.services.record import record
from operations.services.worker import real_gateway, work
from policies.choices import CycleKind, PlanState
from policies.exceptions import CycleRunningError, InvalidTransitionError
from policies.models import Cycle, Partition, Plan, Policy, PolicyVersion
from policies.services.cycles import cycle_start, text_digest
from policies.services.judging import judge_origin
from policies.services.plans import plan_discard, plan_release
from tests.factories.operations import EAGER, NOW, Clock, FaultyGateway, World, seeded

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
ACTOR = Actor(name="racer")
ROUNDS = 8
TEXT = "Partition Everything\nOn site.name == *\nWhen always\nUntil never\nProtect\n"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def aside(pool: ThreadPoolExecutor, work: Callable[[], Any]) -> Future[Any]:
    """Do *work* in a thread of its own with a connection of its own."""

    def closed_afterwards() -> Any:
        try:
            return work()
        finally:
            connections.close_all()

    return pool.submit(closed_afterwards)


def together(pool: ThreadPoolExecutor, *works: Callable[[], Any]) -> list[Any]:
    """Start all at the same moment; return results, or the errors in their place."""
    barrier = Barrier(len(works))

    def started(work: Callable[[], Any]) -> Callable[[], Any]:
        def wait_then_work() -> Any:
            barrier.wait(timeout=30)
            return work()

        return wait_then_work

    futures = [aside(pool, started(work)) for work in works]
    return [future.exception(timeout=60) or future.result() for future in futures]


def must_wait_for(pool: ThreadPoolExecutor, first: Callable[[], Any], second: Callable[[], Any]) -> tuple[Any, Any]:
    """Do *first* in a transaction that stays open, begin *second* and see it wait, then commit; return both results."""
    is_done, may_commit = Event(), Event()

    def held_open() -> Any:
        with transaction.atomic():
            result = first()
            is_done.set()
            assert may_commit.wait(30)
            return result

    holding = aside(pool, held_open)
    assert is_done.wait(30), holding.exception(1)
    waiting = aside(pool, second)
    try:
        with pytest.raises(StillWaiting):
            waiting.result(timeout=0.5)
    finally:
        may_commit.set()
    return holding.result(30), waiting.result(30)


def held(world: World, plan: Plan) -> Plan:
    plan.tripped = [{"text": "too much"}]
    plan.state = PlanState.HELD
    plan.save()
    return plan


def version_of(plan: Plan) -> PolicyVersion:
    policy = Policy.objects.create(name="nightly", partition=plan.cycle.partition)
    version = PolicyVersion.objects.create(policy=policy, number=1, text=TEXT, digest=text_digest(TEXT), created_by="t")
    policy.active_version = version
    policy.save()
    plan.cycle.policy_version = version
    plan.cycle.save()
    return version


def test_of_two_cycles_of_one_partition_that_start_at_once_one_runs(pool: ThreadPoolExecutor) -> None:
    Partition.objects.create(name="Everything", condition="replica.size >= 0")

    def start() -> Cycle:
        return cycle_start(text=TEXT, source="race", kind=CycleKind.AUTOMATIC, actor=ACTOR, now=NOW)

    for number in range(ROUNDS):
        results = together(pool, start, start, start)
        assert [type(result) for result in results].count(Cycle) == 1, results
        assert sum(isinstance(result, CycleRunningError) for result in results) == 2
        assert Cycle.objects.filter(state="RUNNING").count() == 1
        Cycle.objects.filter(state="RUNNING").update(state="FAILED", finished_at=NOW + timedelta(seconds=number))


def test_a_version_is_not_replaced_between_the_judgement_and_the_commit_of_its_plan(
    pool: ThreadPoolExecutor, world: World
) -> None:
    plan = world.plan(world.two_copies())
    version = version_of(plan)

    def deactivate() -> int:
        with transaction.atomic():
            policy = Policy.objects.select_for_update(of=("self",)).get(pk=version.policy_id)
            return Policy.objects.filter(pk=policy.pk).update(active_version=None)

    reading, changed = must_wait_for(pool, lambda: judge_origin(Cycle.objects.get(pk=plan.cycle_id)), deactivate)
    assert (reading.is_tripped, changed) == (False, 1)
    with transaction.atomic():
        assert judge_origin(Cycle.objects.get(pk=plan.cycle_id)).is_tripped


def test_of_a_release_and_a_discard_of_one_held_plan_the_later_sees_the_earlier(pool: ThreadPoolExecutor, world: World) -> None:
    replicas = world.two_copies(num_blocks=ROUNDS)
    for replica in replicas:
        plan = held(world, world.plan([replica]))
        release, discard = together(
            pool,
            lambda: plan_release(plan_id=plan.pk, actor=ACTOR, reason="go"),  # noqa: B023 - done before the next round
            lambda: plan_discard(plan_id=plan.pk, actor=ACTOR, reason="no"),  # noqa: B023
        )
        # A released plan may still be discarded; a discarded one is never released.
        plan.refresh_from_db()
        assert isinstance(discard, Plan), discard
        assert plan.state == PlanState.DISCARDED
        assert isinstance(release, Plan | InvalidTransitionError), release
        events = list(AuditEvent.objects.filter(subject=f"plan {plan.pk}").order_by("pk").values_list("action", flat=True))
        expected = ["policies.plan_release"] * isinstance(release, Plan) + ["policies.plan_discard"]
        assert events == expected
        plan_enqueue(plan.pk, now=NOW)
        assert not Deletion.objects.filter(plan=plan).exists()
    assert audit_verify() is None


def test_a_plan_is_not_discarded_between_the_last_look_and_the_lease(pool: ThreadPoolExecutor, world: World) -> None:
    plan = world.plan(world.two_copies())
    plan_enqueue(plan.pk, now=NOW)
    taken, discarded = must_wait_for(
        pool,
        lambda: claim(worker="w", now=NOW, limits=EAGER),
        lambda: plan_discard(plan_id=plan.pk, actor=ACTOR, reason="stop"),
    )
    assert len(taken.items) == 1
    assert discarded.state == PlanState.DISCARDED
    assert claim(worker="w2", now=NOW, limits=EAGER) is None


def test_a_lock_and_a_claim_at_once_never_leave_what_is_deleted_unsaid(pool: ThreadPoolExecutor, world: World) -> None:
    replicas = world.two_copies(num_blocks=ROUNDS)
    for index, replica in enumerate(replicas):
        plan_enqueue(world.plan([replica]).pk, now=NOW)
        late: list[UnderWay] = []
        block = f"b{index:05d}"
        results = together(
            pool,
            lambda: claim(worker="w", now=NOW, limits=replace(EAGER, batches_per_site=100)),
            lambda: lock_create(
                dataset_pattern="/A/*",
                block_pattern=block,  # noqa: B023
                actor=ACTOR,
                now=NOW,
                tell_too_late=late.extend,  # noqa: B023
            ),
        )
        assert not [result for result in results if isinstance(result, BaseException)], results
        row = Deletion.objects.get(block_name=block)
        assert (row.state, [one.block for one in late]) in [
            (DeletionState.ACTING, [block]),
            (DeletionState.DROPPED, []),
        ]
    assert audit_verify() is None


def test_a_lock_waits_for_the_claim_that_decides_and_is_told_too_late(pool: ThreadPoolExecutor, world: World) -> None:
    plan_enqueue(world.plan(world.two_copies()).pk, now=NOW)
    late: list[UnderWay] = []
    must_wait_for(
        pool,
        lambda: claim(worker="w", now=NOW, limits=EAGER),
        lambda: lock_create(dataset_pattern="/A/*", actor=ACTOR, now=NOW, tell_too_late=late.extend),
    )
    assert [str(one) for one in late] == ["/A/B-1/RAW#b00000 at T3_B"]


def test_a_claim_waits_for_the_lock_that_is_being_made_and_obeys_it(pool: ThreadPoolExecutor, world: World) -> None:
    plan_enqueue(world.plan(world.two_copies()).pk, now=NOW)
    _, taken = must_wait_for(
        pool,
        lambda: lock_create(dataset_pattern="/A/*", actor=ACTOR, now=NOW),
        lambda: claim(worker="w", now=NOW, limits=EAGER),
    )
    assert taken is None
    assert (Deletion.objects.get().state, Deletion.objects.get().reason) == (DeletionState.DROPPED, "locked")


def test_after_a_pause_was_committed_no_further_file_is_asked_for(pool: ThreadPoolExecutor, world: World) -> None:
    plan_enqueue(world.plan(world.two_copies(num_files=6)).pk, now=NOW)
    taken = claim(worker="w", now=NOW, limits=EAGER)
    assert taken is not None
    asked: list[str] = []

    def pause_at_second(lfn: str) -> None:
        asked.append(lfn)
        if len(asked) == 2:
            aside(pool, lambda: pause_all(actor=ACTOR, reason="stop")).result(30)

    acted = act(taken, gateway=FaultyGateway(real_gateway(taken.site), before=pause_at_second), clock=Clock(), limits=EAGER)
    record(acted, now=NOW, limits=EAGER, rng=seeded())
    assert len(asked) == 2
    row = Deletion.objects.get()
    assert (row.state, row.reason, row.files_deleted) == (DeletionState.QUEUED, "all deletions are paused", 2)
    assert claim(worker="w", now=NOW, limits=EAGER) is None


def test_what_grows_while_it_is_recorded_stays_in_the_inventory(pool: ThreadPoolExecutor, world: World) -> None:
    replicas = world.two_copies()
    plan_enqueue(world.plan(replicas).pk, now=NOW)
    taken = claim(worker="w", now=NOW, limits=EAGER)
    assert taken is not None
    acted = act(taken, gateway=real_gateway(taken.site), clock=Clock(), limits=EAGER)
    must_wait_for(
        pool,
        lambda: BlockReplica.objects.filter(pk=replicas[0].pk).update(num_files=4, size_bytes=40),
        lambda: record(acted, now=NOW, limits=EAGER, rng=seeded()),
    )
    row = Deletion.objects.get()
    assert (row.state, row.reason) == (DeletionState.QUEUED, "the block replica changed while it was being deleted")
    assert BlockReplica.objects.get(pk=replicas[0].pk).num_files == 4


def test_a_claim_sees_a_policy_that_was_switched_off_while_it_waited_for_its_turn(pool: ThreadPoolExecutor, world: World) -> None:
    plan = world.plan(world.two_copies())
    version_of(plan)
    plan.readings = [{"limit": "origin", "subject": "nightly v1", "is_tripped": False}]
    plan.save()
    plan_enqueue(plan.pk, now=NOW)

    def switch_off() -> int:
        take_turn()
        return Policy.objects.update(is_enabled=False)

    changed, taken = must_wait_for(pool, switch_off, lambda: claim(worker="w", now=NOW, limits=EAGER))
    assert (changed, taken) == (1, None)
    row = Deletion.objects.get()
    assert (row.state, row.reason) == (DeletionState.DROPPED, "the policy nightly was switched off since")


def test_after_a_pause_of_everything_four_workers_at_full_rate_delete_no_more(pool: ThreadPoolExecutor, world: World) -> None:
    plan_enqueue(world.plan(world.two_copies(40, num_files=25)).pk, now=NOW)
    limits = replace(EAGER, batch_items=2)
    under_way, deleted = Event(), []

    def counted(site: SiteStorage) -> FaultyGateway:
        def count(lfn: str) -> None:
            deleted.append(lfn)
            if len(deleted) >= 40:
                under_way.set()

        return FaultyGateway(real_gateway(site), before=count)

    def run() -> None:
        work(worker="w", clock=Clock(NOW), limits=limits, gateway=counted, rng=seeded())

    workers = [aside(pool, run) for _ in range(4)]
    assert under_way.wait(60), [worker.exception(1) for worker in workers]
    pause_all(actor=ACTOR, reason="stop")
    at_pause = len(deleted)
    for worker in workers:
        worker.result(60)
    # Each worker looks before every file: at most the one that it had asked for when the switch was turned goes.
    assert 40 <= len(deleted) <= at_pause + 4
    left = len(world.files("T3_B"))
    assert left == 1000 - len(deleted)
    assert claim(worker="late", now=NOW, limits=limits) is None
    together(pool, run, run, run, run)
    assert len(world.files("T3_B")) == left
