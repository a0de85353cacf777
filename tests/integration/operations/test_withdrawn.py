"""What is taken back while a batch is deleted stops before the next call: a plan, or a campaign."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from campaigns.services.execution import campaign_pause, campaign_resume
from inventory.services.audit import Actor
from operations.models import Deletion
from operations.services.queue import plan_enqueue
from operations.services.worker import real_gateway, work
from policies.choices import PlanState
from policies.models import Plan
from policies.services.plans import plan_discard
from tests.factories.campaigns import Collaboration
from tests.factories.operations import EAGER, NOW, Clock, FaultyGateway, World, seeded

pytestmark = pytest.mark.django_db


def work_until(act: Callable[[], object], *, after_files: int, now: object = NOW) -> list[str]:
    """Delete what waits; after so many files *act* is done. Return the files that the storage was asked for."""
    gateway = FaultyGateway(real=None)
    gateway.before = lambda lfn: act() if len(gateway.asked) == after_files else None

    def way(site: object) -> FaultyGateway:
        gateway.real = real_gateway(site)
        return gateway

    work(worker="w", clock=Clock(now), limits=EAGER, rng=seeded(), gateway=way)
    return gateway.asked


def test_plan_that_is_discarded_stops_before_the_next_call(world: World) -> None:
    plan = world.plan(world.two_copies(num_blocks=3))
    plan_enqueue(plan.pk, now=NOW)
    asked = work_until(lambda: plan_discard(plan_id=plan.pk, actor=Actor("me"), reason="no"), after_files=4)
    assert len(asked) == 4
    states = {row.block_name: (row.state, row.reason) for row in Deletion.objects.all()}
    why = f"plan {plan.pk} is not released any more"
    assert states["b00000"] == ("DONE", "")
    assert states["b00001"] == ("FAILED", f"{why}; but files of it may be gone already")
    assert states["b00002"] == ("DROPPED", why)
    assert len(world.files("T3_B")) == 5
    assert Plan.objects.get().state == PlanState.DISCARDED


@pytest.fixture
def people(tmp_path, db) -> Collaboration:
    return Collaboration(tmp_path)


def test_campaign_that_is_paused_stops_before_the_next_call_and_goes_on_when_it_is_resumed(people: Collaboration) -> None:
    campaign = people.executing()
    plan_enqueue(people.revision(campaign).plan_id, now=people.now)

    def pause() -> None:
        campaign_pause(campaign_id=campaign.pk, reason="wait", actor=people.actor("petra"), now=people.now)

    assert len(work_until(pause, after_files=3, now=people.now)) == 3
    waiting = set(Deletion.objects.filter(state="QUEUED").values_list("reason", flat=True))
    assert waiting == {f"campaign {campaign.pk} is paused"}
    campaign_resume(campaign_id=campaign.pk, actor=people.actor("olga"), now=people.now)
    assert len(work_until(lambda: None, after_files=0, now=people.now)) == 9 + 1
    assert set(Deletion.objects.values_list("state", flat=True)) == {"DONE"}
