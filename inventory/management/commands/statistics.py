"""Sums of the inventory."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from inventory.choices import StatisticsBasis, StatisticsDimension
from inventory.exceptions import InvalidInput
from inventory.management.base import DynamoCommand
from inventory.selectors.statistics import Statistics, StatisticsRow, statistics
from inventory.selectors.wording import count_text, exact_text, size_text, when_text
from inventory.services.statistics import statistics_refresh

_EPILOG = """\
The sums are those of the last count, which the schedule renews; --count counts anew first.

examples:
  statistics                                  bytes by tier
  statistics --by site --tier 'MINIAOD*'      where miniatures are
  statistics --by group --basis projected     once incomplete and growing replicas are whole
  statistics --by status --json               for programs

exit codes: 0 shown, 1 nothing was counted yet, 2 wrong use
"""


class Command(DynamoCommand):
    """``statistics --by tier``."""

    help = "Show bytes, files, block replicas and average replication of what is stored."

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, epilog=_EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--by", choices=StatisticsDimension.values, default=StatisticsDimension.TIER.value)
        parser.add_argument("--basis", choices=StatisticsBasis.values, default=StatisticsBasis.PHYSICAL.value)
        parser.add_argument("--count", action="store_true", help="count anew before (seconds per million block replicas)")
        parser.add_argument("--json", action="store_true", help="one JSON object")
        for dimension in StatisticsDimension:
            name = dimension.value.replace("_", "-")
            parser.add_argument(f"--{name}", metavar="PATTERN", help=f"only this {dimension.label}; * and ? are wildcards")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["count"]:
            statistics_refresh()
        wanted = {dimension: options[dimension.value] for dimension in StatisticsDimension if options[dimension.value]}
        try:
            found = statistics(by=StatisticsDimension(options["by"]), basis=StatisticsBasis(options["basis"]), wanted=wanted)
        except InvalidInput as error:
            raise CommandError(str(error), returncode=2) from error
        if found.counted_at is None:
            self.stderr.write("nothing was counted yet: statistics --count, or start the schedule")
            sys.exit(1)
        if options["json"]:
            self.stdout.write(json.dumps(_as_object(found), indent=2))
        else:
            self._show(found)

    def _show(self, found: Statistics) -> None:
        table = Table()
        table.add_column(found.by.label)
        for column in ("bytes", "files", "block replicas", "copies anywhere" if found.is_of_sites else "average copies"):
            table.add_column(column, justify="right")
        for row in found.rows:
            table.add_row(row.value or "(none)", *_numbers(row))
        table.add_section()
        table.add_row("all", *_numbers(found.total))
        width = None if sys.stdout.isatty() else 110
        Console(file=self.stdout._out, width=width, highlight=False, markup=False).print(table)
        self.stdout.write(f"{found.basis.label}, as of {when_text(found.counted_at)} ({exact_text(found.counted_at)})")


def _numbers(row: StatisticsRow) -> tuple[str, str, str, str]:
    copies = "-" if row.replication is None else f"{row.replication:.2f}"
    return size_text(row.size_bytes), count_text(row.num_files), count_text(row.num_block_replicas), copies


def _as_object(found: Statistics) -> dict[str, Any]:
    names = ("value", "size_bytes", "num_files", "num_block_replicas", "unique_bytes", "replication")
    rows = [{name: getattr(row, name) for name in names} for row in (*found.rows, found.total)]
    counted_at = found.counted_at.isoformat() if found.counted_at is not None else None
    return {"by": found.by, "basis": found.basis, "counted_at": counted_at, "rows": rows[:-1], "total": rows[-1]}
