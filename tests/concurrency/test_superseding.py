"""A newer cycle's plan that is queued while an older one still is: nothing of the older one slips in behind it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from operations.models import Deletion, QueuedPlan
from operations.services.queue import plan_enqueue
from tests.concurrency.test_races import must_wait_for
from tests.factories.operations import NOW, World

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


def test_what_is_taken_up_of_an_older_plan_in_the_same_moment_is_dropped(pool: ThreadPoolExecutor, tmp_path: Path) -> None:
    world = World(tmp_path)
    replicas = world.two_copies(num_blocks=3)
    older, newer = world.plan(replicas), world.plan(replicas[:1])
    QueuedPlan.objects.create(plan=older, started_at=NOW)
    must_wait_for(pool, lambda: plan_enqueue(older.pk, now=NOW), lambda: plan_enqueue(newer.pk, now=NOW))
    outcomes = Deletion.objects.order_by("plan_id", "pk").values_list("plan_id", "state", "reason")
    dropped = (older.pk, "DROPPED", f"superseded by plan {newer.pk}")
    assert list(outcomes) == [dropped, dropped, dropped, (newer.pk, "QUEUED", "")]
