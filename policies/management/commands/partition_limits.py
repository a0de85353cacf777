"""Show the safety limits of partitions, or give one its own."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import CommandError, CommandParser

from inventory.selectors.wording import exact_share_text
from policies.management.terminal import FINDINGS, WRONG_USE, PolicyCommand, shell_actor, table
from policies.selectors.partitions import PartitionLimits, partition_limits
from policies.services.partition_limits import partition_limits_set

_SETTING = "setting"


class Command(PolicyCommand):
    """``partition_limits [PARTITION]``."""

    help = "Show which part of a site's quota and of a partition an automatic cycle may delete, or change it for one partition."
    epilog = """examples:
  partition_limits                       all partitions
  partition_limits Physics --site-fraction 0.2 --reason 'the big clean-up of May'
  partition_limits Physics --site-fraction setting --reason 'as everywhere'

Fractions, not per cent: 0.15 is 15 %. The word setting takes the partition's own limit away.

exit codes: 0 done, 1 refused, 2 wrong use"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("partition", nargs="?", default="", help="which one")
        parser.add_argument("--site-fraction", metavar="FRACTION", help="of a site's quota, 0 to 1")
        parser.add_argument("--partition-fraction", metavar="FRACTION", help="of the partition's bytes, 0 to 1")
        parser.add_argument("--reason", default="", help="kept in the audit trail")

    def perform(self, options: dict[str, Any]) -> None:
        given = {
            f"max_{name}": _fraction(options[name], name)
            for name in ("site_fraction", "partition_fraction")
            if options[name] is not None
        }
        if given:
            self._change(options["partition"], given, options["reason"])
        rows = [row for row in partition_limits() if options["partition"] in ("", row.name)]
        if not rows:
            raise CommandError(f"there is no partition {options['partition']!r}", returncode=WRONG_USE)
        shown = table("partition", "of a site's quota", "of the partition", right=("of a site's quota", "of the partition"))
        for row in rows:
            site = _text(row.max_site_fraction, settings.DYNAMO_MAX_SITE_FRACTION)
            shown.add_row(row.name, site, _text(row.max_partition_fraction, settings.DYNAMO_MAX_PARTITION_FRACTION))
        self.console.print(shown)
        self.console.print("* of the partition itself; the others are as the settings say")

    @staticmethod
    def _change(partition: str, given: dict[str, float | None], reason: str) -> None:
        if not partition or not reason.strip():
            raise CommandError("name the partition, and say why: --reason is needed", returncode=WRONG_USE)
        found = [row for row in partition_limits() if row.name == partition]
        if not found:
            raise CommandError(f"there is no partition {partition!r}", returncode=WRONG_USE)
        try:
            partition_limits_set(name=partition, actor=shell_actor(), reason=reason, **{**_own(found[0]), **given})
        except ValidationError as error:
            raise CommandError("; ".join(error.messages), returncode=FINDINGS) from error


def _own(row: PartitionLimits) -> dict[str, float | None]:
    return {"max_site_fraction": row.max_site_fraction, "max_partition_fraction": row.max_partition_fraction}


def _fraction(text: str, name: str) -> float | None:
    if text == _SETTING:
        return None
    try:
        return float(text)
    except ValueError as error:
        option = f"--{name.replace('_', '-')}"
        raise CommandError(f"{option}: found {text!r}, expected 0 to 1 or the word {_SETTING}", returncode=WRONG_USE) from error


def _text(own: float | None, general: float) -> str:
    return exact_share_text(general) if own is None else f"{exact_share_text(own)} *"
