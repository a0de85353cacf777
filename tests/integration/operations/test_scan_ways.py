"""Scanning and deciding by the command, by the API and from the pages, and who may."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from guardian.shortcuts import assign_perm
from pytest_django import Settings

from inventory.models import BlockReplica, Site
from operations import tasks
from operations.models import CleanUp, Deletion, SiteScans, StorageScan, Trash
from tests.factories.api import client_of
from tests.factories.operations import World
from tests.integration.operations.test_scans import LFN, write

SCANS = "/api/v1/operations/scans/"
CLEAN_UPS = "/api/v1/operations/clean-ups/"


@pytest.fixture
def lived_in(world: World, settings: Settings) -> World:
    """A site with a block of three files of which one is lost, and old files that nobody knows."""
    settings.DYNAMO_SCAN_DARK_FRACTION = settings.DYNAMO_SCAN_MISSING_FRACTION = 0.9
    world.replica(world.block(), world.site())
    world.site("T2_OTHER")
    world.path("T2_A", LFN.format(1)).unlink()
    for index in range(2):
        write(world, f"left/over/{index}", at=timezone.now() - timedelta(days=90))
    return world


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("scan", *arguments, stdout=out)
    return out.getvalue()


def person(name: str, *rights: str, at: Site | None = None) -> User:
    """Make an account that may view, with *rights* in general or at one site alone."""
    user = User.objects.create_user(name)
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    for right in rights:
        if at is not None:
            assign_perm(right, user, at)
        else:
            app, codename = right.split(".")
            user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def make_old(days: int = 30) -> None:
    """Let the last scan be of so many days ago."""
    scan = StorageScan.objects.latest("pk")
    for row in scan.findings.all():
        row.seen_at -= timedelta(days=days)
        row.first_seen_at -= timedelta(days=days)
        row.save()


def test_command_scans_reports_and_decides(lived_in: World):
    text = said("T2_A")
    for line in ("missing: 1 file, 10 B, of 3", "dark: 2 files, 14 B; 0 more are young", "/left/over: 2 files, 14 B"):
        assert line in text
    (scan,) = StorageScan.objects.all()
    assert f"{scan.pk}" in said()
    assert "is done" in said("--confirm-missing", str(scan.pk), "--reason", "disk died")
    assert BlockReplica.objects.get().num_files == 2
    with pytest.raises(CommandError, match="no dark file has been seen twice"):
        said("--clean-up", str(scan.pk), "--reason", "left over")
    make_old()
    said("T2_A")
    listed = said("--clean-up", str(scan.pk + 1), "--reason", "left over")
    assert "2 files, 14 B in plan" in listed
    row = CleanUp.objects.select_related("plan").get()
    with pytest.raises(CommandError, match="somebody else must approve it"):
        said("--release", str(row.pk), "--digest", row.plan.digest, "--reason", "looked")
    CleanUp.objects.filter(pk=row.pk).update(asked_by_name="another")
    with pytest.raises(CommandError, match="is not the list with the digest"):
        said("--release", str(row.pk), "--digest", "ab", "--reason", "looked")
    said("--release", str(row.pk), "--digest", row.plan.digest, "--reason", "looked")
    row.plan.refresh_from_db()
    assert row.plan.state == "HELD", "the inventory was never injected: what it does not know yet is not dark"
    assert "is discarded" in said("--give-up", str(row.pk), "--reason", "inject first")


def test_command_goes_on_with_what_was_begun_and_fails_where_a_person_must_act(lived_in: World, settings: Settings):
    assert "begins" in said("T2_A", "--no-wait")
    assert "goes on" in said("T2_A")
    settings.DYNAMO_SCAN_DARK_FRACTION = 0.01
    with pytest.raises(CommandError, match="is held for a person") as held:
        said("T2_A")
    assert "2 of 4 files that are there are dark (50.00 %), more than 1.00 %" in str(held.value)
    with pytest.raises(CommandError, match="decide on it"):
        said("T2_A")
    assert "is discarded" in said("--discard", str(StorageScan.objects.latest("pk").pk), "--reason", "rules were wrong")


@pytest.mark.parametrize(
    "arguments", [("T9_NOWHERE",), ("--accept", "99", "--reason", "x"), ("--release", "99", "--reason", "x")]
)
def test_command_refuses_what_is_not_there(lived_in: World, arguments: tuple[str, ...]):
    with pytest.raises(CommandError, match=r"T9_NOWHERE|there is no"):
        said(*arguments)


def test_task_begins_what_is_due_and_scans(lived_in: World):
    SiteScans.objects.create(site=Site.objects.get(name="T2_A"), every_days=7)
    tasks.scan()
    scan = StorageScan.objects.get()
    assert (scan.started_by_name, scan.state, scan.files_missing) == ("calendar of scans", "DONE", 1)


def test_api_begins_polls_finds_and_decides(lived_in: World):
    client = client_of(person("op", "inventory.scan_site", "inventory.decide_scan"))
    begun = client.post(SCANS, {"site": "T2_A"}, content_type="application/json")
    assert (begun.status_code, begun.json()["state"], begun.json()["folders_waiting"]) == (201, "LISTING", 1)
    key = begun.json()["id"]
    again = client.post(SCANS, {"site": "T2_A"}, content_type="application/json")
    assert (again.status_code, again.json()["code"]) == (409, "invalid_transition")
    tasks.scan()
    done = client.get(f"{SCANS}{key}/").json()
    assert (done["state"], done["files_missing"], done["files_dark"]) == ("DONE", 1, 2)
    found = client.get("/api/v1/operations/scan-findings/", {"scan": key, "kind": "DARK", "path": "left/*"}).json()["results"]
    assert [row["path"] for row in found] == ["left/over/1", "left/over/0"]
    confirmed = client.post(f"{SCANS}{key}/confirm-missing/", {"reason": "lost"}, content_type="application/json")
    assert (confirmed.status_code, confirmed.json()["state"]) == (202, "APPLY")
    tasks.scan()
    assert BlockReplica.objects.get().num_files == 2
    make_old()
    client.post(SCANS, {"site": "T2_A"}, content_type="application/json")
    tasks.scan()
    latest = StorageScan.objects.latest("pk").pk
    made = client.post(f"{SCANS}{latest}/clean-up/", {"reason": "left over"}, content_type="application/json")
    assert (made.status_code, made.json()["num_files"], made.json()["state"]) == (201, 2, "WAITING")
    address = f"{CLEAN_UPS}{made.json()['id']}/"
    body = {"reason": "yes", "digest": made.json()["digest"]}
    own = client.post(f"{address}release/", body, content_type="application/json")
    assert (own.status_code, own.json()["code"]) == (409, "own_request")
    second = client_of(person("second", "inventory.decide_scan"))
    wrong = second.post(f"{address}release/", body | {"digest": "0" * 64}, content_type="application/json")
    assert (wrong.status_code, wrong.json()["code"]) == (409, "invalid_transition")
    assert second.post(f"{address}release/", body, content_type="application/json").json()["state"] == "RELEASED"


ON_SCANS = ("accept", "discard", "cancel", "confirm-missing", "take-back", "clean-up")


@pytest.mark.parametrize("act", ON_SCANS)
def test_deciding_takes_the_right_at_the_site(lived_in: World, act: str):
    said("T2_A")
    key = StorageScan.objects.get().pk
    right = "inventory.scan_site" if act == "cancel" else "inventory.decide_scan"
    here, there = Site.objects.get(name="T2_A"), Site.objects.get(name="T2_OTHER")

    def status(user: User) -> int:
        answer = client_of(user).post(f"{SCANS}{key}/{act}/", {"reason": "because"}, content_type="application/json")
        return int(answer.status_code)

    assert status(person("viewer")) == 403
    assert status(person("elsewhere", right, at=there)) == 403
    # With the right the state is asked: confirming is possible, the others are not now.
    expected = 202 if act == "confirm-missing" else 409
    assert status(person("guardian", right, at=here)) == expected


@pytest.mark.parametrize("act", ["release", "discard"])
def test_deciding_on_a_clean_up_takes_the_right_at_the_site(lived_in: World, act: str):
    said("T2_A")
    make_old()
    said("T2_A")
    said("--clean-up", str(StorageScan.objects.latest("pk").pk), "--reason", "left over")
    row = CleanUp.objects.select_related("plan").get()
    body = {"reason": "because"} | ({"digest": row.plan.digest} if act == "release" else {})
    here, there = Site.objects.get(name="T2_A"), Site.objects.get(name="T2_OTHER")
    for name, at, status in (("elsewhere", there, 403), ("here", here, 200)):
        user = person(name, "inventory.decide_scan", at=at)
        answer = client_of(user).post(f"{CLEAN_UPS}{row.pk}/{act}/", body, content_type="application/json")
        assert answer.status_code == status


def logged_in(user: User) -> Client:
    user.is_staff = True
    user.save()
    client = Client()
    client.force_login(user)
    return client


def act(client: Client, name: str, key: Any) -> str:
    answer = client.post(reverse("dynamo_act", args=[name, key]), {"reason": "looked at it"}, follow=True)
    assert answer.status_code == 200, answer.content[:2000]
    return answer.content.decode()


def test_pages_show_what_was_found_and_what_a_decision_would_do(lived_in: World):
    operator = logged_in(person("op", "inventory.scan_site", "inventory.decide_scan"))
    site = Site.objects.get(name="T2_A")
    assert "Scan its storage" in operator.get(reverse("admin:inventory_site_change", args=[site.pk])).content.decode()
    act(operator, "scan-start", site.pk)
    tasks.scan()
    scan = StorageScan.objects.get()
    page = operator.get(reverse("admin:operations_storagescan_change", args=[scan.pk])).content.decode()
    for text in ("/store/A/B-1", "/left/over", "If you confirm, 1 file", "no other complete copy is anywhere", "None counts yet"):
        assert text in page
    assert "1 file missing" in operator.get(reverse("admin:index")).content.decode()
    act(operator, "missing-confirm", scan.pk)
    tasks.scan()
    story = operator.get(reverse("dynamo_history"), {"dataset": "/A/B-1/RAW"}).content.decode()
    assert "missing files taken out by op: 1 file (10 B) of block b0 are not at T2_A; looked at it" in story.replace(
        "&nbsp;", " "
    )
    make_old()
    act(operator, "scan-start", site.pk)
    tasks.scan()
    latest = StorageScan.objects.latest("pk")
    page = operator.get(reverse("admin:operations_storagescan_change", args=[latest.pk])).content.decode()
    assert "They can be listed for a clean-up" in page
    act(operator, "clean-up-create", latest.pk)
    row = CleanUp.objects.get()
    assert "waits for a decision" in operator.get(reverse("admin:index")).content.decode()
    page = operator.get(reverse("admin:operations_cleanup_change", args=[row.pk])).content.decode()
    assert "2 files" in page
    for model in ("storagescan", "scanfinding", "cleanup", "sitescans"):
        assert operator.get(reverse(f"admin:operations_{model}_changelist")).status_code == 200
    act(operator, "clean-up-discard", row.pk)
    assert not Deletion.objects.exists()
    assert not Trash.objects.exists()


def test_who_may_only_look_sees_no_buttons_and_is_refused(lived_in: World):
    said("T2_A")
    scan = StorageScan.objects.get()
    viewer = logged_in(person("viewer"))
    page = viewer.get(reverse("admin:operations_storagescan_change", args=[scan.pk])).content.decode()
    assert "Take missing files out" not in page
    assert viewer.post(reverse("dynamo_act", args=["missing-confirm", scan.pk]), {"reason": "x"}).status_code == 403
    guard = logged_in(person("guard", "inventory.decide_scan", at=Site.objects.get(name="T2_A")))
    page = guard.get(reverse("admin:operations_storagescan_change", args=[scan.pk])).content.decode()
    assert "Take missing files out" in page
