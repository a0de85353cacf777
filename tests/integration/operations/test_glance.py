"""A worker asks its many questions anew only when a glance shows something else; whatever could stop it must show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from inventory.models import Lock, Site
from inventory.services.audit import Actor
from operations.selectors.pausing import pause_file, pause_state
from operations.services import watch
from operations.services.claim import claim
from operations.services.glance import Glance
from operations.services.pausing import pause_all
from operations.services.queue import plan_enqueue
from operations.services.worker import real_gateway, work
from policies.models import Plan
from policies.services.plans import plan_discard
from tests.factories.campaigns import Collaboration
from tests.factories.operations import EAGER, NOW, Clock, FaultyGateway, World, seeded

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]

ME = Actor("me")


def pause_by_file() -> None:
    pause_file().parent.mkdir(parents=True, exist_ok=True)
    pause_file().touch()


def lock_one() -> None:
    Lock.objects.create(dataset_pattern="/A/*", block_pattern="b00000", owner="me")


CHANGES: dict[str, Callable[[], object]] = {
    "switch": lambda: pause_all(actor=ME),
    "file": pause_by_file,
    "site paused": lambda: Site.objects.filter(name="T3_B").update(deletion_paused_at=NOW),
    "site not ready": lambda: Site.objects.filter(name="T3_B").update(status="MORGUE"),
    "endpoint": lambda: Site.objects.filter(name="T3_B").update(endpoint_url="file:///elsewhere"),
    "LFN rules": lambda: Site.objects.filter(name="T3_B").update(lfn_rules=[{"pattern": ".*", "replacement": "/x"}]),
    "site gone": lambda: Site.objects.filter(name="T3_B").update(name="T3_C"),
    "lock": lock_one,
    "plan": lambda: plan_discard(plan_id=Plan.objects.get().pk, actor=ME, reason="no"),
}


@pytest.fixture
def _no_pause_file() -> Iterator[None]:
    yield
    pause_file().unlink(missing_ok=True)


@pytest.mark.usefixtures("_no_pause_file")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_can_stop_a_worker_shows_at_a_glance(world: World, change: Callable[[], object]) -> None:
    plan_enqueue(world.plan(world.two_copies(num_blocks=2)).pk, now=NOW)
    taken = claim(worker="w", now=NOW, limits=EAGER)
    assert taken is not None
    glance = Glance(taken, NOW)
    before = glance()
    assert before is not None
    assert glance() == before
    change()
    assert glance() != before


def test_campaign_is_always_asked_because_it_ends_by_itself(tmp_path: Path) -> None:
    people = Collaboration(tmp_path)
    campaign = people.executing()
    plan_enqueue(people.revision(campaign).plan_id, now=people.now)
    taken = claim(worker="w", now=people.now, limits=EAGER)
    assert taken is not None
    assert Glance(taken, people.now)() is None


def test_questions_are_asked_once_while_nothing_changes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    plan_enqueue(world.plan(world.two_copies(num_blocks=2)).pk, now=NOW)
    asked: list[object] = []
    monkeypatch.setattr(watch, "pause_state", lambda: asked.append(state := pause_state()) or state)
    gateway = FaultyGateway(real=None)

    def way(site: object) -> FaultyGateway:
        gateway.real = real_gateway(site)
        return gateway

    done = work(worker="w", clock=Clock(), limits=EAGER, rng=seeded(), gateway=way)
    assert (done.states, len(gateway.asked), len(asked)) == ({"DONE": 2}, 6, 1)
