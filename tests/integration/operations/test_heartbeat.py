"""Whoever waits for work that nobody does is told: on the front page, by the command, and whoever reads the metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from operations.models import Heartbeat
from operations.selectors.heartbeat import LATE_AFTER, pulse, silence
from operations.selectors.progress import deletions_under_way
from operations.services.queue import plan_enqueue
from operations.services.schedule import schedule_ensure
from operations.tasks import sweep
from tests.factories.operations import World

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def beat(ago: timedelta) -> None:
    Heartbeat.objects.update_or_create(pk=1, defaults={"at": NOW - ago})


def told() -> str:
    return silence(deletions_under_way(now=NOW), now=NOW)


def asked(ago: timedelta) -> None:
    schedule_ensure()
    PeriodicTask.objects.filter(name="sweep").update(last_run_at=NOW - ago)


def test_the_sweeper_is_the_sign_of_life() -> None:
    assert pulse().at is None
    before = timezone.now()
    sweep()
    at = pulse().at
    assert at is not None
    assert before <= at <= timezone.now()


def test_nothing_is_said_while_work_is_done_or_of_a_new_installation() -> None:
    assert told() == ""
    beat(LATE_AFTER)
    assert told() == ""


@pytest.mark.parametrize(
    ("asked_ago", "who"),
    [(timedelta(minutes=1), "No worker answers: "), (timedelta(hours=1), "No scheduler (beat) or no worker runs: ")],
)
def test_it_is_told_who_is_silent(asked_ago: timedelta, who: str) -> None:
    beat(LATE_AFTER + timedelta(seconds=1))
    asked(asked_ago)
    assert told().startswith(who)
    assert " wait" not in told()


def test_it_is_told_what_waits_in_the_queue_and_outside_of_it(tmp_path: Path) -> None:
    world = World(tmp_path)
    plan = world.plan(world.two_copies(3))
    assert "never done" in told()
    assert "1 released plan not in the queue yet wait" in told()
    plan_enqueue(plan.pk)
    assert pulse().num_plans_outside == 0
    assert "3 block replicas in the queue wait" in told()


def test_the_front_page_and_the_command_say_so(
    client: Client, admin_user: User, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path)
    world.plan(world.two_copies(1))
    client.force_login(admin_user)
    text = "No scheduler (beat) or no worker runs"
    assert text in client.get("/admin/").content.decode()
    call_command("deletions")
    assert text in capsys.readouterr().out
    Heartbeat.objects.create(at=timezone.now())
    assert text not in client.get("/admin/").content.decode()
    call_command("deletions")
    assert text not in capsys.readouterr().out


def test_only_who_may_see_deletions_is_told(client: Client, django_user_model: type[User], tmp_path: Path) -> None:
    world = World(tmp_path)
    world.plan(world.two_copies(1))
    client.force_login(django_user_model.objects.create_user("someone", is_staff=True))
    assert "no worker runs" not in client.get("/admin/").content.decode()
