"""Show the limits of sites, or give one its own."""

from __future__ import annotations

import sys
from fnmatch import fnmatchcase
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from inventory.exceptions import InventoryError
from inventory.management.base import DynamoCommand
from inventory.selectors.wording import size_from_text, size_text
from operations.exceptions import OperationsError
from operations.management.commands._actor import shell_actor
from operations.selectors.pace import LimitsOfSite, limits_of_sites
from operations.services.pace import site_limits_set

_SETTING = "setting"


class Command(DynamoCommand):
    """``site_limits [SITE]``."""

    help = (
        "Show how fast may be deleted at sites and how long it can be brought back, or change it at one site. "
        "What is not given stays as it is; the word setting takes a limit of its own away. "
        "Examples: manage.py site_limits; manage.py site_limits 'T2_*'; "
        "manage.py site_limits T1_US_FNAL_Tape --files-per-second 5 --bytes-per-day 50TB --reason 'new robot'; "
        "manage.py site_limits T2_US_MIT --trash-days 14 --reason 'much room'; "
        "manage.py site_limits T2_US_MIT --batches setting --reason 'as everywhere'. "
        "Exit codes: 0 shown or done, 1 refused, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("site", nargs="?", default="*", help="Site; for showing also a pattern, * is any text.")
        parser.add_argument("--batches", metavar="N", help="Most batches at a time.")
        parser.add_argument("--files-per-second", metavar="N", help="Most files a second, on average; 0: no limit.")
        parser.add_argument(
            "--bytes-per-day", metavar="SIZE", help="Most bytes that are begun on a day (UTC), as 50TB; 0: no limit."
        )
        parser.add_argument("--trash-days", metavar="N", help="Days in the trash, 1 to 93 (tape: from 30 on); 0: none.")
        parser.add_argument("--reason", default="", help="Why; kept in the audit trail.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Show or change."""
        readers = {"batches": int, "files_per_second": float, "bytes_per_day": size_from_text, "trash_days": float}
        given = {name: self._read(options[name], name, read) for name, read in readers.items() if options[name] is not None}
        if given:
            self._change(options["site"], given, options["reason"])
        pattern = options["site"].replace("[", "[[]")  # only * and ? are wildcards
        shown = [row for row in limits_of_sites() if fnmatchcase(row.site, pattern)]
        if not shown:
            raise CommandError(f"no site is called {options['site']!r}", returncode=2)
        self._show(shown)

    @staticmethod
    def _read(text: str, name: str, read: Any) -> float | None:
        if text == _SETTING:
            return None
        try:
            value: float = read(text)
        except ValueError as error:
            option = f"--{name.replace('_', '-')}"
            raise CommandError(
                f"{option}: found {text!r}, expected a number or the word {_SETTING} ({error})", returncode=2
            ) from error
        return value

    @staticmethod
    def _change(site: str, given: dict[str, Any], reason: str) -> None:
        if not reason.strip():
            raise CommandError("say why: --reason is needed", returncode=2)
        found = limits_of_sites([site])
        if not found:
            raise CommandError(f"there is no site {site!r}; limits are given to one site at a time", returncode=2)
        own = {name: getattr(found[0], name) for name in ("batches", "files_per_second", "bytes_per_day", "trash_days")}
        try:
            site_limits_set(site_name=site, actor=shell_actor(), reason=reason, **{**own, **given})
        except (OperationsError, InventoryError) as error:
            raise CommandError(str(error), returncode=1) from error

    def _show(self, rows: list[LimitsOfSite]) -> None:
        table = Table(caption="* of the site itself; the others are as the settings say", caption_justify="left")
        table.add_column("site")
        for column in ("batches at a time", "files a second", "bytes a day", "days in the trash"):
            table.add_column(column, justify="right")
        for row in rows:
            pace = row.in_force
            table.add_row(
                row.site,
                _marked(str(pace.batches), row.batches),
                _marked(f"{pace.files_per_second:g}" if pace.files_per_second else "no limit", row.files_per_second),
                _marked(size_text(pace.bytes_per_day) if pace.bytes_per_day else "no limit", row.bytes_per_day),
                _marked(f"{row.trash_days_in_force:g}" if row.trash_days_in_force else "no trash", row.trash_days),
            )
        width = None if sys.stdout.isatty() else 100
        Console(file=self.stdout._out, width=width, highlight=False, markup=False).print(table)


def _marked(text: str, own: float | None) -> str:
    return text if own is None else f"{text} *"
