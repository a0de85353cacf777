"""The commands of operations: what they say and how they exit."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import CommandError

from inventory.models import AuditEvent
from operations.choices import FileOutcome
from operations.models import Deletion, PauseSwitch
from operations.selectors.pausing import pause_file
from operations.services.limits import QueueLimits
from operations.services.queue import plan_enqueue
from operations.services.worker import work
from tests.factories.operations import NOW, Clock, FaultyGateway, World, says, seeded

pytestmark = pytest.mark.django_db


def out_of(*args: str, **kwargs) -> str:
    out = StringIO()
    call_command(*args, stdout=out, **kwargs)
    return out.getvalue()


def fail_one(world: World) -> Deletion:
    """Leave one deletion in the state FAILED."""
    plan_enqueue(world.plan(world.two_copies()).pk, now=NOW)
    work(
        worker="w",
        clock=Clock(),
        limits=QueueLimits(attempts_before_failed=1),
        rng=seeded(),
        gateway=lambda site: FaultyGateway(real=None, default=says(FileOutcome.REFUSED, "no right")),
    )
    return Deletion.objects.get(state="FAILED")


@pytest.mark.parametrize("name", ["pause_all", "resume_all", "deletions", "work"])
def test_help_of_every_command_gives_an_example_and_the_exit_codes(name: str):
    assert get_commands()[name] == "operations"
    text = load_command_class("operations", name).help
    assert f"manage.py {name}" in text
    assert "Exit codes: 0 " in text


def test_work_takes_up_released_plans_and_leaves_an_empty_queue(world: World):
    world.plan(world.two_copies(num_blocks=2))
    assert out_of("work") == "1 batches: 2 done\n"
    assert world.files("T3_B") == set()
    assert out_of("work") == "0 batches: nothing to do\n"


def test_work_fails_when_something_needs_a_person(world: World):
    fail_one(world)
    with pytest.raises(CommandError, match="T3_B: 0 wait, 0 under way, 1 need a person"):
        call_command("work", stdout=StringIO())


def test_pause_all_stops_work_and_resume_all_lets_it_go_on(world: World):
    world.plan(world.two_copies())
    assert "no good" in out_of("pause_all", reason="no good")
    assert PauseSwitch.objects.get().is_paused
    with pytest.raises(CommandError, match="all deletions are paused"):
        call_command("work", stdout=StringIO())
    assert "ALL DELETIONS ARE PAUSED" in out_of("deletions")
    assert len(world.files("T3_B")) == 3
    assert out_of("resume_all", reason="mended") == "Deletions go on.\n"
    assert out_of("work") == "1 batches: 1 done\n"
    actions = AuditEvent.objects.order_by("pk").values_list("action", "reason")
    assert ("operations.pause_all", "no good") in actions
    assert ("operations.resume_all", "mended") in actions


def test_resume_all_of_what_is_not_paused_is_refused(world: World):
    with pytest.raises(CommandError, match="not paused by the switch"):
        call_command("resume_all", reason="why not")


def test_resume_all_says_that_a_file_still_stops_this_host(world: World):
    call_command("pause_all", stdout=StringIO())
    Path(pause_file()).touch()
    try:
        with pytest.raises(CommandError, match=r"the file .*pause_all still stops"):
            call_command("resume_all", reason="mended")
    finally:
        pause_file().unlink()


def test_deletions_sums_up_lists_and_lets_a_person_retry_and_drop(world: World):
    failed = fail_one(world)
    assert out_of("deletions").splitlines()[1].split()[:4] == ["T3_B", "0", "0", "1"]
    assert "refused: no right" in out_of("deletions", list=True, state="FAILED")
    assert out_of("deletions", list=True, site="T2_A") == "no such deletions\n"
    assert out_of("deletions", retry=[failed.pk], reason="mended") == "1 deletions wait again.\n"
    with pytest.raises(CommandError, match="only failed ones wait for a decision"):
        call_command("deletions", drop=[failed.pk], reason="x")
    with pytest.raises(CommandError, match="--reason is needed") as caught:
        call_command("deletions", drop=[failed.pk])
    assert caught.value.returncode == 2


def test_dropped_failed_deletion_leaves_storage_and_inventory_as_they_are(world: World):
    failed = fail_one(world)
    assert out_of("deletions", drop=[failed.pk], reason="kept after all") == "1 deletions are given up.\n"
    failed.refresh_from_db()
    assert failed.state == "DROPPED"
    assert "kept after all; it had failed: refused: no right" in failed.reason
    assert len(world.files("T3_B")) == 3 == len(world.files_in_inventory("T3_B"))
