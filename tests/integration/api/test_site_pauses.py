"""Pausing and resuming one site by API: the services, rights and audit rows of the admin."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from guardian.shortcuts import assign_perm

from inventory.models import AuditEvent, Site
from tests.factories.api import client_of, client_with
from tests.integration.api.rights import user_with

pytestmark = pytest.mark.django_db
BOTH = ("inventory.view_site", "inventory.pause_site", "inventory.resume_site")


@pytest.fixture
def site() -> Site:
    return Site.objects.create(name="T2_X")


@pytest.fixture
def on_duty() -> User:
    return user_with("olga", *BOTH)


def turn(client: Client, site: Site, act: str, reason: str | None = "disk server", **headers: str) -> Any:
    body = {} if reason is None else {"reason": reason}
    return client.post(f"/api/v1/inventory/sites/{site.pk}/{act}/", body, content_type="application/json", headers=headers)


def test_a_site_is_paused_and_resumed_and_both_are_in_the_audit_trail(site: Site, on_duty: User) -> None:
    client = client_of(on_duty, "operations:write")
    paused = turn(client, site, "pause")
    assert (paused.status_code, paused.json()["deletion_paused_reason"]) == (200, "disk server")
    site.refresh_from_db()
    assert (site.is_paused, site.deletion_paused_by) == (True, on_duty)
    resumed = turn(client, site, "resume", "mended")
    assert (resumed.status_code, resumed.json()["deletion_paused_at"]) == (200, None)
    acts = AuditEvent.objects.order_by("pk").values_list("action", "subject", "reason", "actor", "user")
    assert list(acts) == [
        ("inventory.site_pause", "site T2_X", "disk server", "olga", on_duty.pk),
        ("inventory.site_resume", "site T2_X", "mended", "olga", on_duty.pk),
    ]


def test_what_the_state_does_not_allow_is_a_conflict_and_the_first_reason_stays(site: Site, on_duty: User) -> None:
    client = client_of(on_duty)
    refused = turn(client, site, "resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")
    turn(client, site, "pause", "first")
    refused = turn(client, site, "pause", "second")
    assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")
    assert "paused already" in refused.json()["message"]
    site.refresh_from_db()
    assert site.deletion_paused_reason == "first"
    assert AuditEvent.objects.count() == 1


@pytest.mark.parametrize("reason", [None, "", " ", "x" * 513])
def test_a_reason_is_required(site: Site, on_duty: User, reason: str | None) -> None:
    refused = turn(client_of(on_duty), site, "pause", reason)
    assert (refused.status_code, list(refused.json()["details"])) == (400, ["reason"])


def test_pausing_and_resuming_are_two_rights_and_a_right_on_a_site_is_enough(site: Site) -> None:
    other = Site.objects.create(name="T2_Y")
    shifter = user_with("dan", "inventory.view_site")
    assign_perm("inventory.pause_site", shifter, site)
    client = client_of(shifter)
    assert turn(client, other, "pause").status_code == 403
    assert turn(client, site, "pause").status_code == 200
    refused = turn(client, site, "resume")
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")


def test_a_site_that_one_may_not_see_is_not_there(site: Site) -> None:
    assert turn(client_with("pause_site"), site, "pause").status_code == 404


def test_it_takes_the_scope_of_operations(site: Site, on_duty: User) -> None:
    refused = turn(client_of(on_duty, "read", "inventory:write"), site, "pause")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


def test_a_version_that_is_sent_is_compared_and_a_repeated_request_is_done_once(site: Site, on_duty: User) -> None:
    client = client_of(on_duty)
    tag = client.get(f"/api/v1/inventory/sites/{site.pk}/").headers["ETag"]
    first = turn(client, site, "pause", **{"If-Match": tag, "Idempotency-Key": "one"})
    again = turn(client, site, "pause", **{"If-Match": tag, "Idempotency-Key": "one"})
    assert (again.status_code, again.json(), again.headers["Idempotency-Replayed"]) == (200, first.json(), "true")
    assert turn(client, site, "resume", **{"If-Match": tag}).status_code == 412
    assert AuditEvent.objects.count() == 1
