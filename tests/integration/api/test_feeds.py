"""Feeds that are sent by who measures them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from inventory.models import DatasetFacts, FactFeed, Injection
from tests.factories.api import client_with
from tests.factories.inventory import DatasetFactory

pytestmark = pytest.mark.django_db
URL = "/api/v1/inventory/feeds/popularity/?source=counts&measured_at="


@pytest.fixture
def client() -> Client:
    return client_with("add_injection")


def send(client: Client, *lines: dict[str, Any] | str, at: str = "2026-01-02T00:00:00Z", url: str = URL, more: str = "") -> Any:
    body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return client.post(url + at + more, body, content_type="application/x-ndjson")


def test_a_feed_is_complete_dated_and_has_a_source(client: Client) -> None:
    for name in ("/A/1/RAW", "/A/2/RAW"):
        DatasetFactory(name=name)
    first = send(client, {"dataset": "/A/1/RAW", "num_access": 3}, {"dataset": "/A/2/RAW", "num_access": 4, "last_access": 0})
    assert (first.status_code, first.json()["state"]) == (201, "COMPLETED"), first.content
    assert send(client, {"dataset": "/A/2/RAW", "num_access": 5}, at="2026-01-03T00:00:00Z").json()["state"] == "COMPLETED"
    assert list(DatasetFacts.objects.order_by("dataset__name").values_list("num_accesses", flat=True)) == [None, 5]
    assert FactFeed.objects.values_list("name", "source", "measured_at").get() == (
        "popularity",
        "counts",
        datetime(2026, 1, 3, tzinfo=UTC),
    )
    send(client, {"dataset": "/A/2/RAW", "num_access": 9})
    assert DatasetFacts.objects.get(num_accesses=5).dataset.name == "/A/2/RAW"


def test_facts_of_other_feeds_and_unknown_datasets_are_rejected_with_their_line(client: Client) -> None:
    DatasetFactory(name="/A/1/RAW")
    told = send(client, {"dataset": "/A/1/RAW", "tape_copy_requested": True}, {"dataset": "/No/Such/RAW"}).json()
    assert (told["state"], [reject["number"] for reject in told["rejects"]]) == ("FAILED", [2, 3])
    assert not FactFeed.objects.exists()


@pytest.mark.parametrize("line", ['{"dataset": "/A"}], "dataset": [{"name": "/X/Y/Z"}', "[1]", "{", "\udcff"])
def test_a_line_can_say_nothing_but_facts(client: Client, line: str) -> None:
    body = line.encode("utf-8", "surrogateescape")
    answer = client.post(URL + "2026-01-02T00:00:00Z", body, content_type="application/x-ndjson")
    assert answer.status_code == 400
    assert "line 1" in answer.json()["message"]
    assert not Injection.objects.exists()


def test_what_must_be_said_and_what_there_is(client: Client) -> None:
    assert client.post("/api/v1/inventory/feeds/popularity/", "", content_type="application/x-ndjson").status_code == 400
    assert send(client, {}, url=URL.replace("popularity", "moonphase")).status_code == 404
    future = send(client, {"dataset": "/A"}, at="2999-01-01T00:00:00Z").json()
    assert (future["state"], "future" in future["error"]) == ("FAILED", True)


def test_a_feed_without_a_dataset_is_refused_because_it_would_say_that_nobody_reads_any(client: Client) -> None:
    for body in (" ", "\n\n"):
        told = send(client, body).json()
        assert "names no dataset" in told.get("message", ""), told
    assert not FactFeed.objects.exists()


def test_a_dry_run_changes_nothing(client: Client) -> None:
    DatasetFactory(name="/A/1/RAW")
    told = send(client, {"dataset": "/A/1/RAW", "num_access": 3}, more="&dry_run=true").json()
    assert (told["is_dry_run"], told["counts"]["facts"]) == (True, {"created": 1})
    assert not DatasetFacts.objects.exists()
