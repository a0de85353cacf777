"""Release locks."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from inventory.exceptions import InventoryError
from inventory.management.base import DynamoCommand
from inventory.services.audit import Actor
from inventory.services.locks import lock_release


class Command(DynamoCommand):
    """``unlock ID...``."""

    help = (
        "Release locks by their numbers, all or none of them; the command locks shows the numbers. "
        "Example: unlock 12 13 --reason 'the thesis is finished'. Exit codes: 0 released, 1 refused, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("ids", nargs="+", type=int, metavar="ID")
        parser.add_argument("--reason", default="", help="kept in the audit trail")

    def handle(self, *args: Any, **options: Any) -> None:
        actor, now = Actor(getpass.getuser()), timezone.now()
        try:
            with transaction.atomic():
                locks = [
                    lock_release(lock_id=lock_id, actor=actor, now=now, reason=options["reason"])
                    for lock_id in sorted(set(options["ids"]))
                ]
        except InventoryError as error:
            raise CommandError(f"nothing was released: {error}") from error
        for lock in locks:
            self.stdout.write(f"released lock {lock.pk}: {lock}")
