"""Whatever stands in a query or an address: an answer of the API, never a fault of the server."""

from __future__ import annotations

from base64 import b64encode

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories.api import client_of
from tests.integration.api.routes import Operation, operations

pytestmark = pytest.mark.django_db
VALUES = (
    "",
    "-1",
    "9" * 19,
    "9" * 40,
    "1e400",
    "nan",
    "\x00",
    "a\x00b",
    "' OR 1=1; --",
    '"; DROP TABLE inventory_site; --',
    "[",
    "(a+)+$",
    "\\",
    "%",
    "*" * 300,
    "?" * 300 + "*",
    "\ud7ff\uffff",
    "x" * 20_000,
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999Z",
    "2026-01-01T00:00:00+99:99",
    # Python takes such an offset, PostgreSQL does not.
    "5017-06-16T11:32:09+19:03",
)
CURSORS = (
    "x",
    "cD0x",
    b64encode(b"p=\x00").decode(),
    b64encode(b"o=-1&p=1").decode(),
    b64encode(b"o=99999999999999999999").decode(),
    b64encode(b"p=' OR 1=1").decode(),
    b64encode(b"p=99999999999999999999999999").decode(),
    b64encode(b"r=1&p=2026-13-45").decode(),
    b64encode(b"\xff\xfe").decode(),
    b64encode(b'["-pk",0,"\\u0000"]').decode(),
    b64encode(b'["-pk",0,9999999999999999999999]').decode(),
    b64encode(b'["-pk",0,[]]').decode(),
    b64encode(b'["-pk",0,true,1]').decode(),
    b64encode(b'["-pk",0,1e400]').decode(),
    b64encode(b"[" * 5000).decode(),
    b64encode(b"9" * 5000).decode(),
)
LISTS = [operation for operation in operations() if operation.handler == "list"]


@pytest.fixture
def client() -> Client:
    return client_of(User.objects.create_superuser("root"))


def demand_answer(client: Client, address: str, query: dict[str, str]) -> None:
    answer = client.get(address, query)
    assert answer.status_code in (200, 400, 404), (address, query, answer.status_code)
    if answer.status_code != 200:
        assert set(answer.json()) == {"code", "message", "details"}


@pytest.mark.parametrize("operation", LISTS, ids=str)
def test_no_value_of_a_filter_breaks_a_list(client: Client, operation: Operation) -> None:
    names = list(operation.callback.cls.filterset_class.get_filters())
    assert names
    for name in names:
        for value in VALUES:
            demand_answer(client, operation.address, {name: value})


@pytest.mark.parametrize("operation", LISTS, ids=str)
def test_no_cursor_or_size_of_a_page_breaks_a_list(client: Client, operation: Operation) -> None:
    for cursor in CURSORS:
        demand_answer(client, operation.address, {"cursor": cursor})
    for size in ("0", "-1", "x", "9" * 40, "\x00"):
        demand_answer(client, operation.address, {"page_size": size})


@pytest.mark.parametrize("key", ["0", "-1", "9" * 19, "9" * 40, "x", "%00", "1%00", "%FF", "1;DROP", "..%2f..", "%F0%9F%98%80"])
def test_no_key_breaks_a_page(client: Client, key: str) -> None:
    for operation in operations():
        if operation.handler == "retrieve":
            above = operation.address.split("<")[0].split("(")[0]
            answer = client.get(f"{above}{key}/")
            assert answer.status_code == 404, (above, key)
            assert answer.json()["code"] == "not_found"
