"""What holds for every endpoint: scopes, strict input, versions, repeated requests, throttles, one shape of errors."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import OperationalError
from django.test import Client
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerGone
from pytest_django import Settings
from rest_framework.throttling import SimpleRateThrottle

from dynamo_site.models import AnsweredRequest, ApiToken
from dynamo_site.services.answers import answers_purge
from inventory.models import AuditEvent, Site
from inventory.services.audit import Actor
from operations.models import PauseSwitch
from policies.models import Cycle, Policy, PolicyVersion
from policies.services.policies import policy_create
from policies.tasks import carry_out_cycle
from tests.factories.api import client_of, client_with, token_of
from tests.factories.policies import define

pytestmark = pytest.mark.django_db
PAUSE = "/api/v1/operations/pause/"
SITES = "/api/v1/inventory/sites/"
CHECK = "/api/v1/policies/check/"
TEST_RUNS = "/api/v1/policies/test-runs/"
TEXT = "Partition P\nOn site.name == *\nWhen always\nUntil never\nDismiss\n"


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root")


@pytest.fixture
def client(root: User) -> Client:
    return client_of(root)


@pytest.fixture
def policy() -> Policy:
    define("P")
    return policy_create(name="P", partition_name="P", actor=Actor("factory"))


def put(client: Client, address: str, body: Any, **headers: str) -> Any:
    return client.put(address, body, content_type="application/json", headers=headers)


def post(client: Client, address: str, body: Any, **headers: str) -> Any:
    return client.post(address, body, content_type="application/json", headers=headers)


# ---- scopes ----------------------------------------------------------------------------------------------------------------


def test_a_token_opens_what_its_scopes_name_and_no_more(root: User) -> None:
    reader, writer = client_of(root, "read"), client_of(root, "operations:write")
    assert reader.get(SITES).status_code == 200
    refused = put(reader, PAUSE, {"is_paused": True, "reason": "x"})
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")
    assert "operations:write" in refused.json()["message"]
    assert put(writer, PAUSE, {"is_paused": True, "reason": "x"}).status_code == 200
    assert writer.get(SITES).json()["code"] == "scope_missing"
    assert post(reader, CHECK, {"text": TEXT}).status_code == 200, "asking what changes nothing is reading"


def test_a_scope_gives_no_right_that_the_user_lacks() -> None:
    everything = client_with()
    assert everything.get(SITES).status_code == 403
    assert put(everything, PAUSE, {"is_paused": True, "reason": "x"}).json()["code"] == "permission_denied"


def test_the_token_of_an_inactive_user_is_refused(root: User, client: Client) -> None:
    User.objects.update(is_active=False)
    assert client.get(SITES).status_code == 401


@pytest.mark.parametrize("text", ["nonsense", "x" * 64, "\u00e4", ""])
def test_what_is_no_token_is_refused(text: str) -> None:
    answer = Client(headers={"Authorization": f"Token {text}".encode().decode("latin-1")}).get(SITES)
    assert (answer.status_code, set(answer.json())) == (401, {"code", "message", "details"})


def test_the_last_use_of_a_token_is_noted_once_a_minute(root: User, client: Client) -> None:
    client.get(SITES)
    first = ApiToken.objects.get().last_used_at
    client.get(SITES)
    assert first is not None
    assert ApiToken.objects.get().last_used_at == first
    ApiToken.objects.update(last_used_at=first - timedelta(minutes=2))
    client.get(SITES)
    assert ApiToken.objects.get().last_used_at >= first


def test_a_session_needs_the_csrf_token_to_write(root: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(root)
    assert browser.get(PAUSE).status_code == 200
    refused = put(browser, PAUSE, {"is_paused": True, "reason": "x"})
    assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert not PauseSwitch.objects.filter(is_paused=True).exists()


# ---- strict input ----------------------------------------------------------------------------------------------------------


def test_unknown_fields_are_refused_and_named(client: Client) -> None:
    answer = put(client, PAUSE, {"is_paused": True, "reason": "x", "raeson": "y"})
    assert answer.status_code == 400
    assert "there are: is_paused, reason" in answer.json()["details"]["raeson"][0]["message"]
    assert not PauseSwitch.objects.filter(is_paused=True).exists()


@pytest.mark.parametrize("address", [PAUSE, "/api/v1/", "/api/v1/inventory/"])
def test_unknown_parameters_are_refused_everywhere(client: Client, address: str) -> None:
    answer = client.get(address, {"x": "1"})
    assert (answer.status_code, list(answer.json()["details"])) == (400, ["x"])


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b'{"is_paused": true', 400, "not JSON"),
        (b'{"is_paused": true, "is_paused": false, "reason": "x"}', 400, "twice"),
        (b'{"is_paused": true, "reason": "\\u0000"}', 400, "NUL"),
        (b'{"is_paused": true, "reason": "\\ud800"}', 400, "surrogate"),
        (b'{"is_paused": true, "reason": "\xff"}', 400, "UTF-8"),
        (b'{"is_paused": NaN, "reason": "x"}', 400, "NaN"),
        (b'{"is_paused": 1e999, "reason": "x"}', 400, "out of range"),
        (b'{"is_paused": ' + b"9" * 5000 + b', "reason": "x"}', 400, "not JSON"),
        (b"[" * 101 + b"]" * 101, 400, "deeper"),
        (b"[" * 100_000 + b"]" * 100_000, 400, "deeper"),
        (b"[]", 400, "Invalid data"),
        (b"7", 400, "Invalid data"),
        (b'"' + b"x" * 17 * 2**20 + b'"', 413, "larger than"),
    ],
    ids=lambda value: None if isinstance(value, bytes) else str(value),
)
def test_hostile_bodies_are_refused_with_the_reason(client: Client, body: bytes, status: int, words: str) -> None:
    answer = client.put(PAUSE, body, content_type="application/json")
    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message", "details"}
    assert words in json.dumps(answer.json())


def test_other_bodies_than_json_are_refused_in_the_one_shape(client: Client) -> None:
    answer = client.put(PAUSE, "a=b", content_type="application/x-www-form-urlencoded")
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    assert client.get(SITES, headers={"Accept": "text/html"}).status_code == 406
    assert client.delete(SITES).json()["code"] == "method_not_allowed"


def test_a_missing_slash_is_an_error_and_no_redirection(client: Client) -> None:
    answer = client.put(PAUSE.rstrip("/"), {}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_a_database_that_is_away_is_told_as_such(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(*arguments: object) -> None:
        raise OperationalError("server closed the connection")

    monkeypatch.setattr("operations.api.pause.pause_state", gone)
    answer = client.get(PAUSE)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert int(answer["Retry-After"]) > 0


# ---- versions --------------------------------------------------------------------------------------------------------------


def test_an_object_has_a_version_that_saves_reading_it_again(client: Client) -> None:
    site = Site.objects.create(name="S1")
    address = f"{SITES}{site.pk}/"
    etag = client.get(address)["ETag"]
    assert etag.startswith('"')
    same = client.get(address, headers={"If-None-Match": f'"other", W/{etag}'})
    assert (same.status_code, same.content, same["ETag"]) == (304, b"", etag)
    Site.objects.update(host="elsewhere")
    assert client.get(address, headers={"If-None-Match": etag}).status_code == 200
    assert "ETag" not in client.get(SITES)


def test_an_edit_must_name_the_version_that_it_changes(client: Client, policy: Policy) -> None:
    address = f"/api/v1/policies/policies/{policy.pk}/expectations/"
    body = {"text": "expect protect dataset.name == /A/*"}
    read = client.get(address)
    assert read.json() == {"text": ""}
    missing = put(client, address, body)
    assert (missing.status_code, missing.json()["code"]) == (428, "version_required")
    wrong = put(client, address, body, **{"If-Match": '"0"'})
    assert (wrong.status_code, wrong.json()["code"]) == (412, "version_changed")
    assert put(client, address, body, **{"If-Match": "0"}).status_code == 400
    policy.refresh_from_db()
    assert policy.expectations == ""
    saved = put(client, address, body, **{"If-Match": read["ETag"]})
    assert saved.status_code == 200
    assert put(client, address, {"text": ""}, **{"If-Match": read["ETag"]}).status_code == 412
    assert put(client, address, {"text": ""}, **{"If-Match": client.get(address)["ETag"]}).status_code == 200


def test_an_act_below_an_object_checks_the_version_when_it_is_told(client: Client, policy: Policy) -> None:
    above = f"/api/v1/policies/policies/{policy.pk}/"
    etag = client.get(above)["ETag"]
    Policy.objects.update(is_enabled=False)
    body = {"text": TEXT}
    assert post(client, above + "versions/", body, **{"If-Match": etag}).status_code == 412
    assert not PolicyVersion.objects.exists()
    assert post(client, above + "versions/", body, **{"If-Match": client.get(above)["ETag"]}).status_code == 201


def test_an_emergency_stop_needs_no_version_and_heeds_one(client: Client) -> None:
    etag = client.get(PAUSE)["ETag"]
    assert put(client, PAUSE, {"is_paused": True, "reason": "x"}).status_code == 200
    assert put(client, PAUSE, {"is_paused": False, "reason": "y"}, **{"If-Match": etag}).status_code == 412
    assert PauseSwitch.objects.get().is_paused


# ---- repeated requests -----------------------------------------------------------------------------------------------------


def test_a_repeated_request_gets_the_first_answer_and_acts_once(client: Client, policy: Policy) -> None:
    address = f"/api/v1/policies/policies/{policy.pk}/versions/"
    first = post(client, address, {"text": TEXT}, **{"Idempotency-Key": "k1"})
    second = post(client, address, {"text": TEXT}, **{"Idempotency-Key": "k1"})
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert second["Idempotency-Replayed"] == "true"
    assert PolicyVersion.objects.count() == 1
    assert AuditEvent.objects.filter(action="policies.version_create").count() == 1


def test_a_key_belongs_to_one_request_of_one_user(client: Client, policy: Policy) -> None:
    address = f"/api/v1/policies/policies/{policy.pk}/versions/"
    assert post(client, address, {"text": TEXT}, **{"Idempotency-Key": "k1"}).status_code == 201
    other = post(client, address, {"text": TEXT, "comment": "x"}, **{"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")
    elsewhere = post(client, CHECK, {"text": TEXT}, **{"Idempotency-Key": "k1"})
    assert elsewhere.status_code == 422
    second_user = client_of(User.objects.create_superuser("second"))
    assert post(second_user, address, {"text": TEXT}, **{"Idempotency-Key": "k1"}).status_code == 201
    assert PolicyVersion.objects.count() == 2


def test_a_refusal_is_not_kept(client: Client, policy: Policy) -> None:
    address = f"/api/v1/policies/policies/{policy.pk}/versions/"
    assert post(client, address, {"text": "nonsense"}, **{"Idempotency-Key": "k1"}).status_code == 400
    assert not AnsweredRequest.objects.exists()
    assert post(client, address, {"text": TEXT}, **{"Idempotency-Key": "k1"}).status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_a_key_that_cannot_be_kept_is_refused(client: Client, key: str) -> None:
    answer = post(client, CHECK, {"text": TEXT}, **{"Idempotency-Key": key})
    assert (answer.status_code, list(answer.json()["details"])) == (400, ["Idempotency-Key"])


@pytest.mark.django_db(transaction=True)
def test_an_act_whose_wake_up_fails_may_be_asked_for_again(
    client: Client, policy: Policy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object) -> None:
        raise BrokerGone("connection refused")

    monkeypatch.setattr(carry_out_cycle, "delay", refuse)
    failed = post(client, TEST_RUNS, {"text": TEXT}, **{"Idempotency-Key": "k1"})
    assert (failed.status_code, failed.json()["code"]) == (503, "worker_unreachable")
    assert not AnsweredRequest.objects.exists()
    monkeypatch.setattr(carry_out_cycle, "delay", lambda *arguments: None)
    assert post(client, TEST_RUNS, {"text": TEXT}, **{"Idempotency-Key": "k1"}).status_code == 202
    assert list(Cycle.objects.order_by("pk").values_list("state", flat=True)) == ["FAILED", "RUNNING"]


@pytest.mark.django_db(transaction=True)
def test_a_crash_leaves_neither_the_act_nor_its_answer(client: Client, policy: Policy, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"/api/v1/policies/policies/{policy.pk}/versions/"
    client.raise_request_exception = False
    with monkeypatch.context() as patch:
        patch.setattr("dynamo_site.api.guarding.answer_keep", lambda *arguments, **named: 1 / 0)
        assert post(client, address, {"text": TEXT}, **{"Idempotency-Key": "k1"}).status_code == 500
    assert (PolicyVersion.objects.count(), AnsweredRequest.objects.count()) == (0, 0)
    assert post(client, address, {"text": TEXT}, **{"Idempotency-Key": "k1"}).status_code == 201


def test_old_answers_are_forgotten(client: Client, policy: Policy, settings: Settings) -> None:
    post(client, f"/api/v1/policies/policies/{policy.pk}/versions/", {"text": TEXT}, **{"Idempotency-Key": "k1"})
    settings.DYNAMO_IDEMPOTENCY_HOURS = 2
    assert answers_purge(now=timezone.now() + timedelta(hours=1.9)) == 0
    assert answers_purge(now=timezone.now() + timedelta(hours=2.1)) == 1


# ---- throttles -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    cache.clear()
    rates = dict.fromkeys(["user", "token", "expensive", "anonymous"], "1000/min")
    monkeypatch.setattr(SimpleRateThrottle, "THROTTLE_RATES", rates)
    return rates


def test_too_many_requests_are_told_when_to_come_back(root: User, client: Client, rates: dict[str, str]) -> None:
    rates["user"] = "2/min"
    assert [client.get(PAUSE).status_code for _ in range(3)] == [200, 200, 429]
    refused = client_of(root).get(PAUSE)
    assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
    assert 1 <= int(refused["Retry-After"]) <= 61
    assert client_with().get(PAUSE).status_code == 200, "another user is not held up"


def test_tokens_and_expensive_requests_have_rates_of_their_own(root: User, client: Client, rates: dict[str, str]) -> None:
    rates["token"] = "1/min"
    assert [client.get(PAUSE).status_code for _ in range(2)] == [200, 429]
    rates |= {"token": "1000/min", "expensive": "1/min"}
    other = client_of(root)
    assert [post(other, CHECK, {"text": TEXT}).status_code for _ in range(2)] == [200, 429]
    assert other.get(PAUSE).status_code == 200


def test_guessing_tokens_is_slowed_down(rates: dict[str, str]) -> None:
    rates["anonymous"] = "2/min"
    answers = [Client(headers={"Authorization": f"Token {n:064x}", "X-Forwarded-For": str(n)}).get(PAUSE) for n in range(4)]
    assert [answer.status_code for answer in answers] == [401, 401, 429, 429]
    assert Client().get("/api/docs/").status_code == 429


def test_the_text_of_a_token_is_nowhere_in_the_database(root: User) -> None:
    text = token_of(root)
    kept = ApiToken.objects.values().get()
    assert not any(text in str(value) for value in kept.values())


def test_the_root_lists_what_there_is(client: Client) -> None:
    listed = client.get("/api/v1/").json()
    assert {"inventory", "policies", "operations", "schema", "docs"} <= set(listed)
    assert client.get(listed["inventory"]).status_code == 200
