"""The demo's people: made at the first start with passwords of their own, kept in a file that only its owner reads."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from io import StringIO
from pathlib import Path

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import call_command
from django.db import transaction

from dynamo_site.api.scopes import SCOPES

OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Account:
    """A login of the demo; ``group`` is its role."""

    login: str
    group: str
    what: str


ACCOUNTS = (
    Account(OPERATOR, "Operators", "writes policies, sets quotas, pauses and resumes"),
    Account("physics", "Physics coordinators", "sees what would be lost, locks datasets, pauses"),
    Account("computing", "Computing coordinators", "the same, for computing"),
    Account("reader", "Auditors", "sees everything, changes nothing"),
)


@dataclass(frozen=True, slots=True)
class Logins:
    """Passwords by login, and the operator's API token."""

    passwords: dict[str, str]
    api_token: str


def logins_ensure(path: Path) -> Logins:
    """Return the logins kept at ``path``; make accounts, passwords and token when it is not there.

    The file is written last: a start that was interrupted before makes new passwords at the next one.
    """
    if path.exists():
        return Logins(**json.loads(path.read_text()))
    passwords = {account.login: secrets.token_urlsafe(9) for account in ACCOUNTS}
    with transaction.atomic():
        for account in ACCOUNTS:
            _account_save(account, passwords[account.login])
    token = _api_token(OPERATOR)
    logins = Logins(passwords, token)
    _write_private(path, json.dumps(asdict(logins), indent=1) + "\n")
    return logins


def _account_save(account: Account, password: str) -> None:
    user, _created = get_user_model().objects.get_or_create(username=account.login)
    user.set_password(password)
    user.save(update_fields=["password"])
    user.groups.set([Group.objects.get(name=account.group)])


def _api_token(login: str) -> str:
    out = StringIO()
    call_command("api_token", login, scope=list(SCOPES), name="demo", stdout=out)
    return out.getvalue().strip()


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as handle:
        handle.write(text)
    part.replace(path)
