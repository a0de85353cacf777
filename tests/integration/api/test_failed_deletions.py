"""Deciding on failed deletions by API: by id, or all of a site, plan or dataset, as the command does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from inventory.models import AuditEvent
from operations.models import Deletion
from operations.services.queue import plan_enqueue
from tests.factories.api import client_of
from tests.factories.operations import NOW, World
from tests.integration.api.rights import user_with

pytestmark = pytest.mark.django_db
DELETIONS = "/api/v1/operations/deletions/"


@pytest.fixture
def decider() -> User:
    return user_with("olga", "operations.change_deletion")


@pytest.fixture
def plans(tmp_path: Path) -> tuple[int, int]:
    """Three failed deletions of one plan and two of another, all at T3_B."""
    world = World(tmp_path)
    made = []
    for dataset, number in (("/A/B-1/RAW", 3), ("/C/D-1/RAW", 2)):
        made.append(world.plan(world.two_copies(number, dataset=dataset)).pk)
        plan_enqueue(made[-1], now=NOW)
        Deletion.objects.filter(plan_id=made[-1]).update(state="FAILED", reason="refused: no right")
    return made[0], made[1]


def decide(client: Client, act: str, *, reason: str = "mended", **choice: Any) -> Any:
    return client.post(f"{DELETIONS}{act}/", {"reason": reason, **choice}, content_type="application/json")


def states() -> list[str]:
    return sorted(Deletion.objects.values_list("state", flat=True))


def test_all_that_failed_at_a_site_is_tried_again_in_one_request(plans: tuple[int, int], decider: User) -> None:
    answer = decide(client_of(decider, "operations:write"), "retry", site="T3_B")
    assert (answer.status_code, answer.json()) == (
        200,
        {"num_deletions": 5, "sites": ["T3_B"], "num_files": 15, "size_bytes": 150},
    )
    assert states() == ["QUEUED"] * 5
    event = AuditEvent.objects.latest("pk")
    assert (event.action, event.reason, event.user_id) == ("operations.deletions_retried", "mended", decider.pk)
    assert (event.subject, event.details["number"]) == (f"plan {plans[0]}, {plans[1]}", 5)


def test_filters_must_all_fit_and_ids_are_taken_as_they_are(plans: tuple[int, int], decider: User) -> None:
    client = client_of(decider)
    assert decide(client, "drop", plan=plans[0], dataset="/C/D-1/RAW").status_code == 404
    assert decide(client, "drop", site="T3_B", dataset="/C/D-1/RAW").json()["num_deletions"] == 2
    assert states() == ["DROPPED"] * 2 + ["FAILED"] * 3
    assert AuditEvent.objects.latest("pk").action == "operations.deletions_given_up"
    failed = Deletion.objects.filter(state="FAILED").values_list("pk", flat=True)
    assert decide(client, "retry", deletions=[failed[0]]).json()["num_deletions"] == 1
    assert states() == ["DROPPED"] * 2 + ["FAILED"] * 2 + ["QUEUED"]


@pytest.mark.parametrize(
    "choice",
    [
        {},
        {"deletions": []},
        {"deletions": [1], "site": "T3_B"},
        {"deletions": [2**63]},
        {"deletions": [1] * 1001},
        {"plan": 0},
        {"site": ""},
        {"site": None},
        {"state": "FAILED"},
        {"site": "T3_B", "reason": " "},
    ],
    ids=range(10),
)
def test_a_choice_of_nothing_or_by_two_ways_is_not_valid(plans: tuple[int, int], decider: User, choice: dict[str, Any]) -> None:
    answer = decide(client_of(decider), "retry", **choice)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert states() == ["FAILED"] * 5


def test_one_that_has_not_failed_or_is_not_there_stops_all_of_them(plans: tuple[int, int], decider: User) -> None:
    client = client_of(decider)
    first, *others = Deletion.objects.order_by("pk").values_list("pk", flat=True)
    decide(client, "retry", deletions=[first])
    refused = decide(client, "drop", deletions=[first, *others])
    assert (refused.status_code, refused.json()["code"]) == (409, "invalid_transition")
    refused = decide(client, "drop", deletions=[*others, 10**9])
    assert (refused.status_code, refused.json()["code"]) == (404, "not_found")
    assert states() == ["FAILED"] * 4 + ["QUEUED"]


def test_without_the_right_nothing_is_told_of_what_fits(plans: tuple[int, int]) -> None:
    client = client_of(user_with("dan", "operations.view_deletion"))
    for choice in ({"site": "T3_B"}, {"site": "nowhere"}):
        refused = decide(client, "retry", **choice)
        assert (refused.status_code, refused.json()["code"]) == (403, "permission_denied")
    assert states() == ["FAILED"] * 5


def test_a_repeated_request_is_done_once(plans: tuple[int, int], decider: User) -> None:
    client = client_of(decider)
    body = {"site": "T3_B", "reason": "mended"}
    asked = [
        client.post(f"{DELETIONS}retry/", body, content_type="application/json", headers={"Idempotency-Key": "night"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in asked] == [200, 200]
    assert asked[0].json() == asked[1].json()
    assert AuditEvent.objects.filter(action="operations.deletions_retried").count() == 1
