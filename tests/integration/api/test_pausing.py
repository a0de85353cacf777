"""The pause switch by API: reading is free, pausing and resuming take two different rights."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from inventory.models import AuditEvent
from tests.factories.api import client_of as token_client

pytestmark = pytest.mark.django_db
PAUSE = "/api/v1/operations/pause/"


def client_with(*codenames: str) -> Client:
    user = User.objects.create_user("-".join(codenames) or "nobody")
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    return token_client(user)


def put(client: Client, *, is_paused: bool, reason: str = "storage is on fire") -> tuple[int, dict[str, object]]:
    answer = client.put(PAUSE, {"is_paused": is_paused, "reason": reason}, content_type="application/json")
    return answer.status_code, answer.json()


def test_without_a_token_nobody_reads_or_turns_the_switch() -> None:
    assert Client().get(PAUSE).status_code == 401
    assert put(Client(), is_paused=True)[0] == 401


def test_who_may_pause_stops_everything_and_cannot_let_it_go_on() -> None:
    on_duty = client_with("pause_all")
    status, state = put(on_duty, is_paused=True)
    assert (status, state["is_paused"], state["reason"], state["changed_by"]) == (200, True, "storage is on fire", "pause_all")
    status, refusal = put(on_duty, is_paused=False)
    assert (status, refusal["code"]) == (403, "permission_denied")
    assert on_duty.get(PAUSE).json()["is_paused"] is True
    assert put(client_with("resume_all"), is_paused=False, reason="fire is out")[1]["is_paused"] is False
    acts = list(AuditEvent.objects.order_by("pk").values_list("action", "reason"))
    assert acts == [("operations.pause_all", "storage is on fire"), ("operations.resume_all", "fire is out")]


def test_a_further_reason_is_recorded_and_who_paused_first_stays() -> None:
    put(client_with("pause_all"), is_paused=True)
    status, state = put(client_with("pause_all", "resume_all"), is_paused=True, reason="wrong policy")
    assert (status, state["reason"], state["changed_by"]) == (200, "storage is on fire", "pause_all")
    events = AuditEvent.objects.order_by("pk").values_list("actor", "action", "reason")
    assert events[1] == ("pause_all-resume_all", "operations.pause_all_again", "wrong policy")


def test_without_the_right_nothing_is_paused() -> None:
    nobody = client_with()
    assert put(nobody, is_paused=True)[0] == 403
    assert nobody.get(PAUSE).json()["is_paused"] is False


def test_resuming_what_runs_is_a_conflict() -> None:
    status, refusal = put(client_with("resume_all"), is_paused=False)
    assert (status, refusal["code"]) == (409, "invalid_transition")


def test_a_reason_is_required_and_the_field_is_named() -> None:
    status, refusal = put(client_with("pause_all"), is_paused=True, reason="")
    assert status == 400
    assert "reason" in refusal["details"]
