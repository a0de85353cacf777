"""Lock data against deletion."""

from __future__ import annotations

import getpass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from inventory.exceptions import InventoryError
from inventory.selectors.sites import site_pattern_fits
from inventory.services.audit import Actor
from inventory.services.locks import lock_create
from inventory.services.under_way import UnderWay

#: Lines of what the lock comes too late for.
_LATE_SHOWN = 20


class Command(BaseCommand):
    """``lock DATASET[#BLOCK]``."""

    help = (
        "Keep what matches from deletion: a dataset, or DATASET#BLOCK; * stands for any text, ? for any character. "
        "Example: lock '/SingleMuon/Run2017*/MINIAOD' --site 'T2_US_*' --days 90 --comment 'thesis of A. Smith'"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("item", metavar="DATASET[#BLOCK]")
        parser.add_argument(
            "--site", default="*", metavar="PATTERN", help="only at these sites; one that fits no site locks everywhere"
        )
        parser.add_argument("--group", default="*", metavar="PATTERN", help="only what these groups own; None is nobody")
        parser.add_argument("--owner", default="", help="who answers for the lock (default: you)")
        parser.add_argument("--comment", default="")
        until = parser.add_mutually_exclusive_group()
        until.add_argument("--days", type=int, help="how long (default: until it is released)")
        until.add_argument("--until", metavar="DATE", help="through this day, UTC, as 2027-01-31")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        dataset, _, block = options["item"].partition("#")
        too_late: list[UnderWay] = []
        try:
            lock = lock_create(
                dataset_pattern=dataset,
                block_pattern=block or "*",
                site_pattern=options["site"],
                group_pattern=options["group"],
                owner=options["owner"],
                comment=options["comment"],
                expires_at=_expiry(now, options["days"], options["until"]),
                actor=Actor(getpass.getuser()),
                now=now,
                tell_too_late=too_late.extend,
            )
        except InventoryError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"lock {lock.pk}: {lock}, owner {lock.owner}, {_until(lock.expires_at)}")
        if not site_pattern_fits(options["site"]):
            self.stdout.write(f"note: no site fits {options['site']!r}, so the lock holds everywhere")
        if too_late:
            self.stdout.write(f"warning: too late for {len(too_late)} block replicas, which are being deleted at this moment:")
            for one in too_late[:_LATE_SHOWN]:
                self.stdout.write(f"  {one}")
            if len(too_late) > _LATE_SHOWN:
                self.stdout.write(f"  and {len(too_late) - _LATE_SHOWN} more, in the audit trail")


def _expiry(now: datetime, days: int | None, until: str | None) -> datetime | None:
    if days is not None:
        return now + timedelta(days=days)
    if until is None:
        return None
    try:
        return datetime.strptime(until, "%Y-%m-%d").replace(tzinfo=UTC) + timedelta(days=1)
    except ValueError as error:
        raise CommandError(f"--until {until!r} is no date, as 2027-01-31", returncode=2) from error


def _until(expires_at: datetime | None) -> str:
    return "until it is released" if expires_at is None else f"until {expires_at:%Y-%m-%d %H:%M} UTC"
