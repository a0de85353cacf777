"""Policies by API: checking a text, running it as a test, its decisions and why they were made."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from kombu.exceptions import OperationalError

from inventory.models import DatasetReplica
from policies.models import Cycle, Partition
from policies.tasks import carry_out_cycle
from tests.factories.api import client_of as token_client
from tests.factories.inventories import dataset, document, replica, site
from tests.factories.policies import define, store

pytestmark = pytest.mark.django_db(transaction=True)
CHECK = "/api/v1/policies/check/"
TEST_RUNS = "/api/v1/policies/test-runs/"
TEXT = """\
Partition P
On site.name == *
When always
Until never
Protect dataset.name == /A/*
Dismiss
"""


@pytest.fixture
def client() -> Client:
    user = User.objects.create_user("reader")
    user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
    return token_client(user)


@pytest.fixture
def carried_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Carry out test runs at once, in place of the worker behind the broker."""
    monkeypatch.setattr(carry_out_cycle, "delay", carry_out_cycle.run)


@pytest.fixture
def inventory() -> None:
    define("P")
    datasets = [dataset("/A/x/RAW"), dataset("/B/x/RAW", ["b1", "b2"])]
    replicas = [replica("/A/x/RAW", "S1"), replica("/B/x/RAW", "S1", ["b1", "b2"])]
    store(document([site("S1")], datasets, replicas))


def post(client: Client, address: str, body: dict[str, object]) -> tuple[int, dict[str, object]]:
    answer = client.post(address, body, content_type="application/json")
    return answer.status_code, answer.json()


def test_a_text_is_checked_with_the_place_of_each_finding(client: Client) -> None:
    status, body = post(client, CHECK, {"text": TEXT.replace("dataset.name", "dataset.nmae")})
    assert status == 200
    assert body["is_valid"] is False
    (error,) = [d for d in body["diagnostics"] if d["severity"] == "error"]
    assert (error["code"], error["line"], error["column"], error["end_column"]) == ("P104", 5, 9, 21)
    assert "dataset.name" in error["help"]
    assert post(client, CHECK, {"text": TEXT})[1]["is_valid"] is True
    assert post(client, CHECK, {"text": TEXT.partition("\n")[2], "partition": "P"})[1]["is_valid"] is True


def test_checking_needs_a_token_and_a_text(client: Client) -> None:
    assert post(Client(), CHECK, {"text": TEXT})[0] == 401
    status, body = post(client, CHECK, {})
    assert status == 400
    assert "text" in body["details"]


@pytest.mark.usefixtures("inventory", "carried_out")
def test_lists_call_a_test_run_what_it_is_a_test_of(client: Client) -> None:
    assert post(client, TEST_RUNS, {"text": TEXT, "title": "P, as edited"})[1]["source"] == "P, as edited"
    assert post(client, TEST_RUNS, {"text": TEXT})[1]["source"] == "text by the API, reader"
    status, body = post(client, TEST_RUNS, {"version": 1, "title": "x"})
    assert (status, list(body["details"])) == (400, ["title"])


@pytest.mark.usefixtures("inventory", "carried_out")
def test_a_test_run_shows_what_the_text_would_do_and_why(client: Client) -> None:
    status, cycle = post(client, TEST_RUNS, {"text": TEXT, "clock": "2026-01-01T00:00:00Z"})
    assert status == 202
    assert cycle["kind"] == "TEST_RUN"
    address = f"/api/v1/policies/cycles/{cycle['id']}/"
    done = client.get(address).json()
    assert (done["state"], done["deleted_bytes"], done["protected_bytes"]) == ("COMPLETED", 2 * 10**12, 10**12)
    assert [(s["site_name"], s["bytes_before"], s["bytes_after"]) for s in done["sites"]] == [("S1", 3 * 10**12, 10**12)]
    decisions = client.get(address + "decisions/").json()
    assert [(d["dataset"], d["decision"], d["line"]) for d in decisions["results"]] == [
        ("/A/x/RAW", "protect", 5),
        ("/B/x/RAW", "delete", 0),
    ]
    only = client.get(address + "decisions/", {"decision": "delete", "page_size": 1}).json()
    assert (only["total"], only["size_bytes"], only["results"][0]["dataset"]) == (1, 2 * 10**12, "/B/x/RAW")
    why = client.get(address + "explain/", {"dataset": "/A/x/RAW", "site": "S1"}).json()
    (evaluation,) = why["explanation"]["evaluations"]
    rules = {rule["line"]: (rule["outcome"], rule["ends_pass"]) for rule in evaluation["rules"]}
    assert rules[5] == ("true", True)
    assert rules[0] == ("not reached", False)
    seen = evaluation["rules"][0]["values"][0]
    assert (seen["variable"], seen["value"], seen["truth"]) == ("dataset.name", "/A/x/RAW", "true")


@pytest.mark.usefixtures("inventory", "carried_out")
def test_an_explanation_is_of_what_the_cycle_saw_and_asks_the_inventory_nothing(client: Client) -> None:
    _, cycle = post(client, TEST_RUNS, {"text": TEXT, "clock": "2026-01-01T00:00:00Z"})
    address = f"/api/v1/policies/cycles/{cycle['id']}/explain/"
    before = client.get(address, {"dataset": "/B/x/RAW", "site": "S1"}).json()
    assert before["explanation"]["planner"] == [
        "2 blocks (2 TB) dismissed by the default (Dismiss) and deleted in step 1: the only deletion at S1."
    ]
    DatasetReplica.objects.all().delete()
    Partition.objects.update(condition="dataset.name == /nothing")
    with CaptureQueriesContext(connection) as queries:
        after = client.get(address, {"dataset": "/B/x/RAW", "site": "S1"}).json()
    assert after == before
    assert not [query["sql"] for query in queries if "inventory_" in query["sql"]]
    default_storage.delete(Cycle.objects.get().evidence_file)
    gone = client.get(address, {"dataset": "/B/x/RAW", "site": "S1"}).json()
    assert (gone["explanation"], gone["problem"]) == (None, "What the cycle saw is not kept any more; its decisions are.")


@pytest.mark.usefixtures("inventory", "carried_out")
def test_wrong_queries_about_a_cycle_are_refused(client: Client) -> None:
    _, cycle = post(client, TEST_RUNS, {"text": TEXT})
    address = f"/api/v1/policies/cycles/{cycle['id']}/"
    assert client.get(address + "decisions/", {"decisoin": "delete"}).json()["details"].keys() == {"decisoin"}
    assert client.get(address + "decisions/", {"decision": "eat"}).status_code == 400
    assert client.get(address + "explain/", {"dataset": "/A/x/RAW"}).status_code == 400
    missing = client.get(address + "explain/", {"dataset": "/A/x/RAW", "site": "S9"}).json()
    assert missing["explanation"] is None
    assert missing["problem"] == "S9 held no replica of /A/x/RAW when the cycle read the inventory."
    missing = client.get(address + "explain/", {"dataset": "/X", "site": "S1"}).json()
    assert "no block of /X that is in the partition P" in missing["problem"]
    assert client.get("/api/v1/policies/cycles/999999/decisions/").status_code == 404


@pytest.mark.usefixtures("inventory")
def test_a_wrong_text_starts_no_test_run(client: Client) -> None:
    status, body = post(client, TEST_RUNS, {"text": "Partition P\nDismiss"})
    assert (status, body["code"]) == (400, "policy_invalid")
    status, body = post(client, TEST_RUNS, {"text": TEXT.replace("Partition P", "Partition Q")})
    assert (status, body["code"]) == (404, "partition_unknown")
    assert not Cycle.objects.exists()


@pytest.mark.usefixtures("inventory")
def test_a_broker_that_is_down_fails_the_test_run_at_once(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(carry_out_cycle, "delay", refuse)
    status, body = post(client, TEST_RUNS, {"text": TEXT})
    assert (status, body["code"]) == (503, "worker_unreachable")
    assert Cycle.objects.get().state == "FAILED"


def test_a_test_run_needs_the_right_to_see_decisions() -> None:
    assert post(token_client(User.objects.create_user("nobody")), TEST_RUNS, {"text": TEXT})[0] == 403
    assert not Cycle.objects.exists()
