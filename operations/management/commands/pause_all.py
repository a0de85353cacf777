"""Stop all deletions at once."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from inventory.management.base import DynamoCommand
from inventory.selectors.wording import exact_text
from operations.management.commands._actor import shell_actor
from operations.services.pausing import pause_all


class Command(DynamoCommand):
    help = (
        "Stop every worker before its next call to a storage, and let no new one begin. Running it again keeps a further reason. "
        "Example: manage.py pause_all --reason 'site X answers nonsense'. "
        "Without a database, make the file VAR_DIR/pause_all: it stops the workers of its host. "
        "Exit codes: 0 paused, 1 could not, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--reason", default="", help="Why; shown to everybody and kept in the audit trail.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Pause, and say since when and why."""
        actor = shell_actor()
        state = pause_all(actor=actor, reason=options["reason"])
        since = exact_text(state.changed_at)
        self.stdout.write(f"All deletions are paused since {since} by {state.changed_by}: {state.reason or 'no reason given'}")
        if state.is_further(actor.name, options["reason"]):
            self.stdout.write("Your reason is kept in the audit trail.")
