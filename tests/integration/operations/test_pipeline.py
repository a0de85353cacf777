"""From a released plan to deleted files, on real folders."""

from __future__ import annotations

import pytest

from inventory.models import AuditEvent, BlockReplica, DatasetReplica
from inventory.services.audit import audit_verify
from operations.choices import DeletionState
from operations.models import Attempt, Deletion, DeletionFile, QueuedPlan
from operations.services.queue import plan_enqueue
from operations.services.sweep import sweep
from operations.services.worker import work
from policies.choices import PlanState
from tests.factories.operations import EAGER, Clock, World, seeded

pytestmark = pytest.mark.django_db


def run(clock: Clock, **kwargs):
    return work(worker="w", clock=clock, limits=EAGER, rng=seeded(), **kwargs)


def test_released_plan_deletes_its_files_and_their_inventory_and_nothing_else(world: World, clock: Clock):
    first, second, third = world.two_copies(num_blocks=3)
    plan = world.plan([first, third])
    kept = {lfn for lfn in world.files("T3_B") if "/b00001/" in lfn}

    plan_enqueue(plan.pk, now=clock())
    summary = run(clock)

    assert summary.states == {"DONE": 2}
    assert world.files("T3_B") == kept == world.files_in_inventory("T3_B")
    assert list(BlockReplica.objects.filter(site__name="T3_B")) == [second]
    assert BlockReplica.objects.filter(site__name="T2_A").count() == 3
    rows = Deletion.objects.order_by("pk")
    assert [(d.state, d.files_deleted, d.files_absent, d.bytes_deleted) for d in rows] == [("DONE", 3, 0, 30)] * 2
    assert [(a.outcome, a.files_deleted, a.files_failed) for a in Attempt.objects.all()] == [("DELETED", 3, 0)] * 2
    assert not DeletionFile.objects.exists()


def test_last_block_of_a_dataset_takes_its_dataset_replica_along(world: World, clock: Clock):
    plan = world.plan(world.two_copies(num_blocks=2))
    plan_enqueue(plan.pk, now=clock())
    run(clock)
    assert list(DatasetReplica.objects.values_list("site__name", flat=True)) == ["T2_A"]


def test_plan_is_done_when_nothing_of_it_is_left(world: World, clock: Clock):
    plan = world.plan(world.two_copies())
    sweep(now=clock(), limits=EAGER, rng=seeded())
    run(clock)
    swept = sweep(now=clock(), limits=EAGER, rng=seeded())
    plan.refresh_from_db()
    assert (swept.plans_over, plan.state) == ((plan.pk,), PlanState.DONE)
    assert QueuedPlan.objects.get().over_at is not None


def test_audit_trail_tells_enqueueing_and_outcome_once_per_plan_and_site(world: World, clock: Clock):
    plan = world.plan(world.two_copies(num_blocks=3))
    plan_enqueue(plan.pk, now=clock())
    run(clock)
    events = list(AuditEvent.objects.order_by("pk").values_list("action", "subject"))
    assert events == [
        ("operations.plan_enqueued", f"plan {plan.pk}"),
        ("operations.deletions_recorded", f"plan {plan.pk} at T3_B"),
    ]
    assert AuditEvent.objects.last() is not None
    assert AuditEvent.objects.first().details["files"] == {"deleted": 9, "absent": 0, "failed": 0}
    assert audit_verify() is None


def test_second_run_finds_nothing_to_do(world: World, clock: Clock):
    plan = world.plan(world.two_copies())
    plan_enqueue(plan.pk, now=clock())
    run(clock)
    again = plan_enqueue(plan.pk, now=clock())
    assert (again.num_queued, run(clock).num_batches) == (1, 0)
    assert Deletion.objects.count() == 1
    assert Deletion.objects.get().state == DeletionState.DONE
