"""A plan that cannot be queued keeps the sweeper from nothing else, and is told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from inventory.services.audit import Actor
from operations.models import Deletion, QueuedPlan
from operations.services import sweep as sweeper
from operations.services.queue import plan_enqueue
from policies.choices import PlanState
from policies.models import Plan
from policies.services.plans import plan_discard
from tests.factories.operations import EAGER, NOW, World, seeded

pytestmark = pytest.mark.django_db


def test_one_plan_that_fails_keeps_no_other_from_its_turn(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    replicas = world.two_copies(num_blocks=3)
    over = world.plan(replicas[:1])
    plan_enqueue(over.pk, now=NOW)
    plan_discard(plan_id=over.pk, actor=Actor("me"), reason="wrong")
    broken, whole = world.plan(replicas[1:2]), world.plan(replicas[2:])

    def fails_for_one(plan_id: int, *, now: datetime) -> Any:
        if plan_id == broken.pk:
            raise RuntimeError("boom")
        return plan_enqueue(plan_id, now=now)

    monkeypatch.setattr(sweeper, "plan_enqueue", fails_for_one)
    with pytest.raises(ExceptionGroup, match="left behind") as raised:
        sweeper.sweep(now=NOW, limits=EAGER, rng=seeded())
    assert [str(error) for error in raised.value.exceptions] == ["boom"]
    assert list(Deletion.objects.filter(plan=whole).values_list("state", flat=True)) == ["QUEUED"]
    assert QueuedPlan.objects.get(plan=over).over_at == NOW
    assert Plan.objects.get(pk=broken.pk).state == PlanState.RELEASED
