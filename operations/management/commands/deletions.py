"""Show the queue of deletions and what became of them."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from inventory.management.base import DynamoCommand
from inventory.selectors.wording import exact_text, plural, size_text
from operations.choices import DeletionState
from operations.exceptions import OperationsError
from operations.management.commands._actor import shell_actor
from operations.selectors.heartbeat import silence
from operations.selectors.history import FailedSum, deletion_rows, failed_deletions
from operations.selectors.pausing import pause_file, pause_state
from operations.selectors.progress import deletions_under_way
from operations.services.claim import plans_under_way
from operations.services.failed import deletions_drop, deletions_retry
from policies.selectors.cycles_overview import held_plans
from policies.services.standing import plans_that_wait


class Command(DynamoCommand):
    help = (
        "Show how deletions stand per site, list single ones, or decide on failed ones. "
        "Examples: manage.py deletions; manage.py deletions --list --state FAILED --site T2_US_MIT; "
        "manage.py deletions --retry 17 18 --reason 'permissions mended'; "
        "manage.py deletions --retry --site T2_US_MIT --plan 12 --dry-run; "
        "manage.py deletions --drop 19 --reason 'kept after all'. "
        "Exit codes: 0 shown or done, 1 refused, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--list", action="store_true", help="List single deletions, newest first.")
        parser.add_argument("--site", default="", help="Only this site.")
        parser.add_argument("--state", choices=DeletionState.values, default="", help="Only this state (with --list).")
        parser.add_argument(
            "--failing", action="store_true", help="Only what failed at least once and is not done (with --list)."
        )
        parser.add_argument("--plan", type=int, default=None, help="Only this plan (with --list, --retry and --drop).")
        parser.add_argument("--dataset", default="", help="Only this dataset (with --list, --retry and --drop).")
        parser.add_argument("--limit", type=int, default=50, help="How many at most (with --list). Default: 50.")
        decision = parser.add_mutually_exclusive_group()
        which = "these failed deletions, or all that fit --site, --plan and --dataset,"
        decision.add_argument("--retry", nargs="*", type=int, metavar="ID", help=f"Try {which} again.")
        decision.add_argument("--drop", nargs="*", type=int, metavar="ID", help=f"Give {which} up.")
        parser.add_argument("--dry-run", action="store_true", help="Say how much --retry or --drop concerns, and change nothing.")
        parser.add_argument("--reason", default="", help="Why (with --retry and --drop).")

    def handle(self, *args: Any, **options: Any) -> None:
        """Decide, list or sum up."""
        if options["retry"] is not None or options["drop"] is not None:
            self._decide(options)
        elif options["dry_run"]:
            raise CommandError("--dry-run goes with --retry or --drop", returncode=2)
        elif options["list"] or options["failing"]:
            self._list(options)
        else:
            self._sum_up(options["site"])

    def _decide(self, options: dict[str, Any]) -> None:
        if not options["reason"].strip() and not options["dry_run"]:
            raise CommandError("say why: --reason is needed", returncode=2)
        ids = list(options["retry"] or options["drop"] or ())
        chosen = self._chosen(options, ids)
        size = f"{plural(len(chosen.ids), 'failed deletion')} at {', '.join(chosen.site_names)}"
        size = f"{size}: {plural(chosen.num_files, 'file')}, {size_text(chosen.size_bytes)}"
        is_retry = options["retry"] is not None
        if options["dry_run"]:
            if others := sorted(set(ids).difference(chosen.ids)):
                raise CommandError(f"no failed deletions: {', '.join(map(str, others[:10]))}")
            self.stdout.write(f"{size}. They would {'be tried again' if is_retry else 'be given up'}; nothing was changed.")
            return
        decide = deletions_retry if is_retry else deletions_drop
        try:
            decide(deletion_ids=ids or chosen.ids, actor=shell_actor(), reason=options["reason"])
        except OperationsError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{size}. They {'wait again' if is_retry else 'are given up'}.")

    def _chosen(self, options: dict[str, Any], ids: list[int]) -> FailedSum:
        """Return what is to be decided on: what is named, or what fits; never all there is for want of a word."""
        has_filter = options["site"] or options["dataset"] or options["plan"] is not None
        if bool(ids) == bool(has_filter):
            raise CommandError("say which: either IDs, or --site, --plan or --dataset", returncode=2)
        if options["state"] not in {"", DeletionState.FAILED}:
            raise CommandError("only failed deletions wait for a decision", returncode=2)
        chosen = failed_deletions(
            site_name=options["site"], dataset_name=options["dataset"], plan_id=options["plan"], deletion_ids=ids or None
        )
        if not chosen.ids and not ids:
            raise CommandError("no failed deletion fits that")
        return chosen

    def _list(self, options: dict[str, Any]) -> None:
        rows = deletion_rows(
            site_name=options["site"],
            state=options["state"],
            dataset_name=options["dataset"],
            plan_id=options["plan"],
            is_failing=options["failing"],
            limit=max(options["limit"], 1),
        )
        for row in rows:
            self.stdout.write(
                f"{row.id:>8}  {row.state:<8} {row.site_name:<20} {row.dataset_name}#{row.block_name}  "
                f"{row.files_deleted + row.files_absent}/{row.num_files} files  {row.reason}".rstrip()
            )
        if not rows:
            self.stdout.write("no such deletions")

    def _sum_up(self, site_name: str) -> None:
        pause = pause_state()
        if pause.is_paused:
            who = (
                f"since {exact_text(pause.changed_at)} by {pause.changed_by}: {pause.reason}"
                if pause.is_switched
                else f"by the file {pause_file()} on this host"
            )
            self.stdout.write(f"ALL DELETIONS ARE PAUSED {who}")
            if pause.is_switched and pause.is_file_present:
                self.stdout.write(pause.to_remove)
        under_way = deletions_under_way(now=timezone.now())
        if told := silence(under_way, now=timezone.now()):
            self.stdout.write(told)
        for plan in held_plans():
            size = f"{plural(plan.num_items, 'block replica')}, {size_text(plan.size_bytes)}"
            why = "; ".join(reading["text"] for reading in plan.tripped)
            then = f"Look at it, then plan_release {plan.pk} or plan_discard {plan.pk}"
            self.stdout.write(f"plan {plan.pk} of {plan.partition_name} ({size}) is held: {why}. {then}")
        for plan_id, reason in plans_that_wait(plans_under_way(), now=timezone.now()).items():
            self.stdout.write(f"plan {plan_id} waits: {reason}")
        rows = [row for row in under_way if site_name in {"", row.site_name}]
        self.stdout.write(
            f"{'site':<24}{'waiting':>10}{'acting':>8}{'failed':>8}{'done/h':>8}{'files/h':>10}{'size/h':>10}  remarks"
        )
        for row in rows:
            self.stdout.write(
                f"{row.site_name:<24}{row.num_queued:>10}{row.num_acting:>8}{row.num_failed:>8}{row.num_done_last_hour:>8}"
                f"{row.files_last_hour:>10}{size_text(row.bytes_last_hour):>10}  {row.remark}".rstrip()
            )
        if not rows:
            self.stdout.write("nothing waits, nothing failed, nothing was deleted in the last hour")
