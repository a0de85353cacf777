"""What the commands have in common that pause and resume one site."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.management.base import CommandError, CommandParser

from inventory.exceptions import InvalidTransition, NotFound
from inventory.management.base import DynamoCommand
from inventory.selectors.sites import sites_close_to
from operations.management.commands._actor import shell_actor


class SiteCommand(DynamoCommand):
    """A command on one site by its name, with a reason."""

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("site", help="Name of the site.")
        parser.add_argument("--reason", required=True, help="Why; shown with the site and kept in the audit trail.")

    def turn(self, act: Callable[..., Any], options: dict[str, Any]) -> Any:
        """Let the service do it, and return what it does; what it refuses becomes an error with its exit code."""
        name = options["site"]
        if not options["reason"].strip():
            raise CommandError("say why: --reason is needed", returncode=2)
        try:
            return act(site_name=name, actor=shell_actor(), reason=options["reason"])
        except NotFound as error:
            close = sites_close_to(name)
            hint = f"; did you mean {' or '.join(close)}?" if close else ""
            raise CommandError(f"no site is called {name!r}{hint}", returncode=2) from error
        except InvalidTransition as error:
            raise CommandError(str(error)) from error
