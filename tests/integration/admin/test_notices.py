"""What the front page tells first: what waits for a person, each with a way to it."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.utils import timezone

from inventory.services.audit import Actor
from operations.choices import ScanState
from operations.models import Deletion, StorageScan
from operations.services.deletion_requests import deletion_request_create
from operations.services.queue import plan_enqueue
from tests.factories.operations import World

pytestmark = pytest.mark.django_db


def front(client: Client) -> str:
    return client.get("/admin/").content.decode()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_failed_deletions_are_told_with_their_sites(admin_client: Client, world: World) -> None:
    plan_enqueue(world.plan(world.two_copies(2)).pk)
    assert "could not be deleted" not in front(admin_client)
    Deletion.objects.update(state="FAILED")
    page = front(admin_client)
    assert "2 block replicas at T3_B could not be deleted: try again or give them up" in page
    assert "/admin/operations/deletion/?state__exact=FAILED" in page


@pytest.mark.parametrize(
    ("state", "told"),
    [(ScanState.HELD, "the scan is held by a limit"), (ScanState.FAILED, "the last scan failed"), (ScanState.LISTING, "")],
)
def test_a_scan_that_waits_for_a_person_is_told(admin_client: Client, state: str, told: str) -> None:
    now = timezone.now()
    scan = StorageScan.objects.create(
        site_name="T2_X",
        state=state,
        started_at=now,
        finished_at=now if state == ScanState.FAILED else None,
        last_replica_key=0,
        tripped=[{"limit": "missing"}] if state == ScanState.HELD else [],
    )
    page = front(admin_client)
    assert (f"T2_X: {told}" in page) == bool(told)
    assert (f"/admin/operations/storagescan/{scan.pk}/change/" in page) or not told


def test_requests_of_others_are_told_to_who_may_see_them(client: Client, world: World, django_user_model: type[User]) -> None:
    asking, deciding, other = (
        django_user_model.objects.create_user(name, is_staff=True, is_superuser=name == "asking")
        for name in ("asking", "deciding", "other")
    )
    world.two_copies(1)
    deletion_request_create(dataset_pattern="/A/B-1/RAW", site_pattern="T3_B", reason="old", actor=Actor.of(asking))
    deciding.user_permissions.add(Permission.objects.get(codename="view_deletionrequest"))
    told = "1 deletion request of others to decide on"
    for user, is_told in ((asking, False), (deciding, True), (other, False)):
        client.force_login(user)
        assert (told in front(client)) == is_told
