"""Tokens come from a command, are kept as hashes and expire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import import_module
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import Group, Permission, User
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from knox.models import AuthToken

from dynamo_site.models import ApiToken
from inventory.models import AuditEvent
from tests.factories.api import client_of, token_of

pytestmark = pytest.mark.django_db


def test_an_issued_token_opens_the_api_and_only_its_hash_is_kept() -> None:
    User.objects.create_user("service", is_superuser=True)
    out = StringIO()
    call_command("api_token", "service", "--days", "3", stdout=out)
    token = out.getvalue().strip()
    assert Client(headers={"Authorization": f"Token {token}"}).get("/api/v1/inventory/sites/").status_code == 200
    kept = ApiToken.objects.get()
    assert token not in kept.digest
    assert kept.expiry - datetime.now(UTC) < timedelta(days=3)
    assert AuditEvent.objects.get(action="site.token_issue").subject == "service"


@pytest.mark.parametrize(
    ("arguments", "message"), [(["nobody"], "no active user 'nobody'"), (["service", "--days", "0"], "from 1 to 366 days")]
)
def test_wrong_use_is_named_and_issues_nothing(arguments: list[str], message: str) -> None:
    User.objects.create_user("service")
    with pytest.raises(CommandError, match=message) as caught:
        call_command("api_token", *arguments)
    assert caught.value.returncode == 2
    assert not ApiToken.objects.exists()


def issue(client: Client, **body: object) -> Any:
    return client.post("/api/v1/tokens/", {"name": "x", "scopes": ["read"]} | body, content_type="application/json")


def test_one_issues_lists_and_revokes_tokens_of_ones_own() -> None:
    user, other = User.objects.create_user("user"), User.objects.create_user("other")
    client = client_of(user)
    token_of(other)
    issued = issue(client, name="cron job", days=2)
    assert issued.status_code == 201
    body = issued.json()
    assert (body["user"], body["scopes"], body["issued_by"]) == ("user", ["read"], "user")
    as_issued = Client(headers={"Authorization": f"Token {body['token']}"})
    assert as_issued.get("/api/v1/").status_code == 200
    first = client.get("/api/v1/tokens/", {"page_size": "1"}).json()
    listed = first["results"] + client.get(first["next"]).json()["results"]
    assert {row["name"] for row in listed} == {"cron job", "test"}
    assert not any("token" in row for row in listed)
    address = f"/api/v1/tokens/{body['uid']}/"
    assert client_of(other).delete(address).status_code == 404
    assert client.delete(address + "?reason=laptop+stolen").status_code == 204
    assert as_issued.get("/api/v1/").status_code == 401
    acts = list(AuditEvent.objects.order_by("pk").values_list("action", "subject", "reason"))
    assert acts == [("site.token_issue", "user", ""), ("site.token_revoke", "user", "laptop stolen")]


def test_a_token_issues_none_that_opens_or_lasts_longer() -> None:
    user = User.objects.create_user("user")
    client = client_of(user, "read", "tokens:write")
    more = issue(client, scopes=["read", "operations:write"])
    assert (more.status_code, more.json()["code"]) == (403, "permission_denied")
    assert issue(client_of(user, "read")).json()["code"] == "scope_missing"
    shorter = issue(client, days=300).json()
    assert datetime.fromisoformat(shorter["expiry"]) <= ApiToken.objects.earliest("created").expiry


def test_for_others_tokens_are_issued_with_the_right_and_only_for_services() -> None:
    service = User.objects.create_user("transfer-service")
    service.groups.add(Group.objects.get(name="Services"))
    User.objects.create_user("person")
    User.objects.create_superuser("root")
    operator = User.objects.create_user("operator")
    operator.groups.add(Group.objects.get(name="Operators"))
    assert issue(client_of(User.objects.create_user("nobody")), user="transfer-service").status_code == 403
    client = client_of(operator)
    assert issue(client, user="transfer-service").json()["user"] == "transfer-service"
    for somebody in ("person", "root"):
        assert issue(client, user=somebody).status_code == 403
    assert issue(client, user="unknown").status_code == 404
    service.user_permissions.add(Permission.objects.get(codename="delete_user"))
    assert issue(client, user="transfer-service").status_code == 403, "more rights than the issuer"


@pytest.mark.parametrize(
    "body", [{"scopes": []}, {"scopes": ["all"]}, {"days": 0}, {"days": 367}, {"name": ""}, {"days": 10**30}, {"nmae": "x"}]
)
def test_wrong_requests_issue_nothing(body: dict[str, object]) -> None:
    client = client_of(User.objects.create_user("user"))
    assert issue(client, **body).status_code == 400
    assert ApiToken.objects.count() == 1


def test_the_answer_with_a_token_is_not_kept_and_the_act_not_repeated() -> None:
    client = client_of(User.objects.create_user("user"))
    headers = {"Idempotency-Key": "k"}
    body = {"name": "x", "scopes": ["read"]}
    assert client.post("/api/v1/tokens/", body, content_type="application/json", headers=headers).status_code == 201
    again = client.post("/api/v1/tokens/", body, content_type="application/json", headers=headers)
    assert (again.status_code, again.json()["code"]) == (409, "done_before")
    assert ApiToken.objects.count() == 2


def test_the_command_lists_and_revokes() -> None:
    token_of(User.objects.create_user("user"), "read")
    out = StringIO()
    call_command("api_token", "--list", stdout=out)
    uid = str(ApiToken.objects.get().uid)
    assert uid in out.getvalue()
    assert "user: test [read], expires" in out.getvalue()
    call_command("api_token", "--revoke", uid, "--reason", "lost", stdout=out)
    assert not ApiToken.objects.exists()
    assert AuditEvent.objects.get().reason == "lost"
    for wrong, code in ((["--revoke", uid], 1), (["--revoke", "x"], 2), ([], 2)):
        with pytest.raises(CommandError) as caught:
            call_command("api_token", *wrong)
        assert caught.value.returncode == code


def test_tokens_from_before_scopes_open_what_they_did() -> None:
    _, text = AuthToken.objects.create(User.objects.create_superuser("root"))
    import_module("dynamo_site.migrations.0002_scopes_of_earlier_tokens").take_over(apps, connection.schema_editor())
    assert Client(headers={"Authorization": f"Token {text}"}).get("/api/v1/inventory/sites/").status_code == 200
    assert ApiToken.objects.get().name == "issued before scopes"
