"""Lock data against deletion, and renew locks."""

from __future__ import annotations

import argparse
import getpass
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction
from django.utils import timezone

from inventory.exceptions import InventoryError
from inventory.management.base import DynamoCommand
from inventory.models import Lock
from inventory.selectors.lock_holdings import Holding, Patterns, holdings_of, where_text
from inventory.selectors.wording import plural, size_text
from inventory.services.audit import Actor
from inventory.services.locks import lock_create, lock_extend
from inventory.services.under_way import UnderWay

#: Lines of what the lock comes too late for.
_LATE_SHOWN = 20


class Command(DynamoCommand):
    """``lock DATASET[#BLOCK]`` and ``lock --renew ID...``."""

    help = (
        "Keep what matches from deletion: a dataset, or DATASET#BLOCK; * stands for any text, ? for any character. "
        "Example: lock '/SingleMuon/Run2017*/MINIAOD' --site 'T2_US_*' --days 90 --comment 'thesis of A. Smith'. "
        "Renew locks by number: lock --renew 12 13 --days 90. Exit codes: 0 locked, 1 refused, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("item", metavar="DATASET[#BLOCK]", nargs="?")
        parser.add_argument("--renew", nargs="+", type=int, metavar="ID", help="give these locks another end, all or none")
        parser.add_argument(
            "--site", default="*", metavar="PATTERN", help="only at these sites; one that fits no site locks everywhere"
        )
        parser.add_argument("--group", default="*", metavar="PATTERN", help="only what these groups own; None is nobody")
        parser.add_argument("--owner", default="", help="who answers for the lock (default: you)")
        parser.add_argument("--comment", help="why; with --renew in the place of the old one")
        parser.add_argument("--reason", default="", help="why it is renewed, for the audit trail")
        parser.add_argument("--json", action="store_true", help="one JSON object a line, with what each lock holds")
        until = parser.add_mutually_exclusive_group()
        until.add_argument("--days", type=_days, help="how long from now (default: until it is released)")
        until.add_argument("--until", metavar="DATE", help="through this day, UTC, as 2027-01-31")
        until.add_argument("--until-released", action="store_true", help="without an end (what a new lock has by default)")

    def handle(self, *args: Any, **options: Any) -> None:
        if (options["item"] is None) == (options["renew"] is None):
            raise CommandError("name either a DATASET[#BLOCK] to lock or --renew with numbers of locks", returncode=2)
        now = timezone.now()
        expires_at = _expiry(now, options["days"], options["until"])
        if options["renew"] and expires_at is None and not options["until_released"]:
            raise CommandError("say how long the locks shall hold: --days, --until or --until-released", returncode=2)
        too_late: list[UnderWay] = []
        try:
            if options["renew"]:
                locks = _renew(options, expires_at, now, too_late)
            else:
                locks = [_lock(options, expires_at, now, too_late)]
        except InventoryError as error:
            raise CommandError(f"nothing was locked: {error}") from error
        self._show(locks, as_json=options["json"])
        self._warn(too_late)

    def _show(self, locks: list[Lock], *, as_json: bool) -> None:
        holdings = holdings_of(locks)
        for lock in locks:
            holding = holdings[lock.pk]
            if as_json:
                self.stdout.write(json.dumps(lock_object(lock, holding)))
                continue
            held = f"{size_text(holding.size_bytes)} in {plural(holding.num_block_replicas, 'block replica')}"
            self.stdout.write(f"lock {lock.pk}: {lock}, owner {lock.owner}, {_until(lock.expires_at)}; it holds {held}")
            if holding.is_site_unknown:
                self.stdout.write(f"note: the lock holds {where_text(Patterns.of(lock), holding)}")

    def _warn(self, too_late: list[UnderWay]) -> None:
        if not too_late:
            return
        many = plural(len(too_late), "block replica")
        self.stderr.write(f"warning: too late for {many}, being deleted at this moment:", style_func=str)
        for one in too_late[:_LATE_SHOWN]:
            self.stderr.write(f"  {one}", style_func=str)
        if len(too_late) > _LATE_SHOWN:
            self.stderr.write(f"  and {len(too_late) - _LATE_SHOWN} more, in the audit trail", style_func=str)


def lock_object(lock: Lock, holding: Holding | None) -> dict[str, Any]:
    """Return a lock as JSON shows it, in the words of the API."""
    found: dict[str, Any] = {
        "id": lock.pk,
        "dataset_pattern": lock.dataset_pattern,
        "block_pattern": lock.block_pattern,
        "site_pattern": lock.site_pattern,
        "group_pattern": lock.group_pattern,
        "owner": lock.owner,
        "source": lock.source,
        "comment": lock.comment,
        "created_at": _iso(lock.created_at),
        "expires_at": _iso(lock.expires_at),
        "released_at": _iso(lock.released_at),
    }
    return found if holding is None else found | {"holding": asdict(holding)}


def _lock(options: dict[str, Any], expires_at: datetime | None, now: datetime, too_late: list[UnderWay]) -> Lock:
    dataset, _, block = options["item"].partition("#")
    return lock_create(
        dataset_pattern=dataset,
        block_pattern=block or "*",
        site_pattern=options["site"],
        group_pattern=options["group"],
        owner=options["owner"],
        comment=options["comment"] or "",
        expires_at=expires_at,
        actor=Actor(getpass.getuser()),
        now=now,
        tell_too_late=too_late.extend,
    )


def _renew(options: dict[str, Any], expires_at: datetime | None, now: datetime, too_late: list[UnderWay]) -> list[Lock]:
    with transaction.atomic():
        return [
            lock_extend(
                lock_id=lock_id,
                expires_at=expires_at,
                comment=options["comment"],
                reason=options["reason"],
                actor=Actor(getpass.getuser()),
                now=now,
                tell_too_late=too_late.extend,
            )
            for lock_id in sorted(set(options["renew"]))
        ]


def _days(text: str) -> int:
    """Read ``--days`` for argparse."""
    try:
        days = int(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of days") from error
    if not 0 < days <= 36_500:
        raise argparse.ArgumentTypeError("1 to 36,500 days are expected")
    return days


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


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
