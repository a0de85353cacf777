"""Let deletions go on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from inventory.management.base import DynamoCommand
from operations.exceptions import OperationsError
from operations.management.commands._actor import shell_actor
from operations.services.pausing import resume_all


class Command(DynamoCommand):
    help = (
        "Let deletions go on after pause_all. "
        "Example: manage.py resume_all --reason 'site X is well again'. "
        "Exit codes: 0 deletions go on, 1 they were not paused, or a pause file still stops this host, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--reason", required=True, help="Why; kept in the audit trail.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Resume, and say what still stops this host."""
        try:
            state = resume_all(actor=shell_actor(), reason=options["reason"])
        except OperationsError as error:
            raise CommandError(str(error)) from error
        if state.to_remove:
            raise CommandError(f"the switch is off, but {state.to_remove}")
        self.stdout.write("Deletions go on.")
