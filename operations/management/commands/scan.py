"""Scan the storage of a site, and decide on what scans found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from inventory.exceptions import InventoryError
from inventory.management.base import DynamoCommand
from inventory.selectors.wording import plural, size_text
from operations.choices import OPEN_SCAN_STATES, ScanState
from operations.exceptions import OperationsError
from operations.management.commands._actor import shell_actor
from operations.models import StorageScan
from operations.selectors.scans import by_folder, folders_failed, folders_waiting, scan_rows
from operations.services.clean_ups import clean_up_create, clean_up_discard, clean_up_release
from operations.services.scan_missing import missing_confirm, missing_take_back
from operations.services.scan_worker import scan_work
from operations.services.scans import scan_accept, scan_cancel, scan_discard, scan_start
from operations.services.worker import worker_name
from policies.exceptions import PolicyError

_ON_SCANS: dict[str, Callable[..., StorageScan]] = {
    "accept": scan_accept,
    "discard": scan_discard,
    "cancel": scan_cancel,
    "confirm_missing": missing_confirm,
}
_ACTS = (*_ON_SCANS, "take_back", "clean_up", "release", "give_up")


class Command(DynamoCommand):
    """``scan [SITE] [--accept ID | ... ]``."""

    help = (
        "List the storage of a site and compare it with the inventory; killed or stopped, the same command goes on. Without a "
        "site, list scans. Nothing is changed by a scan: what it found is decided on by the other options. "
        "Examples: manage.py scan T2_US_MIT; manage.py scan; manage.py scan --confirm-missing 7 --reason 'disk died'; "
        "manage.py scan --clean-up 7 --reason 'left by old transfers'; "
        "manage.py scan --release 3 --digest 0a1b... --reason 'looked at the list'. "
        "Exit codes: 0 done or shown, 1 refused, failed or held for a person, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("site", nargs="?", default="", help="Site to scan; without one, scans are listed.")
        parser.add_argument("--no-wait", action="store_true", help="Begin the scan and leave the work to the workers.")
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--accept", type=int, metavar="SCAN", help="Let a scan count that a limit holds.")
        act.add_argument("--discard", type=int, metavar="SCAN", help="Let a scan that a limit holds count for nothing.")
        act.add_argument("--cancel", type=int, metavar="SCAN", help="Stop a scan that is under way.")
        act.add_argument("--confirm-missing", type=int, metavar="SCAN", help="Take its missing files out of the inventory.")
        act.add_argument("--take-back", type=int, metavar="SCAN", help="Take up again what had been missing and it saw.")
        act.add_argument("--clean-up", type=int, metavar="SCAN", help="Freeze the list of its dark files that count.")
        act.add_argument("--release", type=int, metavar="CLEAN-UP", help="Let the files of a frozen list be deleted.")
        act.add_argument("--give-up", type=int, metavar="CLEAN-UP", help="Give a frozen list up.")
        parser.add_argument("--digest", default="", help="Of the list that is released, as it was shown.")
        parser.add_argument("--reason", default="", help="Why (to decide).")
        parser.add_argument("--limit", type=int, default=20, help="How many at most (list). Default: 20.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Scan, decide or list."""
        act = next((name for name in _ACTS if options[name] is not None), "")
        try:
            if act:
                self._decide(act, options)
            elif options["site"]:
                self._scan(options["site"], is_waiting=not options["no_wait"])
            else:
                self._list(max(options["limit"], 1))
        except (OperationsError, PolicyError, InventoryError, PermissionDenied) as error:
            raise CommandError(str(error)) from error

    def _scan(self, site_name: str, *, is_waiting: bool) -> None:
        at_work = StorageScan.objects.filter(site_name=site_name, state__in=OPEN_SCAN_STATES - {ScanState.HELD}).first()
        scan = at_work or scan_start(site_name=site_name, actor=shell_actor())
        self.stdout.write(f"{scan} {'goes on' if at_work else 'begins'}")
        if not is_waiting:
            return
        self._work(scan)
        scan.refresh_from_db()
        self._report(scan)

    def _work(self, scan: StorageScan) -> None:
        """Scan in the foreground, with a bar: known are the files that the inventory expects and the folders that wait."""
        console = Console(stderr=True)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[files]:,} files, {task.fields[rate]:,.0f}/s, {task.fields[waiting]:,} folders wait"),
            TimeElapsedColumn(),
        )
        with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
            task = bar.add_task(scan.site_name, total=None, files=0, rate=0.0, waiting=0)

            def show() -> None:
                if console.is_terminal:
                    now = StorageScan.objects.get(pk=scan.pk)
                    rate = now.files_seen / bar.tasks[0].elapsed if bar.tasks[0].elapsed else 0.0
                    done, waiting = now.folders_done, folders_waiting(scan.pk)
                    bar.update(task, total=done + waiting, completed=done, files=now.files_seen, rate=rate, waiting=waiting)

            summary = scan_work(worker=worker_name(), only=scan.pk, on_step=show)
        state = StorageScan.objects.values_list("state", flat=True).get(pk=scan.pk)
        if summary.stopped:
            raise CommandError(f"{scan} does not go on now: {summary.stopped}")
        if state in (ScanState.LISTING, ScanState.COMPARING, ScanState.APPLYING):
            raise CommandError(f"{scan} is under way elsewhere, or all deletions are paused: run the command again later")

    def _report(self, scan: StorageScan) -> None:
        known = f"{scan.files_known:,} of {plural(scan.files_seen, 'file')} ({size_text(scan.bytes_seen)}) are known there"
        self.stdout.write(f"{scan}: {scan.get_state_display()}; {known}")
        self.stdout.write(
            f"  missing: {plural(scan.files_missing, 'file')}, {size_text(scan.bytes_missing)}, of {scan.files_expected:,}"
            + (f"; of {scan.files_unclear:,} more the storage says nothing certain" if scan.files_unclear else "")
        )
        self.stdout.write(
            f"  dark: {plural(scan.files_dark, 'file')}, {size_text(scan.bytes_dark)}; {scan.files_young:,} more are young"
        )
        for share in by_folder(scan.pk, "DARK"):
            self.stdout.write(f"    {share.name}: {plural(share.num_files, 'file')}, {size_text(share.size_bytes)}")
        self.stdout.write(f"  known, but not there: {plural(scan.files_stray, 'file')}, {size_text(scan.bytes_stray)}")
        for folder in folders_failed(scan.pk, limit=20):
            self.stdout.write(f"  not listed: /{folder.path}: {folder.problem}")
        if scan.state == ScanState.HELD:
            tripped = "\n  ".join(scan.tripped)
            raise CommandError(f"{scan} is held for a person (--accept or --discard {scan.pk}):\n  {tripped}")
        if scan.state == ScanState.FAILED:
            raise CommandError(f"{scan} failed: {scan.failure}")

    def _decide(self, act: str, options: dict[str, Any]) -> None:
        key, reason, actor = options[act], options["reason"], shell_actor()
        if act == "take_back":
            back, others = missing_take_back(scan_id=key, actor=actor, reason=reason)
            self.stdout.write(
                f"{plural(back, 'file')} are in the inventory again" + (f"; {others:,} cannot be" if others else "")
            )
            return
        if act == "clean_up":
            made = clean_up_create(scan_id=key, actor=actor, reason=reason)
            size = f"{plural(made.plan.num_items, 'file')}, {size_text(made.plan.size_bytes)}"
            self.stdout.write(
                f"{made}: {size} in plan {made.plan_id}; look at its items, then --release {made.pk} --digest {made.plan.digest}"
            )
            return
        if act in ("release", "give_up"):
            if act == "release":
                row = clean_up_release(clean_up_id=key, digest=options["digest"], actor=actor, reason=reason)
            else:
                row = clean_up_discard(clean_up_id=key, actor=actor, reason=reason)
            self.stdout.write(f"{row} is {row.get_state_display()}")
            return
        scan = _ON_SCANS[act](scan_id=key, actor=actor, reason=reason)
        if act == "confirm_missing":
            self._work(scan)
            scan.refresh_from_db()
        self.stdout.write(f"{scan} is {scan.get_state_display()}")

    def _list(self, limit: int) -> None:
        rows = scan_rows(limit=limit)
        for scan in rows:
            found = f"{scan.files_missing:,} missing, {scan.files_dark:,} dark of {scan.files_seen:,}"
            self.stdout.write(
                f"{scan.pk:>6}  {scan.started_at:%Y-%m-%d %H:%M}  {scan.site_name:<20} {scan.get_state_display()}: {found}"
            )
        if not rows:
            self.stdout.write("no site has been scanned")
