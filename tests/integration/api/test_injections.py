"""Documents sent by POST: small ones at once, large ones by a worker; polled, cancelled, mended."""

from __future__ import annotations

import gzip
import json
import lzma
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.utils import timezone

from inventory.models import Dataset, DatasetFacts, FactFeed, Injection, Site
from inventory.services import injection_jobs
from inventory.services.injection_jobs import injection_carry_out
from tests.factories.api import client_with
from tests.factories.inventory import small_document

pytestmark = pytest.mark.django_db
URL = "/api/v1/inventory/injections/"


@pytest.fixture
def client() -> Client:
    return client_with("add_injection", "view_injection", "add_site", "change_site")


def post(client: Client, body: bytes | dict[str, Any], query: str = "", **headers: str) -> Any:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(URL + query, content, content_type="application/json", headers=headers)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress], ids=["plain", "gz", "xz"])
def test_a_small_document_is_taken_at_once(client: Client, pack: Any) -> None:
    answer = post(client, pack(json.dumps(small_document()).encode()))
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert (told["state"], told["num_records"], told["counts"]["datasets"]) == ("COMPLETED", 6, {"created": 1})
    assert Dataset.objects.get().name == "/A/B/C"
    assert client.get(f"{URL}{told['id']}/").json()["state"] == "COMPLETED"


def test_a_wrong_record_is_told_with_its_place_and_nothing_is_kept(client: Client) -> None:
    document = small_document()
    document["dataset"][0]["blocks"][0]["files"][0]["size"] = -5
    told = post(client, document).json()
    assert (told["state"], told["num_rejects"]) == ("FAILED", 2)
    first = told["rejects"][0]
    assert (first["path"], first["found"], first["expected"]) == ("dataset[0].blocks[0].files[0].size", "-5", "int >= 0")
    assert Site.objects.count() == 0


def test_a_name_that_no_database_takes_is_told_with_what_is_wrong_made_visible(client: Client) -> None:
    told = post(client, {"site": [{"name": "S1", "st\x00atus": "x"}], "\x00": []}, "?skip_bad=true").json()
    paths = [reject["path"] for reject in told["rejects"]]
    assert told["state"] in {"FAILED", "COMPLETED"}
    assert any("\\x00" in path for path in paths)
    assert not any("\x00" in text for reject in told["rejects"] for text in reject.values() if isinstance(text, str))
    told = post(client, {"site": [{"name": "S1", "status\ud941": "x"}]}).json()
    assert told["state"] == "FAILED"
    assert "\\ud941 is half of a character" in json.dumps(told, ensure_ascii=False).replace("\\\\", "\\")


def test_bad_records_are_left_out_and_can_be_mended(client: Client) -> None:
    told = post(client, {"site": [{"name": "S1"}, {"name": "S2", "status": "up"}]}, "?skip_bad=true").json()
    assert (told["state"], told["num_rejects"]) == ("COMPLETED", 1)
    answer = client.get(f"{URL}{told['id']}/bad-records/")
    lines = gzip.decompress(b"".join(answer.streaming_content)).splitlines()
    assert json.loads(lines[1]) == {"site": [{"name": "S2", "status": "up"}]}
    assert post(client, b"\n".join(lines).replace(b'"up"', b'"ready"')).json()["state"] == "COMPLETED"
    assert set(Site.objects.values_list("name", flat=True)) == {"S1", "S2"}


def test_a_dry_run_tells_and_changes_nothing(client: Client) -> None:
    told = post(client, small_document(), "?dry_run=true").json()
    assert (told["state"], told["is_dry_run"], told["counts"]["files"]) == ("COMPLETED", True, {"created": 2})
    assert Site.objects.count() == 0
    assert post(client, small_document()).json()["counts"] == told["counts"]


def test_a_feed_names_what_it_carries(client: Client) -> None:
    post(client, small_document())
    feed = {
        "meta": {"now": 1764547200, "feeds": ["popularity"], "source": "popdb"},
        "attrs": [{"dataset": "/A/B/C", "num_access": 7}],
    }
    assert post(client, feed).json()["state"] == "COMPLETED"
    assert DatasetFacts.objects.get().num_accesses == 7
    assert list(FactFeed.objects.values_list("name", "source")) == [("popularity", "popdb")]


@pytest.mark.parametrize(
    ("body", "query", "status", "code"),
    [
        (b"", "", 411, "length_required"),
        (b'{"site": []}', "?dry-run=true", 400, "invalid"),
        (b'{"site": []}', "?dry_run=perhaps", 400, "invalid"),
    ],
)
def test_requests_that_cannot_be_meant_are_refused(client: Client, body: bytes, query: str, status: int, code: str) -> None:
    answer = post(client, body, query)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert Injection.objects.count() == 0


@pytest.mark.parametrize("body", [b'{"site":\n [{"name": "S1"}', b"\x1f\x8b\x08junk", b'{"site":\n [{"name": "\xff"}]}'])
def test_a_document_that_cannot_be_read_is_a_failed_injection(client: Client, body: bytes) -> None:
    told = post(client, body).json()
    assert told["state"] == "FAILED"
    assert "cut off" in told["error"] or "damaged" in told["error"]
    assert Site.objects.count() == 0
    assert post(client, {"site": [{"name": "S1"}]}).json()["state"] == "COMPLETED"


def test_a_body_beyond_the_limit_is_refused(client: Client, settings: Any) -> None:
    settings.DYNAMO_INJECT_MAX_BYTES = 1000
    answer = post(client, b'{"site": []}' + b" " * 1000)
    assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    assert "more than 1,000 bytes" in answer.json()["message"]
    assert Injection.objects.count() == 0


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every document count as a large one."""
    monkeypatch.setattr(injection_jobs, "AT_ONCE_BYTES", 0)


@pytest.mark.usefixtures("large")
def test_a_large_document_waits_for_a_worker_who_drops_it_when_it_is_done(client: Client) -> None:
    answer = post(client, small_document())
    told = answer.json()
    assert (answer.status_code, told["state"]) == (202, "QUEUED")
    stored = Injection.objects.get().document
    assert default_storage.exists(stored)
    injection = injection_carry_out(injection_id=told["id"])
    assert injection is not None
    assert injection.state == "COMPLETED"
    assert injection_carry_out(injection_id=told["id"]) is None
    assert not default_storage.exists(stored)
    assert Dataset.objects.count() == 1


@pytest.mark.usefixtures("large")
def test_a_dry_run_by_a_worker_is_confirmed_and_then_done(client: Client) -> None:
    shown = post(client, small_document(), "?dry_run=true").json()
    assert client.post(f"{URL}{shown['id']}/confirm/").status_code == 409
    injection_carry_out(injection_id=shown["id"])
    answer = client.post(f"{URL}{shown['id']}/confirm/")
    assert answer.status_code == 202
    assert Dataset.objects.count() == 0
    injection_carry_out(injection_id=answer.json()["id"])
    done = client.get(f"{URL}{answer.json()['id']}/").json()
    assert (done["state"], done["is_dry_run"]) == ("COMPLETED", False)
    assert done["counts"] == client.get(f"{URL}{shown['id']}/").json()["counts"]
    assert client.post(f"{URL}{shown['id']}/confirm/").status_code == 409


@pytest.mark.usefixtures("large")
def test_a_waiting_injection_is_cancelled_and_never_begins(client: Client) -> None:
    told = post(client, small_document()).json()
    cancelled = client.post(f"{URL}{told['id']}/cancel/").json()
    assert cancelled["state"] == "CANCELLED"
    assert injection_carry_out(injection_id=told["id"]) is None
    assert client.post(f"{URL}{told['id']}/cancel/").status_code == 409
    assert Site.objects.count() == 0


@pytest.mark.postgres
@pytest.mark.usefixtures("large")
@pytest.mark.django_db(transaction=True)
def test_a_running_injection_stops_when_it_is_cancelled(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from inventory.services import injection_rows  # noqa: PLC0415 - patched for the one thing

    monkeypatch.setattr(injection_rows, "_PROGRESS_EVERY", -1.0)
    told = post(client, small_document()).json()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE inventory_injection SET cancelled_by = 'somebody'")
    injection = injection_carry_out(injection_id=told["id"])
    assert injection is not None
    assert (injection.state, injection.error) == ("CANCELLED", "cancelled by somebody; nothing was kept")
    assert Site.objects.count() == 0


def test_who_may_not_inject_may_at_most_look() -> None:
    reader = client_with("view_injection")
    assert post(reader, small_document()).status_code == 403
    told = post(client_with("add_injection", "view_injection", "add_site", "change_site"), small_document()).json()
    assert reader.get(f"{URL}{told['id']}/").status_code == 200
    assert reader.post(f"{URL}{told['id']}/cancel/").status_code == 403
    assert Client().get(URL).status_code == 401


def test_the_same_key_injects_once(client: Client) -> None:
    first = post(client, small_document(), **{"Idempotency-Key": "once"})
    again = post(client, small_document(), **{"Idempotency-Key": "once"})
    assert (first.status_code, again.json()) == (201, first.json())
    assert Injection.objects.count() == 1


@pytest.mark.usefixtures("large")
def test_an_injection_whose_message_was_lost_is_asked_for_again(client: Client) -> None:
    from datetime import timedelta  # noqa: PLC0415

    from inventory.services.injections import injections_sweep  # noqa: PLC0415
    from inventory.signals import injection_queued  # noqa: PLC0415

    told = post(client, small_document()).json()
    asked: list[int] = []

    def note(sender: object, *, injection_id: int, **kwargs: Any) -> None:
        asked.append(injection_id)

    injection_queued.connect(note)
    try:
        injections_sweep(now=timezone.now())
        assert asked == []
        injections_sweep(now=timezone.now() + timedelta(minutes=5))
        assert asked == [told["id"]]
    finally:
        injection_queued.disconnect(note)
