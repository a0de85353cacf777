"""Carry out what waits in the queue, in the foreground and without a broker."""

from __future__ import annotations

from datetime import timedelta
from random import Random
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from inventory.management.base import DynamoCommand
from inventory.selectors.clock import database_now
from operations.selectors.pausing import pause_state
from operations.selectors.progress import deletions_under_way
from operations.services.limits import limits_from_settings
from operations.services.sweep import sweep
from operations.services.trash_worker import purge_work, restore_work
from operations.services.worker import work, worker_name


class Command(DynamoCommand):
    help = (
        "Delete what waits until nothing can be done now; released plans that are not queued yet are taken up first. "
        "Example: manage.py work --seconds 600. "
        "Exit codes: 0 the queue is empty, 1 something still waits, is paused or needs a person, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--seconds", type=float, default=None, help="Stop taking new work after so long. Default: no limit.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep, work, sweep, and say what is left."""
        limits = limits_from_settings()
        rng = Random()  # noqa: S311 - spreads load, keeps no secret
        budget = timedelta(seconds=options["seconds"]) if options["seconds"] is not None else None
        sweep(now=database_now(), limits=limits, rng=rng)
        done = work(worker=worker_name(), budget=budget, limits=limits, rng=rng)
        back = restore_work(worker=worker_name(), limits=limits, rng=rng).files
        purged = purge_work(worker=worker_name(), budget=budget, limits=limits, rng=rng).purged
        sweep(now=database_now(), limits=limits, rng=rng)
        counts = ", ".join(f"{number} {state.lower()}" for state, number in sorted(done.states.items())) or "nothing to do"
        self.stdout.write(f"{done.num_batches} batches: {counts}")
        if back or purged:
            self.stdout.write(f"restored {back['RESTORED']} of {back.total()} files, purged {purged['PURGED']} block replicas")
        if pause_state().is_paused:
            raise CommandError("all deletions are paused: see manage.py deletions")
        left = [site for site in deletions_under_way(now=timezone.now()) if site.num_queued or site.num_acting or site.num_failed]
        if left:
            lines = (f"{s.site_name}: {s.num_queued} wait, {s.num_acting} under way, {s.num_failed} need a person" for s in left)
            raise CommandError("not everything is done\n  " + "\n  ".join(lines))
