"""Plans become rows of the queue: each item once, older plans give way, altered plans are refused."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta

import pytest
from django_celery_beat.models import PeriodicTask

from inventory.models import AuditEvent, BlockReplica, Group
from inventory.services.audit import Actor
from operations.choices import DeletionState
from operations.exceptions import PlanAlteredError
from operations.models import Attempt, Deletion, QueuedPlan
from operations.selectors.history import deletion_rows, deletion_story
from operations.selectors.progress import deletions_under_way
from operations.services import queue
from operations.services.claim import claim
from operations.services.failed import deletions_retry
from operations.services.queue import plan_enqueue
from operations.services.schedule import PERIODIC_WORK, schedule_ensure
from operations.services.sweep import leases_take_back, sweep
from operations.services.worker import work
from policies.choices import PlanState
from policies.models import PlanItem
from policies.services.plans import plan_discard
from tests.factories.operations import EAGER, NOW, Clock, World, seeded

pytestmark = pytest.mark.django_db


def swept(now=NOW):
    return sweep(now=now, limits=EAGER, rng=seeded())


def states(**filters) -> Counter[str]:
    return Counter(Deletion.objects.filter(**filters).values_list("state", flat=True))


def test_each_item_is_queued_once_however_often_it_is_asked(world: World):
    plan = world.plan(world.two_copies(num_blocks=5))
    outcomes = [plan_enqueue(plan.pk, now=NOW) for _ in range(3)]
    assert {(outcome.num_queued, outcome.is_complete) for outcome in outcomes} == {(5, True)}
    assert states() == {"QUEUED": 5}
    assert AuditEvent.objects.filter(action="operations.plan_enqueued").count() == 1


@pytest.mark.parametrize("crash_at", [0, 1, 2])
def test_enqueueing_that_is_killed_between_batches_goes_on_where_it_was(
    world: World, monkeypatch: pytest.MonkeyPatch, crash_at: int
):
    monkeypatch.setattr(queue, "BATCH_SIZE", 2)
    plan = world.plan(world.two_copies(num_blocks=5))
    real = queue.plan_items
    calls = iter(range(10))

    def dies(*args, **kwargs):
        if next(calls) == crash_at:
            raise KeyboardInterrupt
        return real(*args, **kwargs)

    monkeypatch.setattr(queue, "plan_items", dies)
    with pytest.raises(KeyboardInterrupt):
        plan_enqueue(plan.pk, now=NOW)
    assert Deletion.objects.count() == 2 * crash_at
    monkeypatch.setattr(queue, "plan_items", real)
    assert swept().plans_enqueued == (plan.pk,)
    assert states() == {"QUEUED": 5}


def test_altered_plan_is_refused_once_and_for_ever(world: World):
    plan = world.plan(world.two_copies(num_blocks=2))
    PlanItem.objects.filter(plan=plan, sequence=1).update(block_name="another")
    with pytest.raises(PlanAlteredError, match=f"the items of plan {plan.pk} are not those that were frozen"):
        plan_enqueue(plan.pk, now=NOW)
    assert swept().plans_enqueued == ()
    assert "digest differs" in plan_enqueue(plan.pk, now=NOW).problem
    assert not Deletion.objects.exists()
    assert AuditEvent.objects.filter(action="operations.plan_refused").count() == 1


def test_item_added_to_a_plan_is_noticed(world: World):
    first, second = world.two_copies(num_blocks=2)
    plan = world.plan([first])
    other = world.plan([second])
    PlanItem.objects.filter(plan=other).update(plan=plan, sequence=1)
    with pytest.raises(PlanAlteredError):
        plan_enqueue(plan.pk, now=NOW)
    assert not Deletion.objects.exists()


@pytest.mark.parametrize("state", [PlanState.FROZEN, PlanState.DISCARDED])
def test_plan_that_is_not_released_is_not_queued(world: World, state: PlanState):
    plan = world.plan(world.two_copies(), state=state)
    assert "is not released" in plan_enqueue(plan.pk, now=NOW).problem
    assert not Deletion.objects.exists()
    assert swept().plans_enqueued == ()


def test_newer_plan_of_the_partition_drops_what_waits_of_older_ones(world: World):
    replicas = world.two_copies(num_blocks=3)
    older = world.plan(replicas[:2])
    plan_enqueue(older.pk, now=NOW)
    newer = world.plan(replicas[1:])
    plan_enqueue(newer.pk, now=NOW)
    assert states(plan=older) == {"DROPPED": 2}
    assert set(Deletion.objects.filter(plan=older).values_list("reason", flat=True)) == {f"superseded by plan {newer.pk}"}
    assert states(plan=newer) == {"QUEUED": 2}
    assert swept().plans_over == (older.pk,)


def test_newer_plan_does_not_touch_what_is_being_deleted(world: World):
    replicas = world.two_copies(num_blocks=2)
    older = world.plan(replicas[:1])
    plan_enqueue(older.pk, now=NOW)
    claim(worker="w", now=NOW, limits=EAGER)
    newer = world.plan(replicas)
    plan_enqueue(newer.pk, now=NOW)
    assert states(plan=older) == {"ACTING": 1}
    assert states(plan=newer) == {"QUEUED": 1, "DROPPED": 1}
    held = Deletion.objects.get(plan=newer, state="DROPPED")
    assert "holds it already (being deleted)" in held.reason


def test_newer_plan_lets_go_on_what_has_been_begun(world: World, clock: Clock):
    """Half of its files may be gone: dropped, it would stay in the inventory as if it were whole."""
    (replica,) = world.two_copies()
    older = world.plan([replica])
    plan_enqueue(older.pk, now=NOW)
    claim(worker="dies", now=NOW, limits=EAGER)
    clock.advance(seconds=200)
    leases_take_back(now=clock.now, limits=EAGER, rng=seeded())
    newer = world.plan([replica])
    plan_enqueue(newer.pk, now=clock.now)
    assert (states(plan=older), states(plan=newer)) == ({"QUEUED": 1}, {"DROPPED": 1})
    assert work(worker="w", clock=clock, limits=EAGER, rng=seeded()).states == {"DONE": 1}


def test_plan_of_another_partition_is_left_alone(world: World):
    replicas = world.two_copies(num_blocks=2)
    plan_enqueue(world.plan(replicas[:1]).pk, now=NOW)
    world.partition_name = "Another"
    plan_enqueue(world.plan(replicas[1:]).pk, now=NOW)
    assert states() == {"QUEUED": 2}


def test_older_plan_that_comes_late_drops_out_as_a_whole(world: World):
    replicas = world.two_copies(num_blocks=2)
    older, newer = world.plan(replicas), world.plan(replicas[:1])
    plan_enqueue(newer.pk, now=NOW)
    plan_enqueue(older.pk, now=NOW)
    assert (states(plan=older), states(plan=newer)) == ({"DROPPED": 2}, {"QUEUED": 1})


def test_hand_over_changes_the_owner_and_queues_nothing(world: World):
    (replica,) = world.two_copies()
    Group.objects.create(name="DataOps")
    plan = world.plan([], hand_over=[(replica, "DataOps")])
    outcome = plan_enqueue(plan.pk, now=NOW)
    assert (outcome.num_handed_over, outcome.num_queued) == (1, 0)
    assert BlockReplica.objects.get(pk=replica.pk).group.name == "DataOps"
    assert swept().plans_over == (plan.pk,)


def test_hand_over_to_a_group_that_is_gone_drops_out_and_the_rest_goes_on(world: World):
    first, second = world.two_copies(num_blocks=2)
    plan = world.plan([first], hand_over=[(second, "Nobody knows")])
    assert plan_enqueue(plan.pk, now=NOW).num_queued == 1
    assert BlockReplica.objects.get(pk=second.pk).group is None
    (reason,) = AuditEvent.objects.get(action="operations.dropped_out").details["reasons"]
    assert "not handed over: no group is called 'Nobody knows'" in reason


def test_item_that_left_the_inventory_before_it_was_queued_drops_out(world: World):
    first, second = world.two_copies(num_blocks=2)
    plan = world.plan([first, second])
    second.delete()
    plan_enqueue(plan.pk, now=NOW)
    assert states() == {"QUEUED": 1, "DROPPED": 1}
    assert Deletion.objects.get(state="DROPPED").reason == "not in the inventory any more"


def test_sweeper_drops_what_waits_of_a_discarded_plan_also_at_a_paused_site(world: World):
    plan = world.plan(world.two_copies(num_blocks=2))
    plan_enqueue(plan.pk, now=NOW)
    plan_discard(plan_id=plan.pk, actor=Actor("me"), reason="wrong")
    assert swept().plans_over == (plan.pk,)
    assert states() == {"DROPPED": 2}
    assert QueuedPlan.objects.get().over_at == NOW


def test_plan_stays_open_while_a_deletion_waits_for_a_person(world: World, clock: Clock):
    (replica,) = world.two_copies()
    plan = world.plan([replica])
    plan_enqueue(plan.pk, now=NOW)
    Deletion.objects.update(state=DeletionState.FAILED, reason="refused")
    assert swept().plans_over == ()
    deletions_retry(deletion_ids=[Deletion.objects.get().pk], actor=Actor("me"), reason="mended")
    assert work(worker="w", clock=clock, limits=EAGER, rng=seeded()).states == {"DONE": 1}
    assert swept().plans_over == (plan.pk,)


def test_failed_deletion_of_an_older_plan_keeps_waiting_for_its_person(world: World):
    (replica,) = world.two_copies()
    plan_enqueue(world.plan([replica]).pk, now=NOW)
    Deletion.objects.update(state=DeletionState.FAILED, reason="refused")
    newer = world.plan([replica])
    plan_enqueue(newer.pk, now=NOW)
    assert states() == {"FAILED": 1, "DROPPED": 1}
    assert "holds it already (failed, a person must act)" in Deletion.objects.get(plan=newer).reason


def test_sweeper_takes_back_only_leases_that_ran_out(world: World):
    plan_enqueue(world.plan(world.two_copies()).pk, now=NOW)
    claim(worker="w", now=NOW, limits=EAGER)
    assert swept(NOW + EAGER.lease).num_leases == 0
    assert swept(NOW + EAGER.lease + timedelta(seconds=1)).num_leases == 1
    row = Deletion.objects.get()
    assert (row.state, row.reason) == ("QUEUED", "worker w did not report back from attempt 1")
    assert Attempt.objects.get().recorded_at is None


def test_deletion_that_keeps_killing_workers_makes_room_for_others(world: World):
    plan_enqueue(world.plan(world.two_copies()).pk, now=NOW)
    now, waits = NOW, []
    for _ in range(6):
        now += timedelta(hours=3)
        assert claim(worker="w", now=now, limits=EAGER) is not None
        now += timedelta(hours=3)
        swept(now)
        not_before = Deletion.objects.get().not_before
        waits.append(not_before is not None and not_before > now)
    assert waits == [False, False, False, True, True, True]


def test_schedule_is_made_once_and_what_people_set_stays(db):
    schedule_ensure()
    PeriodicTask.objects.filter(name="sweep").update(enabled=False)
    assert schedule_ensure() == 0
    rows = {
        (row.name, row.task, row.interval.every, row.enabled) for row in PeriodicTask.objects.filter(name__in=["work", "sweep"])
    }
    assert rows == {("work", "operations.tasks.work", 15, True), ("sweep", "operations.tasks.sweep", 30, False)}
    assert len({entry.name for entry in PERIODIC_WORK}) == len({entry.task for entry in PERIODIC_WORK}) == len(PERIODIC_WORK)
    assert PeriodicTask.objects.filter(task__in=[entry.task for entry in PERIODIC_WORK]).count() == len(PERIODIC_WORK)


def test_progress_counts_per_site_and_says_what_holds_it(world: World, clock: Clock):
    plan_enqueue(world.plan(world.two_copies(num_blocks=4)).pk, now=NOW)
    work(worker="w", clock=clock, limits=EAGER, rng=seeded())
    plan_enqueue(world.plan(world.two_copies(num_blocks=2, dataset="/B/B-1/RAW")).pk, now=NOW)
    site = Deletion.objects.filter(state="QUEUED").values_list("site_name", flat=True)[0]
    (row,) = deletions_under_way(now=clock.now + timedelta(minutes=1))
    assert (row.site_name, row.num_queued, row.bytes_queued, row.num_acting) == (site, 2, 60, 0)
    assert (row.num_done_last_hour, row.files_last_hour, row.bytes_last_hour, row.remark) == (4, 12, 120, "")


def test_story_of_a_deletion_and_history_of_a_dataset(world: World, clock: Clock):
    plan_enqueue(world.plan(world.two_copies(num_blocks=2)).pk, now=NOW)
    world.path("T3_B", "/store/A/B-1/RAW/b00001/f0001.root").unlink()
    work(worker="w", clock=clock, limits=EAGER, rng=seeded())
    newest, oldest = deletion_rows(dataset_name="/A/B-1/RAW")
    assert (newest.block_name, oldest.block_name, newest.rule_text) == ("b00001", "b00000", "Dismiss")
    story = deletion_story(newest.id)
    assert [(attempt.number, attempt.outcome) for attempt in story.attempts] == [(1, "ABSENT")]
    assert [file.lfn for file in story.files] == ["/store/A/B-1/RAW/b00001/f0001.root"]
    assert deletion_story(10**9) is None
