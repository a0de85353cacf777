"""What an account may do by a document is what it may do by hand; what others have sent is not everybody's to end."""

from __future__ import annotations

import json
from io import BytesIO, StringIO
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client
from guardian.shortcuts import assign_perm

from inventory.choices import InjectionState
from inventory.models import AuditEvent, Injection, Lock, Site
from inventory.services import injection_jobs
from inventory.services.audit import Actor
from inventory.services.injection_jobs import Wishes, injection_carry_out, injection_receive
from policies.models import Partition, Quota, WaitingQuota
from policies.services.partitions import partition_define
from tests.factories.api import client_of
from tests.factories.inventory import small_document

pytestmark = pytest.mark.django_db
URL = "/api/v1/inventory/injections/"
ROOT = Actor("root")
ENDPOINT = {"site": [{"name": "S1", "endpoint": "file:///elsewhere"}, {"name": "S2", "endpoint": "file:///elsewhere"}]}
QUOTAS = {"sitepartition": [{"site": "S1", "partition": name, "quota": 7} for name in ("A", "B")]}


@pytest.fixture(autouse=True)
def _places() -> None:
    Site.objects.bulk_create([Site(name=name, endpoint_url="file:///here") for name in ("S1", "S2")])
    for name in ("A", "B"):
        partition_define(name=name, condition="dataset.name == /A/*", actor=ROOT)


def account(name: str, *rights: str) -> User:
    user = User.objects.create_user(name, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=("add_injection", "view_injection", *rights)))
    return user


def sent(user: User, document: Any, query: str = "") -> dict[str, Any]:
    answer = client_of(user).post(URL + query, json.dumps(document), content_type="application/json")
    assert answer.status_code in (201, 202), answer.content
    told: dict[str, Any] = answer.json()
    return told


def of_site(name: str) -> str:
    return Site.objects.get(name=name).endpoint_url


# -- sites and quotas ----------------------------------------------------------------------------------------------------


def test_a_document_changes_no_site_that_its_sender_may_not_change() -> None:
    user = account("producer")
    told = sent(user, ENDPOINT)
    assert (told["state"], told["num_rejects"]) == ("FAILED", 2)
    assert told["rejects"][0] == {
        "number": 1,
        "path": "site[0].endpoint",
        "found": '"file:///elsewhere"',
        "expected": "no change: producer lacks the right inventory.change_site on S1",
        "help": "leave the field out, or let somebody inject it who may change the site",
    }
    assert of_site("S1") == "file:///here"
    assign_perm("inventory.change_site", user, Site.objects.get(name="S2"))
    told = sent(User.objects.get(pk=user.pk), ENDPOINT, "?skip_bad=true")
    assert (told["state"], told["num_rejects"], told["counts"]["sites"]) == ("COMPLETED", 1, {"changed": 1})
    assert (of_site("S1"), of_site("S2")) == ("file:///here", "file:///elsewhere")
    assert sent(account("boss", "change_site"), ENDPOINT)["state"] == "COMPLETED"
    assert of_site("S1") == "file:///elsewhere"


def test_a_document_adds_no_site_without_the_right_and_may_name_what_is_there() -> None:
    told = sent(account("producer"), {"site": [{"name": "S1", "endpoint": "file:///here"}, {"name": "S9"}]})
    assert (told["state"], told["num_rejects"], told["rejects"][0]["path"]) == ("FAILED", 1, "site[1].name")
    assert "inventory.add_site" in told["rejects"][0]["expected"]
    assert sent(account("peer"), {"site": [{"name": "S1", "endpoint": "file:///here"}]})["state"] == "COMPLETED"
    assert sent(account("boss", "add_site"), {"site": [{"name": "S9"}]})["state"] == "COMPLETED"


def test_a_document_sets_no_quota_that_its_sender_may_not_set() -> None:
    user = account("producer")
    told = sent(user, QUOTAS)
    assert (told["state"], told["num_rejects"], told["rejects"][1]["path"]) == ("FAILED", 2, "sitepartition[1].quota")
    assert told["rejects"][1]["expected"] == "no change: producer lacks the right policies.set_quota on B"
    assign_perm("policies.set_quota", user, Partition.objects.get(name="A"))
    told = sent(User.objects.get(pk=user.pk), QUOTAS, "?skip_bad=true")
    assert (told["state"], told["num_rejects"]) == ("COMPLETED", 1)
    assert list(Quota.objects.values_list("partition__name", "size_bytes")) == [("A", 7)]
    assert sent(account("boss", "set_quota"), QUOTAS)["state"] == "COMPLETED"
    assert sent(account("another"), QUOTAS)["counts"]["sitepartition"] == {"unchanged": 2}


def test_a_quota_of_a_partition_that_is_not_defined_yet_takes_the_right_in_general() -> None:
    user = account("producer")
    assign_perm("policies.set_quota", user, Partition.objects.get(name="A"))
    later = {"sitepartition": [{"site": "S1", "partition": "Later", "quota": 7}]}
    assert sent(user, later)["state"] == "FAILED"
    assert not WaitingQuota.objects.exists()
    assert sent(account("boss", "set_quota"), later)["state"] == "COMPLETED"


def test_a_table_of_quotas_is_a_document_as_any() -> None:
    body = b"site,partition,quota\nS1,A,7\n"
    client = client_of(account("producer"))
    answer = client.post(URL + "?name=quotas.csv", body, content_type="text/csv").json()
    assert (answer["state"], answer["num_rejects"]) == ("FAILED", 1)
    assert not Quota.objects.exists()


def test_a_document_takes_and_releases_no_lock_without_the_right_to_those_of_others() -> None:
    injected = {"dataset": [{"name": "/A/B/C"}], "attrs": [{"dataset": "/A/B/C", "locked_blocks": {"S1": None}}]}
    released = injected | {"attrs": [{"dataset": "/A/B/C", "locked_blocks": {}}]}
    told = sent(account("producer", "add_lock"), injected)
    assert told["rejects"][0]["path"] == "attrs[0].locked_blocks"
    assert "producer lacks the right inventory.change_lock" in told["rejects"][0]["expected"]
    assert not Lock.objects.exists()
    assert sent(account("keeper", "change_lock"), injected)["num_rejects"] == 0
    assert Lock.objects.get().released_at is None
    assert sent(User.objects.get(username="producer"), released)["num_rejects"] == 1
    assert Lock.objects.get().released_at is None
    without = injected | {"attrs": [{"dataset": "/A/B/C", "usage_rank": 1}]}
    assert sent(User.objects.get(username="producer"), without)["num_rejects"] == 0


def test_the_page_refuses_what_the_api_refuses() -> None:
    client = Client()
    client.force_login(account("producer"))
    page = client.post("/admin/inject/", {"document": SimpleUploadedFile("s.json", json.dumps(ENDPOINT).encode())}, follow=True)
    assert "producer lacks the right inventory.change_site on S1" in page.content.decode()
    assert of_site("S1") == "file:///here"


@pytest.mark.parametrize("query", ["", "?batch=true"])
def test_a_worker_has_the_rights_of_the_sender_and_no_more(monkeypatch: pytest.MonkeyPatch, query: str) -> None:
    monkeypatch.setattr(injection_jobs, "AT_ONCE_BYTES", 10)
    told = sent(account("producer"), ENDPOINT, query)
    assert told["state"] == "QUEUED"
    injection_carry_out(injection_id=told["id"])
    assert Injection.objects.get(pk=told["id"]).num_rejects == 2
    assert of_site("S1") == "file:///here"
    told = sent(account("boss", "change_site"), ENDPOINT, query)
    injection_carry_out(injection_id=told["id"])
    assert of_site("S1") == "file:///elsewhere"
    assert AuditEvent.objects.filter(action="inventory.inject").latest("pk").user_id == User.objects.get(username="boss").pk


@pytest.mark.parametrize("why", ["removed", "removed before it was noted", "without the right"])
def test_what_waits_is_not_taken_from_an_account_that_may_not_inject_any_more(monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    monkeypatch.setattr(injection_jobs, "AT_ONCE_BYTES", 10)
    user = account("producer", "add_site", "change_site")
    told = sent(user, small_document())
    if why == "without the right":
        user.user_permissions.clear()
    else:
        user.delete()
    if why == "removed before it was noted":  # the migration to accounts has found none for it
        Injection.objects.update(user_id=None)
    injection_carry_out(injection_id=told["id"])
    injection = Injection.objects.get(pk=told["id"])
    assert injection.state == InjectionState.FAILED
    assert injection.error.startswith("producer, who sent it, may not inject any more; nothing of the document was kept")


def test_somebody_at_a_shell_needs_no_rights(tmp_path: Any) -> None:
    document = tmp_path / "document.json"
    document.write_text(json.dumps(ENDPOINT | QUOTAS))
    call_command("inject", str(document), stdout=StringIO())
    assert of_site("S1") == "file:///elsewhere"
    assert Quota.objects.count() == 2


# -- injections of others ------------------------------------------------------------------------------------------------


def left_half_way(user: User | None) -> Injection:
    actor = ROOT if user is None else Actor.of(user)
    injection = injection_receive(stream=BytesIO(b'{"group": []}'), actor=actor, wishes=Wishes(is_batch=True))
    Injection.objects.filter(pk=injection.pk).update(state=InjectionState.FAILED, records_kept=1)
    return injection


ACTS = [("resume", 202), ("give-up", 200)]


@pytest.mark.parametrize(("act", "status"), ACTS)
def test_ones_own_injection_takes_the_right_to_inject_and_that_of_others_another(act: str, status: int) -> None:
    sender, peer, boss = account("producer"), account("peer"), account("boss", "change_injection")

    def asked(user: User, injection: Injection) -> int:
        body = {"reason": "wrong file"} if act == "give-up" else None
        answer = client_of(user).post(f"{URL}{injection.pk}/{act}/", body, content_type="application/json")
        return int(answer.status_code)

    injection = left_half_way(sender)
    assert asked(peer, injection) == 403
    assert asked(sender, injection) == status
    assert asked(boss, left_half_way(sender)) == status
    assert asked(peer, left_half_way(None)) == 403
    assign_perm("inventory.change_injection", peer, injection)
    assert asked(User.objects.get(pk=peer.pk), left_half_way(sender)) == 403
    Injection.objects.filter(pk=injection.pk).update(state=InjectionState.FAILED, document=left_half_way(sender).document)
    assert asked(User.objects.get(pk=peer.pk), injection) == status


def test_an_account_of_the_same_name_as_who_ran_a_command_owns_nothing_of_it() -> None:
    injection = left_half_way(None)
    answer = client_of(account("root")).post(f"{URL}{injection.pk}/resume/")
    assert answer.status_code == 403


@pytest.mark.parametrize("act", ["cancel", "confirm"])
def test_what_others_have_sent_is_neither_stopped_nor_made_good_by_everybody(monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    if act == "cancel":
        monkeypatch.setattr(injection_jobs, "AT_ONCE_BYTES", 10)
    sender, peer, boss = account("producer"), account("peer"), account("boss", "change_injection")
    document, query = {"group": [{"name": "G1"}]}, "?dry_run=true" if act == "confirm" else ""
    told = sent(sender, document, query)
    assert client_of(peer).post(f"{URL}{told['id']}/{act}/").status_code == 403
    assert client_of(boss).post(f"{URL}{told['id']}/{act}/").status_code in (200, 201)
    told = sent(sender, document, query)
    assert client_of(sender).post(f"{URL}{told['id']}/{act}/").status_code in (200, 201)


@pytest.mark.parametrize("act", ["injection-resume", "injection-give-up"])
def test_the_pages_offer_it_to_whom_the_services_let(act: str) -> None:
    sender, peer, boss = account("producer"), account("peer"), account("boss", "change_injection")
    injection = left_half_way(sender)
    url = f"/admin/act/{act}/{injection.pk}/"
    for user, status in ((sender, 200), (peer, 403), (boss, 200)):
        client = Client()
        client.force_login(user)
        assert client.get(url).status_code == status, user
        page = client.get(f"/admin/inject/{injection.pk}/").content.decode()
        assert (url in page) == (status == 200), user
