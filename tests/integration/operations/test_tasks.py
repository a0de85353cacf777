"""Messages are only wake-ups: what they start, and that nothing is lost without them."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from celery import current_app
from kombu.exceptions import OperationalError

from operations import tasks
from operations.models import Deletion
from policies.models import Plan
from policies.signals import plan_released
from tests.factories.operations import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def eager() -> Iterator[None]:
    """Run tasks at once, in this process."""
    before = {name: current_app.conf[name] for name in ("task_always_eager", "task_eager_propagates")}
    current_app.conf.update(dict.fromkeys(before, True))
    yield
    current_app.conf.update(before)


def test_released_plan_is_queued_and_carried_out(world: World, eager: None):
    plan = world.plan(world.two_copies(num_blocks=2))
    plan_released.send(sender=Plan, plan_id=plan.pk)
    assert list(Deletion.objects.values_list("state", flat=True)) == ["DONE", "DONE"]
    assert world.files("T3_B") == set()


def test_sweep_finds_a_plan_whose_message_was_lost_and_wakes_a_worker(world: World, eager: None):
    world.plan(world.two_copies())
    tasks.sweep.delay()
    assert Deletion.objects.get().state == "DONE"


def test_broker_that_is_down_does_not_fail_the_release(world: World, monkeypatch: pytest.MonkeyPatch, caplog):
    def down(plan_id: int) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(tasks.enqueue, "delay", down)
    with caplog.at_level(logging.WARNING):
        responses = plan_released.send_robust(sender=Plan, plan_id=17)
    assert [response for _, response in responses if isinstance(response, Exception)] == []
    assert "no wake-up for plan 17, the sweeper will find it: connection refused" in caplog.text


def test_tasks_have_the_names_that_the_schedule_uses():
    assert {"operations.tasks.work", "operations.tasks.sweep", "operations.tasks.enqueue"} <= set(current_app.tasks)
