"""Feeds that are sent by who measures them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from inventory.models import AuditEvent, DatasetFacts, FactFeed, Injection
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


ATTRIBUTES = URL.replace("popularity", "attributes")


def test_attributes_are_a_feed_of_their_own_beside_those_of_the_dataset(client: Client) -> None:
    for name in ("/A/1/RAW", "/A/2/RAW"):
        DatasetFactory(name=name, attributes={"physics": "top"})
    first = send(client, {"dataset": "/A/1/RAW", "attributes": {"queue": 7, "region": "EU"}}, url=ATTRIBUTES)
    assert (first.status_code, first.json()["state"]) == (201, "COMPLETED"), first.content
    assert first.json()["counts"]["facts"] == {"created": 1}
    assert send(client, {"dataset": "/A/1/RAW", "attributes": {"queue": 7, "region": "EU"}}, url=ATTRIBUTES).json()["counts"] == {
        "facts": {"unchanged": 1}
    }
    facts = DatasetFacts.objects.get(dataset__name="/A/1/RAW")
    assert (facts.attributes, facts.dataset.attributes) == ({"queue": 7, "region": "EU"}, {"physics": "top"})
    send(client, {"dataset": "/A/2/RAW", "attributes": {}}, url=ATTRIBUTES, at="2026-01-03T00:00:00Z")
    assert dict(DatasetFacts.objects.values_list("dataset__name", "attributes")) == {"/A/1/RAW": None, "/A/2/RAW": {}}
    reader = client_with("view_dataset")
    shown = reader.get("/api/v1/inventory/datasets/?name=/A/2/RAW").json()["results"][0]
    assert (shown["attributes"], shown["usage"]["attributes"]) == ({"physics": "top"}, {})


def test_a_document_that_names_no_feeds_leaves_measured_attributes_alone(client: Client) -> None:
    DatasetFactory(name="/A/1/RAW")
    send(client, {"dataset": "/A/1/RAW", "attributes": {"queue": 7}}, url=ATTRIBUTES)
    document = {"meta": {"now": 1767400000}, "attrs": [{"dataset": "/A/1/RAW", "num_access": 3}]}
    told = client.post("/api/v1/inventory/injections/", json.dumps(document), content_type="application/json").json()
    assert told["state"] == "COMPLETED", told
    assert DatasetFacts.objects.values_list("attributes", "num_accesses").get() == ({"queue": 7}, 3)
    document["attrs"] = [{"dataset": "/A/1/RAW", "attributes": {"queue": 8}}]
    told = client.post("/api/v1/inventory/injections/", json.dumps(document), content_type="application/json").json()
    assert told["rejects"][0]["help"].startswith("name the feed attributes in meta.feeds"), told


@pytest.mark.parametrize("given", ["text", ["list"], {"key": "\x00"}, {"\x00": 1}])
def test_attributes_that_no_database_takes_are_rejected(client: Client, given: Any) -> None:
    DatasetFactory(name="/A/1/RAW")
    told = send(client, {"dataset": "/A/1/RAW", "attributes": given}, url=ATTRIBUTES).json()
    assert (told["state"], told["rejects"][0]["path"]) == ("FAILED", "attrs[0].attributes"), told


def test_who_may_sets_the_freshness_limit_with_the_feed(client: Client) -> None:
    DatasetFactory(name="/A/1/RAW")
    line = {"dataset": "/A/1/RAW", "num_access": 3}
    refused = send(client, line, more="&max_age=12:00:00")
    assert (refused.status_code, "inventory.change_factfeed" in refused.json()["message"]) == (403, True)
    assert not Injection.objects.exists()
    allowed = client_with("add_injection", "change_factfeed")
    assert send(allowed, line, more="&max_age=12:00:00&dry_run=true").status_code == 201
    assert not FactFeed.objects.exists()
    assert send(allowed, line, more="&max_age=12:00:00").json()["state"] == "COMPLETED"
    feed = FactFeed.objects.get()
    assert (feed.max_age, feed.source) == (timedelta(hours=12), "counts")
    event = AuditEvent.objects.get(action="inventory.feed_limit")
    assert (event.details, event.subject) == ({"before_hours": 48, "after_hours": 12}, "feed popularity")
    # The same limit again is no change, so that who only measures may always say it.
    assert send(client, line, more="&max_age=12:00:00").status_code == 201
    assert AuditEvent.objects.filter(action="inventory.feed_limit").count() == 1


@pytest.mark.parametrize("limit", ["0", "-1 00:00:00", "367 00:00:00", "999999999999 00:00:00", "long", "nan", "1e400"])
def test_a_limit_that_is_none_is_refused_and_nothing_taken(limit: str) -> None:
    DatasetFactory(name="/A/1/RAW")
    told = send(client_with("add_injection", "change_factfeed"), {"dataset": "/A/1/RAW"}, more=f"&max_age={limit}")
    assert told.status_code == 400, told.content
    assert not FactFeed.objects.exists()
    assert not Injection.objects.exists()


def test_the_limit_is_edited_by_itself_with_a_reason() -> None:
    feed = FactFeed.objects.create(name="popularity")
    address = f"/api/v1/inventory/fact-feeds/{feed.pk}/"
    client = client_with("view_factfeed", "change_factfeed")
    tag = client.get(address)["ETag"]
    body = {"max_age": "3 00:00:00", "reason": "holidays"}
    told = client.patch(address, json.dumps(body), content_type="application/json", headers={"If-Match": tag})
    assert (told.status_code, told.json()["max_age"]) == (200, "3 00:00:00"), told.content
    event = AuditEvent.objects.get(action="inventory.feed_limit")
    assert (event.reason, event.details["after_hours"]) == ("holidays", 72)
    stale = client.patch(address, json.dumps(body), content_type="application/json", headers={"If-Match": tag})
    assert stale.status_code == 412
