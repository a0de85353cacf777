"""Locks by API: made, renewed, released, replaced as a set; each without the right, with it, and with it for other locks."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from inventory.models import AuditEvent, Lock
from tests.factories.api import ANY_VERSION, client_with
from tests.factories.inventory import BlockReplicaFactory, LockFactory, SiteFactory

pytestmark = pytest.mark.django_db
LOCKS = "/api/v1/inventory/locks/"
END = "2100-01-31T00:00:00Z"
JSON = "application/json"
EDITS = ("patch", "delete")


def send(client: Client, method: str, address: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    headers = ANY_VERSION if method in EDITS else {}
    answer = getattr(client, method)(address, "" if body is None else body, content_type=JSON, headers=headers)
    return answer.status_code, answer.json()


def test_a_lock_is_made_by_who_may_and_says_what_it_holds() -> None:
    BlockReplicaFactory(block__dataset__name="/A/B/C", site=SiteFactory(name="T2_A"), size_bytes=70)
    body = {"dataset_pattern": "/A/*", "site_pattern": "T9_*", "comment": "thesis", "expires_at": END}
    assert send(Client(), "post", LOCKS, body)[0] == 401
    status, refusal = send(client_with("view_lock"), "post", LOCKS, body)
    assert (status, refusal["code"]) == (403, "permission_denied")
    assert not Lock.objects.exists()
    status, made = send(client_with("add_lock", name="asmith"), "post", LOCKS, body)
    assert status == 201
    assert (made["owner"], made["source"], made["comment"], made["expires_at"]) == ("asmith", "api", "thesis", END)
    assert made["holding"] == {
        "num_datasets": 1,
        "num_block_replicas": 1,
        "size_bytes": 70,
        "is_site_unknown": True,
        "site_names": [],
    }
    assert made["too_late_for"] == []
    assert AuditEvent.objects.get().action == "inventory.lock_create"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "dataset_pattern"),
        ({"dataset_pattern": ""}, "dataset_pattern"),
        ({"dataset_pattern": "/A", "expires_at": "tomorrow"}, "expires_at"),
        ({"dataset_pattern": "/A", "comment": "x" * 513}, "comment"),
    ],
)
def test_a_wrong_field_is_named(body: dict[str, Any], field: str) -> None:
    status, refusal = send(client_with("add_lock"), "post", LOCKS, body)
    assert (status, list(refusal["details"])) == (400, [field])


def test_what_only_the_service_refuses_is_answered_in_the_one_shape() -> None:
    client = client_with("add_lock")
    status, refusal = send(client, "post", LOCKS, {"dataset_pattern": "/A", "expires_at": "2020-01-01T00:00:00Z"})
    assert (status, refusal["code"]) == (400, "invalid_input")
    assert not Lock.objects.exists()


def test_a_lock_is_renewed_and_released_by_its_owner_and_by_who_may_change_others() -> None:
    rights = ("view_lock", "add_lock")
    lock = LockFactory(owner="asmith")
    address = f"{LOCKS}{lock.pk}/"
    assert send(Client(), "patch", address, {"expires_at": END})[0] == 401
    other = client_with(*rights, name="other")
    assert send(other, "patch", address, {"expires_at": END})[0] == 403
    assert send(other, "delete", address)[0] == 403
    assert send(other, "post", f"{address}release/", {})[0] == 403
    owner = client_with(*rights, name="asmith")
    assert owner.patch(address, {"expires_at": END}, content_type=JSON).status_code == 428
    tag = owner.get(address)["ETag"]
    status, renewed = send(owner, "patch", address, {"expires_at": END, "comment": "a thesis", "reason": "not yet done"})
    assert (status, renewed["expires_at"], renewed["comment"]) == (200, END, "a thesis")
    assert AuditEvent.objects.get(action="inventory.lock_extend").reason == "not yet done"
    stale = owner.patch(address, {"expires_at": None}, content_type=JSON, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_changed")
    operator = client_with("view_lock", "change_lock", name="operator")
    status, released = send(operator, "post", f"{address}release/", {"reason": "defended"})
    assert (status, released["released_at"] is None) == (200, False)
    assert AuditEvent.objects.get(action="inventory.lock_release").reason == "defended"
    assert send(operator, "delete", address)[1]["code"] == "invalid_transition"
    assert send(operator, "post", f"{LOCKS}4711/release/", {})[0] == 404
    assert send(operator, "put", address, {"expires_at": END})[0] == 405
    assert operator.get(f"{address}holding/").json()["size_bytes"] == 0


def test_locks_are_found_by_what_they_hold_and_by_their_state() -> None:
    kept = LockFactory(dataset_pattern="/A/*", owner="asmith")
    LockFactory(dataset_pattern="/A/B/C", released_at="2026-01-01T00:00:00Z")
    LockFactory(dataset_pattern="/B/*")
    client = client_with("view_lock")

    def found(**query: str) -> list[int]:
        return sorted(lock["id"] for lock in client.get(LOCKS, query).json()["results"])

    assert found(holds_dataset="/A/B/C", state="in_force") == [kept.pk]
    assert len(found(holds_dataset="/A/B/C")) == 2
    assert len(found(state="over")) == 1
    assert found(owner="asmith", holds_dataset="/C") == []
    assert client.get(LOCKS, {"state": "maybe"}).status_code == 400


def test_a_list_counts_what_its_locks_hold_in_as_many_queries_for_many_as_for_few() -> None:
    BlockReplicaFactory(block__dataset__name="/A0/B/C", site=SiteFactory(name="T2_A"), size_bytes=70)
    client = client_with("view_lock")
    client.get(LOCKS)  # notes when the token was used
    counts = []
    for number in (3, 40):
        for index in range(number):
            LockFactory(dataset_pattern=f"/A{index}/*")
        with CaptureQueriesContext(connection) as queries:
            results = client.get(LOCKS, {"holdings": "true"}).json()["results"]
        counts.append(len(queries))
        assert results[-1]["holding"]["size_bytes"] == 70
    assert counts[0] == counts[1]
    assert client.get(LOCKS).json()["results"][0]["holding"] is None


def test_what_a_lock_would_hold_is_counted_without_locking() -> None:
    BlockReplicaFactory(block__dataset__name="/A/B/C", site=SiteFactory(name="T2_A"), size_bytes=70)
    status, found = send(client_with("view_lock"), "post", f"{LOCKS}preview/", {"dataset_pattern": "/A/*"})
    assert (status, found["size_bytes"], found["num_datasets"]) == (200, 70, 1)
    assert not Lock.objects.exists()
    assert send(client_with(), "post", f"{LOCKS}preview/", {"dataset_pattern": "/A/*"})[0] == 403
    assert send(Client(), "post", f"{LOCKS}preview/", {"dataset_pattern": "/A/*"})[0] == 401


def test_a_set_is_replaced_as_a_whole_by_its_owner() -> None:
    address = "/api/v1/inventory/lock-sets/production/campaign-7/"
    body = {"locks": [{"dataset_pattern": "/A/*"}, {"dataset_pattern": "/B/*", "expires_at": END}]}
    assert send(Client(), "put", address, body)[0] == 401
    assert send(client_with("add_lock", name="other"), "put", address, body)[0] == 403
    client = client_with("view_lock", "add_lock", name="production")
    assert client.get(address).status_code == 404
    status, change = send(client, "put", address, body)
    assert (status, len(change["created"]), change["number"]) == (200, 2, 1)
    status, again = send(client, "put", address, body)
    assert (status, again["created"], again["num_unchanged"], again["number"]) == (200, [], 2, 1)
    read = client.get(address).json()
    assert [lock["dataset_pattern"] for lock in read["locks"]] == ["/A/*", "/B/*"]
    status, refusal = send(client, "put", address, body | {"expected_number": 0})
    assert (status, refusal["code"]) == (409, "invalid_transition")
    status, refusal = send(client, "put", address, {"locks": [{"dataset_pattern": "/A/*"}, {"dataset_pattern": "/A/*"}]})
    assert (status, refusal["code"]) == (400, "invalid_input")
    assert "locks[1]" in refusal["message"]
    status, refusal = send(client, "put", address, {"locks": [{"site_pattern": "*"}]})
    assert status == 400
    assert Lock.objects.filter(released_at__isnull=True).count() == 2
