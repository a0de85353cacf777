"""Issue, list and revoke API tokens."""

from __future__ import annotations

import argparse
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import CommandError
from django.utils import timezone

from dynamo_site.api.scopes import SCOPES
from dynamo_site.exceptions import TokenRefused
from dynamo_site.models import ApiToken
from dynamo_site.services.tokens import token_issue, token_revoke
from inventory.management.base import DynamoCommand
from inventory.services.audit import Actor

#: Who acts at a shell of the server.
SHELL = Actor("command line")


class Command(DynamoCommand):
    help = """Issue an API token for a user and print it, once: only its hash is kept. Or list the tokens, or revoke one.

Examples: manage.py api_token transfer-service --scope read --scope inventory:write --days 30 --name "injects new data"
          manage.py api_token --list
          manage.py api_token --revoke 0b9f1c1e-... --reason "laptop was stolen" """

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> Any:
        return super().create_parser(prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        scopes = "; ".join(f"{name}: {what}" for name, what in SCOPES.items())
        parser.add_argument("user", nargs="?", help="login of the user or service")
        parser.add_argument(
            "--scope", action="append", choices=SCOPES, help=f"give it as often as needed; default read. {scopes}"
        )
        parser.add_argument("--days", type=int, default=settings.DYNAMO_TOKEN_DAYS, help="until it expires (1 to 366)")
        parser.add_argument("--name", default="command line", help="what it is for")
        parser.add_argument("--list", action="store_true", dest="is_list", help="list the tokens, of USER or of all")
        parser.add_argument("--revoke", metavar="UID", help="revoke the token that --list names so")
        parser.add_argument("--reason", default="", help="why it is revoked, for the audit trail")

    def handle(self, *, user: str | None, is_list: bool, revoke: str | None, **options: Any) -> None:
        if revoke is not None:
            self._revoke(revoke, options["reason"])
        elif is_list:
            self._list(user)
        elif user is None:
            raise CommandError("Name the user, or give --list or --revoke UID.", returncode=2)
        else:
            self._issue(user, options)

    def _issue(self, user: str, options: dict[str, Any]) -> None:
        account = get_user_model().objects.filter(username=user, is_active=True).first()
        if account is None:
            raise CommandError(f"There is no active user '{user}'; create the account in the admin first.", returncode=2)
        try:
            _, text = token_issue(
                owner=account, name=options["name"], scopes=options["scope"] or ["read"], days=options["days"], actor=SHELL
            )
        except TokenRefused as refused:
            raise CommandError(f"--days {options['days']}: {refused}", returncode=2) from refused
        self.stdout.write(text)

    def _list(self, user: str | None) -> None:
        tokens = ApiToken.objects.select_related("user").order_by("user__username", "created")
        for token in tokens.filter(user__username=user) if user else tokens:
            is_over = token.expiry is not None and token.expiry <= timezone.now()
            life = f"{'expired' if is_over else 'expires'} {_minute(token.expiry)}, last used {_minute(token.last_used_at)}"
            self.stdout.write(f"{token.uid}  {token.user.get_username()}: {token.name} [{' '.join(token.scopes)}], {life}")

    def _revoke(self, uid: str, reason: str) -> None:
        try:
            token = ApiToken.objects.select_related("user").filter(uid=UUID(uid)).first()
        except ValueError as error:
            raise CommandError(f"'{uid}' is no uid of a token; --list shows them.", returncode=2) from error
        if token is None:
            raise CommandError(f"There is no token {uid}; --list shows them.", returncode=1)
        token_revoke(token=token, actor=SHELL, reason=reason)
        self.stdout.write(f"Revoked: {token}.")


def _minute(at: datetime | None) -> str:
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M}"
