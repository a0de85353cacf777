"""Every endpoint without the right, with it, with it on this object, and with it on another one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from guardian.shortcuts import assign_perm
from pytest_django import Settings

from inventory.models import Block, File
from policies import receivers
from tests.factories.api import ANY_VERSION, client_of
from tests.factories.screens import Screens, make_screens
from tests.integration.api.expected import Expected
from tests.integration.api.routes import Operation
from tests.unit.docs.test_api_registry import EXPECTED, OPERATIONS

pytestmark = pytest.mark.django_db
PLAIN = [operation for operation in OPERATIONS if operation.is_plain]
#: Models of which the screens' factory makes no rows: for them the right is asked on the list alone.
WITHOUT_ROWS = {"Comparison", "DeletionRequest", "Invalidation", "QuotaPreview"}


@pytest.fixture
def screens(db: None, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Screens:
    settings.MEDIA_ROOT = tmp_path
    settings.DYNAMO_MAX_SITE_FRACTION = 0.01
    monkeypatch.setattr(receivers.carry_out_cycle, "delay", lambda *arguments: None)
    monkeypatch.setattr(receivers.carry_out_comparison, "delay", lambda *arguments: None)
    made = make_screens(num_datasets=3)
    File.objects.create(block=Block.objects.earliest("pk"), lfn="/store/x", size_bytes=1)
    return made


def address_of(route: str, kwargs: Mapping[str, Any]) -> str:
    """Fill captured parts of a route or a regular expression."""
    filled = re.sub(r"\(\?P<(\w+)>[^)]*\)|<(?:\w+:)?(\w+)>", lambda found: str(kwargs[found[1] or found[2]]), route)
    return filled.replace("\\", "")


def user_with(name: str, *rights: str) -> User:
    user = User.objects.create_user(name)
    for right in rights:
        app, codename = right.split(".")
        user.user_permissions.add(Permission.objects.get(content_type__app_label=app, codename=codename))
    return user


def ask(client: Client, expected: Expected, screens: Screens) -> tuple[int, Any]:
    address = address_of(expected.address, expected.kwargs(screens))
    if expected.method == "GET":
        answer = client.get(address, expected.query)
    else:
        body = "" if expected.body is None else expected.body(screens)
        send = getattr(client, expected.method.lower())
        headers = ANY_VERSION if expected.method != "POST" and expected.is_versioned else {}
        answer = send(address, body, content_type="application/json", headers=headers)
    return answer.status_code, "" if answer.streaming else answer.content[:400]


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda e: f"{e.method} {e.address}")
def test_an_operation_takes_its_right_in_general_or_on_its_object(expected: Expected, screens: Screens) -> None:
    assert ask(Client(), expected, screens)[0] == 401
    if expected.right is None:
        assert ask(client_of(user_with("anybody")), expected, screens)[0] == expected.status
        return
    assert ask(client_of(user_with("nobody", *expected.also)), expected, screens)[0] == (404 if expected.hidden else 403)
    if expected.guarded is not None and expected.another is not None:
        of_another = user_with("of-another", *expected.also)
        assign_perm(expected.right, of_another, expected.another(screens))
        assert ask(client_of(of_another), expected, screens)[0] in (403, 404)
    status, said = ask(client_of(user_with("somebody", expected.right, *expected.also)), expected, screens)
    assert status == expected.status, said
    if expected.guarded is not None:
        of_this = user_with("of-this", *expected.also)
        assign_perm(expected.right, of_this, expected.guarded(screens))
        status, said = ask(client_of(of_this), expected, screens)
        assert status == expected.status, said


def test_lists_and_pages_show_what_one_may_view_in_general_or_row_by_row(screens: Screens) -> None:
    nobody = client_of(user_with("nobody"))
    for number, operation in enumerate(PLAIN):
        rows = list(operation.callback.cls.queryset.model._default_manager.all()[:2])
        model = operation.callback.cls.queryset.model
        right = f"{model._meta.app_label}.view_{model._meta.model_name}"
        general = client_of(user_with(f"general-{number}", right))
        assert rows or model.__name__ in WITHOUT_ROWS, f"{model.__name__}: the factory makes no rows"
        if operation.handler == "list":
            assert nobody.get(operation.address).status_code == 403, operation
            assert general.get(operation.address).status_code == 200, operation
        elif rows:
            assert nobody.get(page(operation, rows[0])).status_code == 403, operation
            assert general.get(page(operation, rows[0])).status_code == 200, operation
        if not rows:
            continue
        single = user_with(f"single-{number}")
        assign_perm(right, single, rows[0])
        of_one = client_of(single)
        if operation.handler == "list":
            assert [row["id"] for row in of_one.get(operation.address).json()["results"]] == [rows[0].pk], operation
        else:
            assert of_one.get(page(operation, rows[0])).status_code == 200, operation
            if len(rows) > 1:
                assert of_one.get(page(operation, rows[1])).status_code == 404, operation


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_nothing_is_open_without_a_login(operation: Operation) -> None:
    parts = {"pk": 1, "owner": "x", "name": "x", "uid": UUID(int=0), "kind": "json"}
    answer = getattr(Client(), operation.method.lower())(address_of(operation.address, parts))
    assert (answer.status_code, set(answer.json())) == (401, {"code", "message", "details"})


def page(operation: Operation, row: Any) -> str:
    return address_of(operation.address, {"pk": row.pk})
