"""The error brake: trips at its limit, not just below it, and starts afresh after it has paused a site."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from inventory.models import AuditEvent, BlockReplica, Site
from inventory.services.audit import Actor
from inventory.services.sites import site_resume
from operations.choices import FileOutcome, HealthSign
from operations.models import Deletion, DeletionFile, SiteHealth
from operations.selectors.belts import ERROR_BRAKE, belts
from operations.services.brake import health_note
from operations.services.limits import QueueLimits
from operations.services.queue import plan_enqueue
from operations.services.worker import work
from tests.factories.operations import EAGER, NOW, Clock, FaultyGateway, World, local_gateway, says, seeded

pytestmark = pytest.mark.django_db


def note(outcomes: list[Any], *, is_stuck: bool = False, now=NOW) -> str:
    with transaction.atomic():
        return health_note(
            site_name="T3_B",
            outcomes=[{True: HealthSign.FINE, False: HealthSign.FAILED}.get(outcome, outcome) for outcome in outcomes],
            message="no",
            is_stuck=is_stuck,
            now=now,
            limits=EAGER,
            rng=seeded(),
        )


def is_paused() -> bool:
    return Site.objects.get(name="T3_B").is_paused


@pytest.mark.parametrize("successes_before", [0, 200])
def test_99_failures_in_a_row_do_not_pause_the_site_and_the_100th_does(world: World, successes_before: int):
    world.site("T3_B")
    note([True] * successes_before)
    assert note([False] * 99) == ""
    assert not is_paused()
    assert note([False]) == "100 failures in a row"
    site = Site.objects.get(name="T3_B")
    assert (site.is_paused, site.deletion_paused_reason) == (True, "error brake: 100 failures in a row; last: no")
    event = AuditEvent.objects.get(action="inventory.site_pause")
    assert (event.actor, event.subject) == ("error brake", "site T3_B")


def test_resumed_site_is_tried_at_once_and_the_next_failure_spaces_again(
    world: World, django_capture_on_commit_callbacks: Any, monkeypatch: pytest.MonkeyPatch
):
    world.site("T3_B")
    woken: list[str] = []
    monkeypatch.setattr("operations.tasks.work.delay", lambda: woken.append("w"))
    for _ in range(100):
        note([False], is_stuck=True)
    assert SiteHealth.objects.get().back_off_until > NOW
    shown = next(belt for belt in belts(now=NOW) if belt.name == ERROR_BRAKE)
    assert shown.is_tripped and shown.reading.startswith("paused: error brake: 100 failures in a row")
    with django_capture_on_commit_callbacks(execute=True):
        site_resume(site_name="T3_B", actor=Actor("me"), reason="mended")
    assert (SiteHealth.objects.get().back_off_until, woken) == (None, ["w"])
    note([False], is_stuck=True)
    assert SiteHealth.objects.get().back_off_until > NOW


def test_success_in_between_starts_the_row_afresh(world: World):
    world.site("T3_B")
    note([True] * 200)
    assert note([False] * 99) == ""
    note([True])
    assert SiteHealth.objects.get().failures_in_row == 0
    assert not is_paused()


def test_half_failed_trips_only_once_a_hundred_are_known(world: World):
    world.site("T3_B")
    assert note([True, False] * 49 + [False]) == ""
    assert not is_paused()
    assert note([True]) == "50 of the last 100 deletions failed"


def test_just_below_half_failed_does_not_trip(world: World):
    world.site("T3_B")
    assert note([True, *[True, False] * 99, True]) == ""
    assert SiteHealth.objects.get().recent_outcomes.count("x") == 99
    assert not is_paused()
    assert note([False, False]) == "100 of the last 200 deletions failed"


def test_old_successes_are_forgotten(world: World):
    world.site("T3_B")
    note([True] * 1000)
    assert note([False, True] * 99) == ""
    assert note([False]) == "100 of the last 200 deletions failed"


def test_brake_starts_afresh_after_it_has_paused_a_site(world: World):
    world.site("T3_B")
    note([False] * 100)
    site_resume(site_name="T3_B", actor=Actor("me"), reason="mended")
    assert note([False] * 99) == ""
    assert not is_paused()


def test_site_that_is_paused_already_keeps_its_first_reason(world: World):
    world.site("T3_B", deletion_paused_at=NOW, deletion_paused_reason="by hand")
    assert note([False] * 100) == "100 failures in a row"
    assert Site.objects.get(name="T3_B").deletion_paused_reason == "by hand"


def test_stuck_site_backs_off_longer_each_time_and_not_at_all_after_a_success(world: World):
    world.site("T3_B")
    waits = []
    for _ in range(4):
        note([False], is_stuck=True)
        waits.append(SiteHealth.objects.get().back_off_until - NOW)
    assert waits == sorted(set(waits))
    assert EAGER.first_back_off / 2 <= waits[0] <= EAGER.first_back_off
    note([True])
    assert SiteHealth.objects.get().back_off_until is None


@pytest.mark.parametrize(("num_blocks", "is_tripped"), [(99, False), (100, True)])
def test_brake_trips_through_the_pipeline_at_100_block_replicas(world: World, clock: Clock, num_blocks: int, is_tripped: bool):
    plan_enqueue(world.plan(world.two_copies(num_blocks=num_blocks, num_files=1)).pk, now=NOW)
    summary = work(
        worker="w",
        clock=clock,
        limits=EAGER,
        rng=seeded(),
        gateway=lambda site: FaultyGateway(real=None, default=says(FileOutcome.REFUSED, "no right", is_untouched=True)),
    )
    assert summary.states == {"QUEUED": num_blocks}
    assert is_paused() == is_tripped
    assert len(world.files("T3_B")) == num_blocks
    clock.advance(days=1)
    again = work(worker="w", clock=clock, limits=EAGER, rng=seeded())
    assert again.states == ({} if is_tripped else {"DONE": num_blocks})


def test_missing_folder_counts_as_one_failure_however_much_was_asked(world: World, clock: Clock):
    plan_enqueue(world.plan(world.two_copies(num_blocks=150, num_files=1)).pk, now=NOW)
    world.root("T3_B").rename(world.folder / "unmounted")
    for _ in range(5):
        work(worker="w", clock=clock, limits=EAGER, rng=seeded())
        clock.now += timedelta(hours=2)
    health = SiteHealth.objects.get()
    assert (health.failures_in_row, is_paused()) == (health.back_off_level, False)
    assert 5 <= health.failures_in_row < 20
    assert set(Deletion.objects.values_list("state", flat=True)) == {"QUEUED"}


def test_half_not_there_pauses_the_site_once_a_hundred_are_known(world: World):
    world.site("T3_B")
    assert note([HealthSign.ABSENT, True] * 49 + [HealthSign.ABSENT]) == ""
    assert not is_paused()
    assert note([True]).startswith("of the last 100 block replicas 50 were not where the inventory says")
    assert "rules for names" in Site.objects.get(name="T3_B").deletion_paused_reason
    assert SiteHealth.objects.get().recent_outcomes == ""


def test_just_below_half_not_there_does_not_trip(world: World):
    world.site("T3_B")
    assert note([True, *[True, HealthSign.ABSENT] * 99, True]) == ""
    assert not is_paused()
    assert "100 were not where" in note([HealthSign.ABSENT, HealthSign.ABSENT])


def test_wrong_rules_for_names_do_not_empty_the_inventory(world: World, clock: Clock):
    """Every file seems to be absent, and the storage keeps them all."""
    replicas = world.two_copies(num_blocks=300, num_files=1)
    plan_enqueue(world.plan(replicas).pk, now=NOW)
    (world.root("T3_B") / ".dynamo-storage").write_text("T3_B\n")
    before = world.files("T3_B")
    Site.objects.filter(name="T3_B").update(lfn_rules=[{"pattern": "^/(.*)$", "replacement": "elsewhere/$1"}])
    summary = work(worker="w", clock=clock, limits=replace(EAGER, batch_items=10), rng=seeded())
    assert summary.states == {"DONE": 100}
    assert world.files("T3_B") == before
    assert is_paused()
    assert BlockReplica.objects.filter(site__name="T3_B").count() == 200


def test_what_an_earlier_attempt_may_have_deleted_does_not_count_as_not_there(world: World, clock: Clock):
    replicas = world.two_copies(num_blocks=80, num_files=1)
    plan_enqueue(world.plan(replicas).pk, now=NOW)
    (world.root("T3_B") / ".dynamo-storage").write_text("T3_B\n")
    note([True] * 200)
    busy = FaultyGateway(real=None, default=says(FileOutcome.RETRYABLE, "timed out"))
    work(worker="w", clock=clock, limits=EAGER, rng=seeded(), gateway=lambda site: busy)
    for lfn in world.files("T3_B"):
        world.path("T3_B", lfn).unlink()
    clock.advance(days=1)
    assert work(worker="w", clock=clock, limits=EAGER, rng=seeded()).states == {"DONE": 80}
    assert SiteHealth.objects.get().recent_outcomes == HealthSign.FINE * 40 + HealthSign.FAILED * 80 + HealthSign.FINE * 80
    assert not is_paused()


@pytest.mark.parametrize("is_healthy", [False, True])
def test_wrong_rules_strike_no_more_than_the_brake_asks_for_nor_after_a_hasty_resume(world: World, is_healthy: bool):
    """What is struck from the inventory while the storage keeps it is bounded by the brake, whatever a claim takes."""
    plan_enqueue(world.plan(world.two_copies(500, num_files=1)).pk)
    (world.root("T3_B") / ".dynamo-storage").write_text("T3_B")
    Site.objects.filter(name="T3_B").update(lfn_rules=[{"pattern": "^/(.*)$", "replacement": "elsewhere/$1"}])
    if is_healthy:
        SiteHealth.objects.create(site_name="T3_B", recent_outcomes=HealthSign.FINE * 100)
    limits = QueueLimits(watch_interval=timedelta(0))
    for struck in (100, 200):
        work(worker="w", clock=Clock(), limits=limits, rng=seeded())
        assert "of the last" in Site.objects.get(name="T3_B").deletion_paused_reason
        left = BlockReplica.objects.filter(site__name="T3_B").count()
        assert (left, len(world.files("T3_B"))) == (500 - struck, 500)
        site_resume(site_name="T3_B", actor=Actor("hasty"), reason="I have not looked")
    assert not DeletionFile.objects.exclude(outcome=FileOutcome.ABSENT).exists()


def test_failures_within_a_large_claim_stop_it_where_the_brake_would(world: World):
    plan_enqueue(world.plan(world.two_copies(400, num_files=1)).pk)
    SiteHealth.objects.create(site_name="T3_B", recent_outcomes=HealthSign.FINE * 100)
    asked: list[str] = []

    def refuse(site: Any) -> FaultyGateway:
        return FaultyGateway(local_gateway(site), default=says(FileOutcome.REFUSED), before=asked.append)

    work(worker="w", clock=Clock(), limits=QueueLimits(watch_interval=timedelta(0)), rng=seeded(), gateway=refuse)
    assert (is_paused(), len(asked)) == (True, 100)
    waiting = Deletion.objects.filter(state="QUEUED", reason__contains="the rest waits")
    assert waiting.count() == 300
