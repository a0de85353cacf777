"""The commands of operations: what they say and how they exit."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command, get_commands, load_command_class
from django.core.management.base import CommandError

from inventory.models import AuditEvent, Site
from inventory.services.audit import Actor
from operations.choices import FileOutcome
from operations.management.commands._actor import shell_actor
from operations.models import Deletion, PauseSwitch, SiteHealth
from operations.selectors.pausing import pause_file
from operations.services import failed as failed_service
from operations.services.limits import QueueLimits
from operations.services.pausing import pause_all
from operations.services.queue import plan_enqueue
from operations.services.worker import work
from tests.factories.operations import NOW, Clock, FaultyGateway, World, says, seeded

ONE = "1 failed deletion at T3_B: 3 files, 30 B"
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


@pytest.mark.parametrize("name", ["pause_all", "resume_all", "site_pause", "site_resume", "deletions", "work"])
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


def test_pause_all_of_what_is_paused_keeps_the_further_reason(world: World):
    pause_all(actor=Actor("night shift"), reason="smoke")
    text = out_of("pause_all", reason="wrong policy")
    assert "by night shift: smoke" in text
    assert "Your reason is kept in the audit trail." in text
    last = AuditEvent.objects.order_by("pk").last()
    assert (last.action, last.reason) == ("operations.pause_all_again", "wrong policy")


def test_deletions_names_the_file_that_stops_this_host(world: World):
    pause_file().touch()
    try:
        assert out_of("deletions").startswith(f"ALL DELETIONS ARE PAUSED by the file {pause_file()} on this host\n")
        pause_all(actor=Actor("night shift"), reason="smoke")
        first, second, *_ = out_of("deletions").splitlines()
        assert first.endswith("by night shift: smoke")
        assert second == f"the file {pause_file()} still stops the workers of this host: remove it"
    finally:
        pause_file().unlink()


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


def test_site_is_paused_and_resumed_while_others_go_on(world: World):
    world.plan(world.two_copies())
    assert out_of("site_pause", "T3_B", reason="disk server down") == "Deletions at T3_B are paused: disk server down\n"
    with pytest.raises(CommandError, match="T3_B: 1 wait, 0 under way, 0 need a person"):
        call_command("work", stdout=StringIO())
    assert len(world.files("T3_B")) == 3
    assert "disk server down" in out_of("deletions", site="T3_B")
    with pytest.raises(CommandError, match=r"deletions at T3_B are paused already, since .*: disk server down") as caught:
        call_command("site_pause", "T3_B", reason="again")
    assert caught.value.returncode == 1
    assert out_of("site_resume", "T3_B", reason="mended") == "Deletions at T3_B go on.\n"
    assert out_of("work") == "1 batches: 1 done\n"
    acts = AuditEvent.objects.filter(subject="site T3_B").order_by("pk").values_list("action", "reason", "actor", "user")
    assert list(acts) == [
        ("inventory.site_pause", "disk server down", shell_actor().name, None),
        ("inventory.site_resume", "mended", shell_actor().name, None),
    ]


@pytest.mark.parametrize("command", ["site_pause", "site_resume"])
@pytest.mark.parametrize(
    ("arguments", "returncode", "message"),
    [
        (["t2_us_mitt", "--reason", "x"], 2, r"no site is called 't2_us_mitt'; did you mean T2_US_MIT or T2_US_MIT_Tape\?$"),
        (["nowhere", "--reason", "x"], 2, "no site is called 'nowhere'$"),
        (["T2_US_MIT", "--reason", " "], 2, "say why: --reason is needed"),
        (["T2_US_MIT"], 1, "required: --reason"),
    ],
)
def test_commands_of_one_site_refuse_what_cannot_be_meant(
    world: World, command: str, arguments: list[str], returncode: int, message: str
):
    for name in ("T2_US_MIT", "T2_US_MIT_Tape", "T1_DE_KIT"):
        world.site(name)
    with pytest.raises(CommandError, match=message) as caught:
        call_command(command, *arguments)
    assert caught.value.returncode == returncode
    assert not Site.objects.filter(deletion_paused_at__isnull=False).exists()
    assert not AuditEvent.objects.exists()


def test_site_resume_of_what_is_not_paused_is_refused(world: World):
    world.site("T2_A")
    with pytest.raises(CommandError, match="deletions at T2_A are not paused: there is nothing to resume") as caught:
        call_command("site_resume", "T2_A", reason="why not")
    assert caught.value.returncode == 1


def test_site_resume_says_what_else_stops_the_site(world: World):
    world.site("T2_A", status="MORGUE")
    out_of("site_pause", "T2_A", reason="x")
    assert "its status is morgue" in out_of("site_resume", "T2_A", reason="mended")
    out_of("site_pause", "T2_A", reason="x")
    out_of("pause_all")
    assert "but all deletions are: see resume_all" in out_of("site_resume", "T2_A", reason="mended")


def test_deletions_sums_up_lists_and_lets_a_person_retry_and_drop(world: World):
    failed = fail_one(world)
    assert out_of("deletions").splitlines()[1].split()[:4] == ["T3_B", "0", "0", "1"]
    assert "refused: no right" in out_of("deletions", list=True, state="FAILED")
    assert out_of("deletions", list=True, site="T2_A") == "no such deletions\n"
    assert out_of("deletions", retry=[failed.pk], reason="mended") == f"{ONE}. They wait again.\n"
    with pytest.raises(CommandError, match="only failed ones wait for a decision"):
        call_command("deletions", drop=[failed.pk], reason="x")
    with pytest.raises(CommandError, match="--reason is needed") as caught:
        call_command("deletions", drop=[failed.pk])
    assert caught.value.returncode == 2


def fail_all_of_two_plans(world: World) -> tuple[int, int]:
    """Leave three failed deletions of one plan and two of another."""
    plans = []
    for dataset, number in (("/A/B-1/RAW", 3), ("/C/D-1/RAW", 2)):
        plans.append(world.plan(world.two_copies(number, dataset=dataset)).pk)
        plan_enqueue(plans[-1], now=NOW)
        Deletion.objects.filter(plan_id=plans[-1]).update(state="FAILED", reason="refused: no right")
    return plans[0], plans[1]


def test_what_fails_is_listed_whether_it_is_tried_again_or_not(world: World):
    fail_one(world)
    failed = Deletion.objects.get()
    assert f"{failed.pk}  FAILED" in out_of("deletions", "--failing")
    Deletion.objects.update(state="QUEUED")
    assert f"{failed.pk}  QUEUED" in out_of("deletions", "--list", "--failing", "--site", "T3_B")
    Deletion.objects.update(reason="")
    assert out_of("deletions", "--failing") == "no such deletions\n"


def test_failed_deletions_are_retried_by_site_plan_and_dataset_after_a_look_at_how_much_that_is(world: World):
    first, second = fail_all_of_two_plans(world)
    size = "3 failed deletions at T3_B: 9 files, 90 B"
    assert out_of("deletions", retry=[], plan=first, dry_run=True) == f"{size}. They would be tried again; nothing was changed.\n"
    assert set(Deletion.objects.values_list("state", flat=True)) == {"FAILED"}
    assert len(out_of("deletions", list=True, plan=second).splitlines()) == 2
    assert out_of("deletions", retry=[], site="T3_B", plan=first, reason="mended") == f"{size}. They wait again.\n"
    assert set(Deletion.objects.filter(plan_id=first).values_list("state", flat=True)) == {"QUEUED"}
    assert set(Deletion.objects.filter(plan_id=second).values_list("state", flat=True)) == {"FAILED"}
    assert "2 failed deletions at T3_B" in out_of("deletions", drop=[], dataset="/C/D-1/RAW", reason="kept after all")
    event = AuditEvent.objects.get(action="operations.deletions_retried")
    assert (event.reason, event.details["number"], event.subject) == ("mended", 3, f"plan {first}")


@pytest.mark.parametrize(
    ("options", "message", "returncode"),
    [
        ({"retry": []}, "say which", 2),
        ({"drop": []}, "say which", 2),
        ({"retry": [1], "site": "T3_B"}, "either IDs, or", 2),
        ({"retry": [], "site": "T3_B", "state": "DONE"}, "only failed deletions", 2),
        ({"retry": [], "site": "T2_A"}, "no failed deletion fits", 1),
        ({"retry": [], "plan": 0}, "no failed deletion fits", 1),
        ({"retry": [10**9], "dry_run": True}, "no failed deletions: 1000000000", 1),
        ({"retry": [10**9]}, "there is no deletion 1000000000", 1),
        ({"dry_run": True}, "goes with --retry or --drop", 2),
    ],
)
def test_choice_that_names_nothing_or_too_much_changes_nothing(world: World, options: dict, message: str, returncode: int):
    fail_all_of_two_plans(world)
    with pytest.raises(CommandError, match=message) as caught:
        call_command("deletions", reason="mended", **options)
    assert caught.value.returncode == returncode
    assert set(Deletion.objects.values_list("state", flat=True)) == {"FAILED"}


def test_more_failed_deletions_than_one_statement_takes_are_decided_together(world: World, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(failed_service, "_BATCH", 2)
    fail_all_of_two_plans(world)
    assert "5 failed deletions at T3_B" in out_of("deletions", retry=[], site="T3_B", reason="mended")
    assert set(Deletion.objects.values_list("state", flat=True)) == {"QUEUED"}
    assert AuditEvent.objects.filter(action="operations.deletions_retried").count() == 1


def test_person_who_retries_does_not_wait_for_the_end_of_the_back_off(world: World):
    failed = fail_one(world)
    level = SiteHealth.objects.get(site_name="T3_B").back_off_level
    SiteHealth.objects.update(back_off_until=NOW + timedelta(days=1))
    out_of("deletions", retry=[failed.pk], reason="mended")
    health = SiteHealth.objects.get(site_name="T3_B")
    assert (health.back_off_until, health.back_off_level) == (None, level)


def test_dropped_failed_deletion_leaves_storage_and_inventory_as_they_are(world: World):
    failed = fail_one(world)
    assert out_of("deletions", drop=[failed.pk], reason="kept after all") == f"{ONE}. They are given up.\n"
    failed.refresh_from_db()
    assert failed.state == "DROPPED"
    assert "kept after all; it had failed: refused: no right" in failed.reason
    assert len(world.files("T3_B")) == 3 == len(world.files_in_inventory("T3_B"))
