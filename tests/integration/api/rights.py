"""One operation by people without the right, with it, and with it on one object: the same for every world of objects."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.models import Group, Permission, User
from django.db import transaction
from django.test import Client
from guardian.shortcuts import assign_perm

from tests.factories.api import ANY_VERSION, client_of
from tests.integration.api.expected import Expected


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


def ask(client: Client, expected: Expected, world: Any) -> tuple[int, Any]:
    """Return status and beginning of the answer; nothing of what was done stays, so that the next one meets the same."""
    with _undone():
        query = f"?{urlencode(expected.query)}" if expected.query else ""
        address = address_of(expected.address, expected.kwargs(world)) + query
        if expected.method == "GET":
            answer = client.get(address)
        else:
            body = "" if expected.body is None else expected.body(world)
            send = getattr(client, expected.method.lower())
            headers = ANY_VERSION if expected.method != "POST" and expected.is_versioned else {}
            answer = send(address, body, content_type="application/json", headers=headers)
        # Read to its end, a stream closes its file.
        content = b"".join(answer.streaming_content) if answer.streaming else answer.content
        return answer.status_code, content[:400]


def assert_right_is_asked(expected: Expected, world: Any) -> None:
    """Try the operation without a login, without the right, with it, with it on this object alone and on another alone."""
    assert ask(Client(), expected, world)[0] == 401
    if expected.right is None:
        status, said = ask(client_of(user_with("anybody")), expected, world)
        assert status == expected.status, said
        return
    this = None if expected.guarded is None else expected.guarded(world)
    status, said = ask(client_of(user_with("without", *expected.also)), expected, world)
    assert status == (404 if expected.hidden else 403), said
    if expected.another is not None:
        another = expected.another(world)
        assert another != this
        of_another = user_with("of-another", *expected.also)
        assign_perm(expected.right, of_another, another)
        assert ask(client_of(of_another), expected, world)[0] in (403, 404)
    status, said = ask(client_of(user_with("with", expected.right, *expected.also)), expected, world)
    assert status == expected.status, said
    if this is not None:
        of_this = user_with("of-this", *expected.also)
        assign_perm(expected.right, of_this, this)
        status, said = ask(client_of(of_this), expected, world)
        assert status == expected.status, said


def assert_auditors_only_read(expected: Expected, world: Any, *, of_everybody: Collection[str]) -> None:
    """Try the operation as an auditor: whatever reads answers, whatever writes is refused but for what is *of_everybody*."""
    auditor = User.objects.create_user("auditor")
    auditor.groups.add(Group.objects.get(name="Auditors"))
    status, said = ask(client_of(auditor), expected, world)
    if expected.method == "GET":
        assert status == expected.status, said
    elif expected.address not in of_everybody:
        assert status == 403, said


@contextmanager
def _undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
