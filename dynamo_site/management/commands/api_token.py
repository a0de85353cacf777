"""Issue an API token."""

from __future__ import annotations

import argparse
from datetime import timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from knox.models import AuthToken

from inventory.services.audit import Actor, audit_record


class Command(BaseCommand):
    help = """Issue an API token for a user and print it, once: only its hash is kept.

Example: manage.py api_token transfer-service --days 30"""

    def create_parser(self, prog_name: str, subcommand: str, **options: Any) -> Any:
        return super().create_parser(prog_name, subcommand, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("user", help="login of the user or service")
        parser.add_argument("--days", type=int, default=90, help="days until it expires (1 to 366; default 90)")

    def handle(self, *, user: str, days: int, **options: Any) -> None:
        if not 1 <= days <= 366:
            raise CommandError(f"--days {days}: a token lives from 1 to 366 days; give a number in that range.", returncode=2)
        account = get_user_model().objects.filter(username=user, is_active=True).first()
        if account is None:
            raise CommandError(f"There is no active user '{user}'; create the account in the admin first.", returncode=2)
        with transaction.atomic():
            _, token = AuthToken.objects.create(account, expiry=timedelta(days=days))
            audit_record(actor=Actor("command line"), action="site.token_issue", subject=user, details={"days": days})
        self.stdout.write(token)
