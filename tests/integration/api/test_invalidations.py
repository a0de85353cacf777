"""Invalidation by API and in the admin: the same service, the same refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from inventory.choices import InjectionState
from inventory.models import Dataset, Injection, Lock
from operations.models import Invalidation
from policies.models import Plan
from tests.factories.api import client_with
from tests.factories.operations import World

pytestmark = pytest.mark.django_db

ADDRESS = "/api/v1/operations/invalidations/"
PAGE = "/admin/invalidate/"
RAW = "/A/B-1/RAW"
NAMES = {"dataset": [{"name": RAW, "blocks": [{"name": "b0"}]}]}


@pytest.fixture(autouse=True)
def world(tmp_path: Path) -> World:
    Injection.objects.create(source="t", started_by="t", state=InjectionState.COMPLETED, finished_at=timezone.now())
    made = World(tmp_path)
    made.replica(made.block(RAW), made.site("T2_A"))
    return made


def post(client: Client, address: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = client.post(address, body, content_type="application/json")
    return answer.status_code, answer.json()


def test_preview_then_confirmation_then_polling() -> None:
    client = client_with("invalidate", "view_invalidation")
    status, shown = post(client, f"{ADDRESS}preview/", NAMES)
    assert (status, shown["num_files"], shown["size_bytes"], shown["num_last_copies"]) == (200, 3, 30, 1)
    assert [(at["site"], at["num_files"]) for at in shown["by_site"]] == [("T2_A", 3)]
    assert not Plan.objects.exists()
    status, done = post(client, ADDRESS, NAMES | {"digest": shown["digest"], "reason": "bad"})
    assert (status, done["state"], done["num_files"]) == (201, "RUNNING", 3)
    assert client.get(f"{ADDRESS}{done['id']}/").json()["plan"] == done["plan"]
    assert Plan.objects.get(pk=done["plan"]).state == "RELEASED"


@pytest.mark.parametrize("address", [ADDRESS, f"{ADDRESS}preview/"])
def test_it_takes_its_own_right(address: str) -> None:
    body = NAMES if address.endswith("preview/") else NAMES | {"digest": "0" * 64, "reason": "bad"}
    assert post(Client(), address, body)[0] == 401
    status, refused = post(client_with("view_invalidation"), address, body)
    assert (status, refused["code"]) == (403, "permission_denied")
    assert client_with("change_deletion").get(ADDRESS).status_code == 403


def test_refusals_have_their_codes() -> None:
    client = client_with("invalidate")
    status, refused = post(client, ADDRESS, NAMES | {"digest": "0" * 64, "reason": "bad"})
    assert (status, refused["code"]) == (409, "changed_since_preview")
    lock = Lock.objects.create(dataset_pattern=RAW, owner="higgs")
    shown = post(client, f"{ADDRESS}preview/", NAMES)[1]
    assert [one["lock_id"] for one in shown["locks"]] == [lock.pk]
    body = NAMES | {"digest": shown["digest"], "reason": "bad"}
    assert post(client, ADDRESS, body)[1]["code"] == "locked"
    assert post(client, ADDRESS, body | {"override_locks": [lock.pk]})[1]["code"] == "locked"
    assert post(client, f"{ADDRESS}preview/", {"dataset": [{"name": RAW, "blocks": []}]})[0] == 400
    assert post(client, f"{ADDRESS}preview/", {})[0] == 400
    assert not Invalidation.objects.exists()


def admin(*rights: str) -> Client:
    user = User.objects.create_user("operator", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client()
    client.force_login(user)
    return client


def test_the_page_shows_what_would_go_and_does_exactly_that() -> None:
    client = admin("invalidate", "view_invalidation")
    assert b"What is bad?" in client.get(PAGE).content
    shown = client.post(PAGE, {"names": f"{RAW}#b0\n/store{RAW}/nowhere.root"})
    text = shown.content.decode()
    assert "Delete 3 files," in text
    assert "1 block has one complete copy anywhere" in text
    assert "not in the inventory" in text
    digest = shown.context["preview"].digest
    refused = client.post(PAGE, {"names": f"{RAW}#b0", "digest": "0" * 64, "reason": "bad", "confirm": "1"})
    assert (refused.status_code, Invalidation.objects.exists()) == (409, False)
    same = f"{RAW}#b0\n/store{RAW}/nowhere.root"
    done = client.post(PAGE, {"names": same, "digest": digest, "reason": "bad", "confirm": "1"})
    assert done.url == f"/admin/operations/invalidation/{Invalidation.objects.get().pk}/change/"
    assert client.get(done.url).status_code == 200
    assert b"Invalidate data" in client.get("/admin/operations/invalidation/").content
    assert Dataset.objects.exists()


def test_the_page_takes_the_right_and_names_what_is_wrong() -> None:
    assert admin("view_invalidation").get(PAGE).status_code == 403
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    assert b"nothing is named" in client.post(PAGE, {"names": " "}).content
    assert b"the document is no JSON" in client.post(PAGE, {"names": "{oops"}).content
