"""List locks."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from inventory.models import Lock
from inventory.selectors.locks import locks_in_force


class Command(BaseCommand):
    """``locks``."""

    help = (
        "List the locks in force, newest first; --all shows expired and released ones, too. Example: locks --owner asmith. "
        "Exit codes: 0 listed, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--all", action="store_true", help="expired and released ones, too")
        parser.add_argument("--owner", help="only this owner's")
        parser.add_argument("--dataset", metavar="TEXT", help="only those whose dataset pattern holds this text")
        parser.add_argument("--limit", type=int, default=100, help="at most so many (default 100)")

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        locks = Lock.objects.all() if options["all"] else locks_in_force(now)
        if options["owner"]:
            locks = locks.filter(owner=options["owner"])
        if options["dataset"]:
            locks = locks.filter(dataset_pattern__contains=options["dataset"])
        table = Table()
        for column in ("lock", "dataset", "block", "site", "group", "owner", "source", "until", "comment"):
            table.add_column(column, overflow="fold")
        total = locks.count()
        for lock in locks.order_by("-created_at", "-pk")[: max(options["limit"], 0)]:
            patterns = (lock.dataset_pattern, lock.block_pattern, lock.site_pattern, lock.group_pattern)
            table.add_row(str(lock.pk), *patterns, lock.owner, lock.source, _until(lock), lock.comment)
        width = None if sys.stdout.isatty() else 160
        Console(file=self.stdout._out, width=width, highlight=False, markup=False).print(table)
        self.stdout.write(f"{total} locks" + (f", {options['limit']} shown" if total > options["limit"] else ""))


def _until(lock: Lock) -> str:
    if lock.released_at is not None:
        return f"released {lock.released_at:%Y-%m-%d %H:%M}"
    return "it is released" if lock.expires_at is None else f"{lock.expires_at:%Y-%m-%d %H:%M}"
