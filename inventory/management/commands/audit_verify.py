"""Check the audit trail."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from inventory.management.base import DynamoCommand
from inventory.selectors.wording import plural
from inventory.services.audit import audit_head, audit_verify


class Command(DynamoCommand):
    """``audit_verify [--head DIGEST] [--at-least N]``."""

    help = (
        "Recompute the chain of digests of the audit trail, and tell its head: note it where who can write the database cannot. "
        "Example: manage.py audit_verify --head 3f2a... --at-least 12345. "
        "Exit codes: 0 whole, 1 an event was changed, removed, inserted or moved, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument(
            "--head",
            default="",
            metavar="DIGEST",
            help="Digest of an event, noted earlier or out of the logs, that must be there: a chain that fits may have been cut.",
        )
        parser.add_argument("--at-least", type=int, default=0, metavar="N", help="Number of events that must be there.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, and say what the head is."""
        broken = audit_verify(head=options["head"], at_least=options["at_least"])
        if broken is not None:
            raise CommandError(
                f"the audit trail is broken at event {broken.event_id}: {broken.problem}. "
                "Compare with a backup of the table inventory_auditevent, and find out who had write access to the database."
            )
        number, digest = audit_head()
        self.stdout.write(f"the audit trail is whole: {plural(number, 'event')}, head {digest}")
