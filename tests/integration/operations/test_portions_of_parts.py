"""A portion of a day holds what was really deleted in it, also of block replicas that are not done."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaigns.selectors.execution import Standing
from operations.choices import DeletionState, FileOutcome
from operations.models import Deletion
from operations.services.campaign_portions import portions_left
from operations.services.queue import plan_enqueue
from operations.services.worker import work
from tests.factories.operations import EAGER, Clock, FaultyGateway, World, local_gateway, says, seeded

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("attempts_before_failed", [1, 3])
def test_files_of_a_deletion_that_is_not_done_count(world: World, clock: Clock, attempts_before_failed: int) -> None:
    clock.advance(hours=12)
    plan = world.plan(world.two_copies(num_files=3))
    plan_enqueue(plan.pk, now=clock.now)
    last = sorted(world.files("T3_B"))[-1]

    def gateway(site: object) -> FaultyGateway:
        return FaultyGateway(local_gateway(site), faults={last: says(FileOutcome.REFUSED)})

    limits = type(EAGER)(attempts_before_failed=attempts_before_failed, watch_interval=timedelta(0))
    work(worker="w", clock=clock, gateway=gateway, limits=limits, rng=seeded())
    row = Deletion.objects.get()
    is_failed = attempts_before_failed == 1
    assert (row.state, row.bytes_deleted) == (DeletionState.FAILED if is_failed else DeletionState.QUEUED, 20)
    standing = [Standing(plan_id=plan.pk, campaign_id=1, hold="", site_bytes_per_day=25)]
    assert portions_left(standing, "T3_B", now=clock.now) == {plan.pk: 5}
    clock.advance(days=1)
    assert portions_left(standing, "T3_B", now=clock.now) == {plan.pk: 25}
    if not is_failed:  # what is taken up counts as a whole, once
        work(worker="w", clock=clock, gateway=local_gateway, limits=limits, rng=seeded())
        assert portions_left(standing, "T3_B", now=clock.now) == {plan.pk: -5}
