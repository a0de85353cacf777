"""One clock for all hosts, the database's: what a host does whose own clock is far ahead or behind."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from django.core.management import call_command
from django.utils import timezone

from inventory.selectors.clock import DatabaseClock, database_now
from inventory.services.audit import Actor
from inventory.services.locks import lock_create
from operations import tasks
from operations.choices import DeletionState, TrashState
from operations.models import Deletion, Trash
from operations.services.claim import claim
from operations.services.limits import QueueLimits
from operations.services.queue import plan_enqueue
from operations.services.worker import work
from tests.factories.operations import World

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]


@pytest.fixture
def queued(world: World) -> World:
    """One deletion that waits."""
    plan_enqueue(world.plan(world.two_copies()).pk)
    return world


def host_is_off_by(monkeypatch: pytest.MonkeyPatch, **kwargs: float) -> None:
    """Set the clock of this host wrong, also for those who hold on to ``timezone.now``."""
    off = timedelta(**kwargs)

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:
            return datetime.now(tz) + off

    monkeypatch.setattr(timezone, "datetime", Wrong)
    monkeypatch.setattr(tasks.work, "delay", lambda: None)


@pytest.mark.parametrize("way", ["task", "command"])
def test_a_sweeper_whose_clock_is_ahead_leaves_a_lease_that_is_held(
    queued: World, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = claim(worker="alive", now=database_now(), limits=QueueLimits())
    assert taken is not None
    host_is_off_by(monkeypatch, hours=3)
    if way == "task":
        tasks.sweep()
    else:
        with pytest.raises(Exception, match="1 under way"):
            call_command("work")
    row = Deletion.objects.get()
    assert (row.state, row.lease_token) == (DeletionState.ACTING, taken.token)


def test_a_sweeper_whose_clock_is_behind_takes_back_what_ran_out(queued: World, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(worker="dead", now=database_now() - timedelta(minutes=5), limits=QueueLimits())
    host_is_off_by(monkeypatch, hours=-3)
    tasks.sweep()
    assert Deletion.objects.get().state == DeletionState.QUEUED


def test_a_worker_whose_clock_is_ahead_deletes_nothing_that_is_locked_until_tomorrow(
    queued: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    tomorrow = timezone.now() + timedelta(days=1)
    lock_create(dataset_pattern="/A/*", actor=Actor("x"), now=timezone.now(), expires_at=tomorrow)
    host_is_off_by(monkeypatch, days=2)
    work(worker="ahead")
    assert (Deletion.objects.get().reason, len(queued.files("T3_B"))) == ("locked", 3)


def test_a_host_whose_clock_is_ahead_purges_nothing_before_its_time(queued: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert work(worker="w").states == {"DONE": 1}
    host_is_off_by(monkeypatch, days=100)
    tasks.purge()
    assert Trash.objects.get().state == TrashState.KEPT
    assert any(path.is_file() for path in Path(queued.root("T3_B"), ".dynamo-trash").rglob("*"))


def test_the_clock_goes_on_between_its_looks(db: None, django_assert_num_queries) -> None:
    with django_assert_num_queries(1):
        clock = DatabaseClock(seconds=60)
        first = clock()
        time.sleep(0.002)
        second = clock()
    assert first < second < database_now() + timedelta(seconds=1)
    with django_assert_num_queries(3):
        clock = DatabaseClock(seconds=0)
        assert clock() < clock()
