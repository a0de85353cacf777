"""Bringing back by the command, by the API and from the pages."""

from __future__ import annotations

import re
from io import StringIO

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from inventory.models import BlockReplica, File
from operations import tasks
from operations.models import Deletion, Trash
from operations.services.queue import plan_enqueue
from operations.services.restoring import RestoreWanted, trash_fitting
from tests.factories.api import client_of
from tests.factories.operations import World

pytestmark = pytest.mark.django_db
RESTORE = "/api/v1/operations/restore/"


@pytest.fixture
def deleted(world: World) -> World:
    """Return a world in which a plan has deleted two blocks of three files, into the trash."""
    plan = world.plan(world.two_copies(num_blocks=2))
    plan_enqueue(plan.pk)
    call_command("work", stdout=StringIO())
    assert Trash.objects.filter(state="KEPT").count() == 2
    return world


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("restore", *arguments, stdout=out)
    return out.getvalue()


def test_command_lists_what_can_come_back_and_brings_it_back(deleted: World):
    assert "T3_B" in said()
    text = said("--plan", str(Deletion.objects.first().plan_id), "--reason", "by mistake")
    assert text.splitlines()[0] == "2 block replicas are to come back"
    assert "3 of 3 files back\n" in text
    assert len(deleted.files("T3_B")) == 6
    assert BlockReplica.objects.filter(site__name="T3_B").count() == 2
    assert "nothing lies in any trash" in said()
    again = said("--site", "T3_B", "--reason", "again")
    assert again.count("was restored already, on ") == 2
    assert "0 block replicas are to come back" in again


def test_command_brings_back_a_single_file_and_says_what_it_cannot(deleted: World):
    lfn = "/store/A/B-1/RAW/b00000/f0001.root"
    assert "1 of 3 files back; the rest: in the trash" in said("--file", lfn, "--reason", "needed")
    assert deleted.files("T3_B") == {lfn}
    other = deleted.path("T3_B", "/store/A/B-1/RAW/b00001/f0000.root")
    other.parent.mkdir(parents=True)
    other.write_text("newcomer")
    with pytest.raises(CommandError, match="its place is taken: something lies in its place"):
        said("--dataset", "/A/B-1/RAW", "--block", "b00001", "--reason", "needed")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--site", "T3_B"], "needs a reason"), (["--site", "T9", "--reason", "x"], "nothing that fits is in the trash")],
)
def test_command_refuses_what_makes_no_sense(deleted: World, arguments: list[str], message: str):
    with pytest.raises(CommandError, match=message):
        said(*arguments)


def client_with(*codenames: str) -> Client:
    user = User.objects.create_user("-".join(codenames) or "nobody")
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return client_of(user)


def test_api_takes_the_right_and_workers_bring_it_back(deleted: World):
    wanted = {"dataset": "/A/B-1/RAW", "site": "T3_B", "reason": "needed"}
    assert Client().post(RESTORE, wanted, content_type="application/json").status_code == 401
    assert client_with("change_deletion").post(RESTORE, wanted, content_type="application/json").status_code == 403
    assert set(Trash.objects.values_list("state", flat=True)) == {"KEPT"}
    client = client_with("restore_trash", "view_trash", "view_trashfile")
    answer = client.post(RESTORE, wanted, content_type="application/json")
    assert (answer.status_code, len(answer.json()["trash"]), answer.json()["refused"]) == (202, 2, [])
    tasks.restore.apply()
    listed = client.get("/api/v1/operations/trash/", {"site": "T3_B"}).json()["results"]
    assert {row["state"] for row in listed} == {"RESTORED"}
    files = client.get("/api/v1/operations/trash-files/", {"outcome": "RESTORED"}).json()["results"]
    assert len(files) == 6
    again = client.post(RESTORE, wanted, content_type="application/json").json()
    assert (again["trash"], len(again["refused"])) == ([], 2)


@pytest.mark.parametrize(
    ("body", "status"), [({"reason": "x"}, 409), ({"site": "T3_B"}, 400), ({"site": "T9", "reason": "x"}, 404)]
)
def test_api_says_what_is_wrong(deleted: World, body: dict, status: int):
    assert client_with("restore_trash").post(RESTORE, body, content_type="application/json").status_code == status


def test_purge_task_keeps_what_is_not_due(deleted: World):
    tasks.purge.apply()
    assert set(Trash.objects.values_list("state", flat=True)) == {"KEPT"}


def test_pages_show_the_trash_and_bring_back_from_the_deletion_and_the_plan(deleted: World, admin_client: Client):
    deletion = Deletion.objects.order_by("pk").first()
    page = admin_client.get(reverse("admin:operations_deletion_change", args=[deletion.pk])).content.decode()
    assert re.search(r"can be brought back until [0-9: -]+ UTC \(<time[^>]+>in \d+ days</time>\)\.", page)
    act = reverse("dynamo_act", args=["trash-restore", deletion.trash.pk])
    assert act in page
    assert "3 files" in admin_client.get(act).content.decode()
    assert admin_client.post(act, {"reason": "needed"}).status_code == 302
    deletion.trash.refresh_from_db()
    assert (deletion.trash.state, deletion.trash.asked_by) == ("RESTORE", "admin")
    tasks.restore.apply()
    page = admin_client.get(reverse("admin:operations_trash_change", args=[deletion.trash.pk])).content.decode()
    assert "Brought back" in page
    front = admin_client.get(reverse("admin:index")).content.decode()
    assert "dy-hatch" in front
    act = reverse("dynamo_act", args=["plan-restore", deletion.plan_id])
    assert admin_client.post(act, {"reason": "all of it"}).status_code == 302
    assert sorted(Trash.objects.values_list("state", flat=True)) == ["RESTORE", "RESTORED"]


def test_page_shows_what_fits_and_asks_it_back_by_plan_site_dataset_or_file(deleted: World, admin_client: Client):
    page = reverse("dynamo_restore")
    assert page in admin_client.get(reverse("admin:operations_trash_changelist")).content.decode()
    first, second = Trash.objects.order_by("pk")
    dataset, lfn = first.dataset_name, first.files[0][0]
    for given in ({"plan": first.deletion.plan_id}, {"site": "T3_B"}, {"dataset": dataset}):
        assert "2 block replicas can come back: 6 files" in admin_client.get(page, given).content.decode()
    assert "1 block replica can come back: 3 files" in admin_client.get(page, {"dataset": f"{dataset}#b00000"}).content.decode()
    assert "Nothing that fits" in admin_client.get(page, {"site": "T2_A"}).content.decode()
    assert "is no number of a plan" in admin_client.get(page, {"plan": "seven", "site": "T3_B"}).content.decode()
    assert admin_client.post(page, {"file": lfn, "reason": " "}).status_code == 409
    assert set(Trash.objects.values_list("state", flat=True)) == {"KEPT"}

    asked = admin_client.post(page, {"file": lfn, "reason": "needed"}, follow=True).content.decode()
    assert "1 block replica asked back" in asked
    tasks.restore.apply()
    assert len(deleted.files("T3_B")) == 1
    assert "1 of 3" in admin_client.get(page, {"file": lfn}).content.decode()

    Trash.objects.filter(pk=second.pk).update(state="PURGED", finished_at=timezone.now())
    text = admin_client.get(page, {"site": "T3_B"}).content.decode()
    assert "1 block replica cannot come back" in text
    assert "gone for good since" in text
    asked = admin_client.post(page, {"site": "T3_B", "reason": "needed"}, follow=True).content.decode()
    assert "1 block replica left out: see below why" in asked
    tasks.restore.apply()
    assert len(deleted.files("T3_B")) == 3
    assert "1 block replica was brought back before" in admin_client.get(page, {"site": "T3_B"}).content.decode()


def test_what_did_not_come_back_stands_first_with_its_reason(deleted: World, admin_client: Client):
    first, second = Trash.objects.order_by("pk")
    plan = first.deletion.plan_id
    taken = deleted.root("T3_B") / first.files[0][0].removeprefix("/")
    taken.parent.mkdir(parents=True, exist_ok=True)
    taken.write_text("another's")
    page = f"{reverse('dynamo_restore')}?plan={plan}"
    assert page in admin_client.get(reverse("admin:policies_plan_change", args=[plan])).content.decode()
    admin_client.post(reverse("dynamo_act", args=["plan-restore", plan]), {"reason": "all of it"})
    tasks.restore.apply()
    shown = admin_client.get(page).content.decode()
    assert "1 block replica was asked for and did not come back whole" in shown
    assert "lies in its place" in shown
    assert shown.index(f"/trash/{first.pk}/") < shown.index(f"/trash/{second.pk}/")
    assert taken.read_text() == "another's"


def test_page_of_bringing_back_takes_the_right_to_see_and_another_to_ask(deleted: World, client: Client):
    reader = User.objects.create_user("reader")
    client.force_login(reader)
    page = reverse("dynamo_restore")
    assert client.get(page, {"site": "T3_B"}).status_code == 403
    reader.user_permissions.add(Permission.objects.get(codename="view_trash"))
    shown = client.get(page, {"site": "T3_B"}).content.decode()
    assert "takes the right" in shown
    assert "Bring back 6 files" not in shown
    assert client.post(page, {"site": "T3_B", "reason": "mine"}).status_code == 403
    assert set(Trash.objects.values_list("state", flat=True)) == {"KEPT"}


def test_file_that_the_inventory_has_forgotten_is_found_in_the_trash(deleted: World):
    row = Trash.objects.order_by("pk").first()
    lfn = row.files[1][0]
    File.objects.filter(lfn=lfn).delete()
    assert list(trash_fitting(RestoreWanted(lfn=lfn))) == [row]
    with pytest.raises(CommandError, match="has left the inventory"):
        said("--file", lfn, "--reason", "needed")


def test_command_sums_up_what_came_back(deleted: World):
    assert said("--site", "T3_B", "--reason", "by mistake").splitlines()[-1] == "in all 6 of 6 files of 2 block replicas are back"
