"""The same request twice at the same moment, on two connections: one act, one answer; and an edit against another edit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from dynamo_site.models import AnsweredRequest
from inventory.services.audit import Actor
from policies.models import Policy, PolicyVersion
from policies.services.policies import policy_create
from tests.factories.api import token_of
from tests.factories.policies import define

pytestmark = [pytest.mark.django_db(transaction=True)]
TEXT = "Partition P\nOn site.name == *\nWhen always\nUntil never\nDismiss\n"
ROUNDS = 5


def at_once(*requests: Any) -> list[Any]:
    """Send all at the same moment, each on a connection of its own; return the answers."""
    barrier = Barrier(len(requests))

    def send(request: Any) -> Any:
        try:
            barrier.wait(timeout=60)
            return request()
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(requests)) as pool:
        return [future.result(120) for future in [pool.submit(send, request) for request in requests]]


@pytest.fixture
def policy() -> Policy:
    define("P")
    return policy_create(name="P", partition_name="P", actor=Actor("factory"))


@pytest.fixture
def headers() -> dict[str, str]:
    headers = {"Authorization": f"Token {token_of(User.objects.create_superuser('root'))}"}
    # The first request of a process sets up what later ones share; a server does that before it listens.
    assert Client().get("/api/v1/", headers=headers).status_code == 200
    return headers


def test_of_two_equal_requests_at_once_one_acts_and_both_get_its_answer(policy: Policy, headers: dict[str, str]) -> None:
    address = f"/api/v1/policies/policies/{policy.pk}/versions/"

    def post(key: str) -> Any:
        return Client().post(address, {"text": TEXT}, content_type="application/json", headers=headers | {"Idempotency-Key": key})

    for number in range(ROUNDS):
        key = f"k{number}"
        answers = at_once(lambda key=key: post(key), lambda key=key: post(key))
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json() == answers[1].json()
        assert sorted("Idempotency-Replayed" in answer for answer in answers) == [False, True]
        assert PolicyVersion.objects.count() == number + 1
    assert AnsweredRequest.objects.count() == ROUNDS


def test_of_two_edits_of_one_version_at_once_one_is_refused(policy: Policy, headers: dict[str, str]) -> None:
    address = f"/api/v1/policies/policies/{policy.pk}/expectations/"

    def put(text: str, etag: str) -> Any:
        return Client().put(address, {"text": text}, content_type="application/json", headers=headers | {"If-Match": etag})

    for number in range(ROUNDS):
        etag = Client().get(address, headers=headers)["ETag"]
        texts = [f"expect protect dataset.name == /{who}{number}/*" for who in "AB"]
        answers = at_once(*(lambda text=text, etag=etag: put(text, etag) for text in texts))
        assert sorted(answer.status_code for answer in answers) == [200, 412]
        policy.refresh_from_db()
        assert policy.expectations == next(answer.json()["text"] for answer in answers if answer.status_code == 200)
