"""Bring back what was deleted, from the trash of its site."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from inventory.management.base import DynamoCommand
from inventory.selectors.wording import plural, size_text
from operations.exceptions import OperationsError
from operations.management.commands._actor import shell_actor
from operations.selectors.trash import restore_reports, trash_by_site
from operations.services.restoring import RestoreAsked, RestoreWanted, restore_request
from operations.services.trash_worker import restore_work
from operations.services.worker import worker_name

_MAX_SHOWN = 20


class Command(DynamoCommand):
    help = (
        "Bring back what was deleted: files to storage, block replicas to the inventory, each file checked. What is given must "
        "all fit. Without anything, list what can be brought back. "
        "Examples: manage.py restore; manage.py restore --plan 17 --reason 'deleted by mistake'; "
        "manage.py restore --site T2_US_MIT --dataset /A/B-1/RAW --reason 'still needed'; "
        "manage.py restore --file /store/a.root --reason 'still needed'. "
        "Exit codes: 0 all that fits is back (or it was listed), 1 something is not, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--plan", type=int, default=None, help="All that this plan deleted.")
        parser.add_argument("--site", default="", help="What was deleted at this site.")
        parser.add_argument("--dataset", default="", help="What was deleted of this dataset.")
        parser.add_argument("--block", default="", help="What was deleted of this block (the name without its dataset).")
        parser.add_argument("--file", default="", help="This file, by its logical name.")
        parser.add_argument("--reason", default="", help="Why; it is kept in the audit trail.")
        parser.add_argument("--no-wait", action="store_true", help="Leave the work to the workers.")

    def handle(self, *args: Any, **options: Any) -> None:
        """List, or ask, work and report."""
        wanted = RestoreWanted(
            plan_id=options["plan"],
            site_name=options["site"],
            dataset_name=options["dataset"],
            block_name=options["block"],
            lfn=options["file"],
        )
        if wanted == RestoreWanted():
            self._list()
            return
        try:
            asked = restore_request(wanted=wanted, actor=shell_actor(), reason=options["reason"], now=timezone.now())
        except OperationsError as error:
            raise CommandError(str(error)) from error
        for what, why in asked.back_already:
            self.stdout.write(f"{what}: {why}")
        number = len(asked.trash_ids)
        self.stdout.write(f"{plural(number, 'block replica')} {'is' if number == 1 else 'are'} to come back")
        if not options["no_wait"]:
            restore_work(worker=worker_name(), only=asked.trash_ids)
        self._report(asked, is_waiting=not options["no_wait"])

    def _list(self) -> None:
        sites = trash_by_site()
        self.stdout.write(f"{'site':<24}{'block replicas':>15}{'files':>12}{'size':>12}  first purge (UTC)")
        for site in sites:
            until = f"{site.next_purge_at:%Y-%m-%d %H:%M}" if site.next_purge_at else "under way"
            self.stdout.write(
                f"{site.site_name:<24}{site.num_block_replicas:>15}{site.num_files:>12}{size_text(site.size_bytes):>12}  {until}"
            )
        if not sites:
            self.stdout.write("nothing lies in any trash")

    def _report(self, asked: RestoreAsked, *, is_waiting: bool) -> None:
        undone = []
        reports = restore_reports(asked.trash_ids, max_problems=_MAX_SHOWN) if is_waiting else []
        for report in reports:
            rest = "" if report.num_restored == report.num_files else f"; the rest: {report.state_text}"
            self.stdout.write(f"{report.what}: {report.num_restored} of {plural(report.num_files, 'file')} back{rest}")
            undone += [f"{lfn}: {outcome}: {message}".rstrip(": ") for lfn, outcome, message in report.problems]
            if report.state == "RESTORE" and not report.problems:
                undone.append(f"{report.what}: {report.reason or report.state_text}")
        if reports:
            num_restored, num_files = sum(one.num_restored for one in reports), sum(one.num_files for one in reports)
            files = f"{num_restored} of {plural(num_files, 'file')} of {plural(len(reports), 'block replica')}"
            self.stdout.write(f"in all {files} are back")
        undone += [f"{what}: {why}" for what, why in asked.refused]
        # A single file that is back leaves the rest of its block in the trash, as was asked.
        if undone:
            shown = "\n  ".join(undone[:_MAX_SHOWN])
            more = f"\n  and {len(undone) - _MAX_SHOWN} more" if len(undone) > _MAX_SHOWN else ""
            raise CommandError(f"not everything is back\n  {shown}{more}")
