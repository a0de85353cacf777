"""List locks."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.db.models import QuerySet
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from inventory.management.base import DynamoCommand
from inventory.management.commands.lock import lock_object
from inventory.models import Lock
from inventory.selectors.lock_holdings import Holding, Patterns, holdings_of, where_text
from inventory.selectors.locks import on_dataset
from inventory.selectors.locks_in_force import in_force_at
from inventory.selectors.wording import plural, size_text


class Command(DynamoCommand):
    """``locks``."""

    help = (
        "List the locks in force, newest first; --all: expired and released ones, too. Example: locks --owner asmith --bytes. "
        "Which locks hold a dataset: locks --holds /SingleMuon/Run2017B/MINIAOD. Exit codes: 0 listed, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="expired and released ones, too")
        parser.add_argument("--owner", help="only this owner's")
        parser.add_argument("--source", help="only those that came so: manual, api, set, inject")
        parser.add_argument("--dataset", metavar="TEXT", help="only those whose dataset pattern holds this text")
        parser.add_argument("--holds", metavar="DATASET", help="only those whose dataset pattern fits this name")
        parser.add_argument("--site", metavar="PATTERN", help="only those with this very site pattern")
        parser.add_argument("--expiring", type=int, metavar="DAYS", help="only those that expire within so many days")
        parser.add_argument("--bytes", action="store_true", help="count what each of them holds")
        parser.add_argument("--json", action="store_true", help="one JSON object a line, in the words of the API")
        parser.add_argument("--limit", type=int, default=100, help="at most so many (default 100)")

    def handle(self, *args: Any, **options: Any) -> None:
        found = _found(options, timezone.now())
        total = found.count()
        shown = list(found.order_by("-created_at", "-pk")[: max(options["limit"], 0)])
        holdings = holdings_of(shown) if options["bytes"] and shown else {}
        if options["json"]:
            for lock in shown:
                self.stdout.write(json.dumps(lock_object(lock, holdings.get(lock.pk))))
            return
        self._table(shown, holdings, with_bytes=options["bytes"])
        self.stdout.write(plural(total, "lock") + (f", {len(shown)} shown" if total > len(shown) else ""))

    def _table(self, locks: list[Lock], holdings: dict[int, Holding], *, with_bytes: bool) -> None:
        table = Table()
        columns = ["id", "dataset", "block", "site", "group", "owner", "source", "until"]
        for column in [*columns, *(["holds"] if with_bytes else []), "comment"]:
            table.add_column(column, overflow="fold", justify="right" if column == "holds" else "left")
        for lock in locks:
            patterns = Patterns.of(lock)
            holding = holdings.get(lock.pk)
            where = lock.site_pattern if holding is None else where_text(patterns, holding)
            cells = [str(lock.pk), patterns.dataset, patterns.block, where, patterns.group, lock.owner, lock.source, _until(lock)]
            if holding is not None:
                cells.append(size_text(holding.size_bytes))
            table.add_row(*cells, lock.comment)
        width = None if sys.stdout.isatty() else 160
        Console(file=self.stdout._out, width=width, highlight=False, markup=False).print(table)


def _found(options: dict[str, Any], now: datetime) -> QuerySet[Lock]:
    locks = Lock.objects.all() if options["all"] else Lock.objects.filter(in_force_at(now))
    exact = {"owner": options["owner"], "source": options["source"], "site_pattern": options["site"]}
    locks = locks.filter(**{name: value for name, value in exact.items() if value})
    if options["dataset"]:
        locks = locks.filter(dataset_pattern__contains=options["dataset"])
    if options["holds"]:
        locks = locks.filter(on_dataset(options["holds"]))
    if options["expiring"] is not None:
        locks = locks.filter(expires_at__lte=now + timedelta(days=options["expiring"]))
    return locks


def _until(lock: Lock) -> str:
    if lock.released_at is not None:
        return f"released {lock.released_at:%Y-%m-%d %H:%M}"
    return "it is released" if lock.expires_at is None else f"{lock.expires_at:%Y-%m-%d %H:%M}"
