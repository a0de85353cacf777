"""Tokens come from a command, are kept as hashes and expire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client

from dynamo_site.models import ApiToken
from inventory.models import AuditEvent

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
