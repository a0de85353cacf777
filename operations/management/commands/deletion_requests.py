"""Ask for deletions, see what waits, and decide."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.core.management.base import CommandError, CommandParser

from inventory.management.base import DynamoCommand
from inventory.selectors.wording import plural, size_text
from operations.choices import DeletionRequestState
from operations.exceptions import OperationsError
from operations.management.commands._actor import shell_actor
from operations.models import DeletionRequest
from operations.selectors.requests import request_rows, request_standing
from operations.services.deletion_requests import (
    deletion_request_approve,
    deletion_request_cancel,
    deletion_request_create,
    deletion_request_reject,
)
from policies.exceptions import PolicyError


class Command(DynamoCommand):
    """``deletion_requests [--new | --approve ID | --reject ID | --cancel ID]``."""

    help = (
        "List deletion requests, newest first, ask for one, or decide on one; nobody approves their own. "
        "Examples: manage.py deletion_requests --state WAITING; "
        "manage.py deletion_requests --new --dataset /A/B/C --site T2_US_MIT --reason 'superseded'; "
        "manage.py deletion_requests --approve 7 --reason 'looked at the list'. "
        "Exit codes: 0 shown or done, 1 refused, 2 wrong arguments."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        act = parser.add_mutually_exclusive_group()
        act.add_argument("--new", action="store_true", help="Ask that --dataset (and --block) at --site be deleted.")
        act.add_argument("--approve", type=int, metavar="ID", help="Let what was asked for be deleted.")
        act.add_argument("--reject", type=int, metavar="ID", help="Refuse it.")
        act.add_argument("--cancel", type=int, metavar="ID", help="Take it back; what has been begun comes to its end.")
        parser.add_argument("--dataset", default="", metavar="PATTERN", help="Name; * is any text, ? any character (with --new).")
        parser.add_argument("--block", default="*", metavar="PATTERN", help="Block; all by default (with --new).")
        parser.add_argument("--site", default="", metavar="PATTERN", help="Site (with --new).")
        parser.add_argument(
            "--allow-last-copy", action="store_true", help="Even the last copy (with --new, and to approve that)."
        )
        parser.add_argument("--reason", default="", help="Why (not for the list).")
        parser.add_argument("--state", choices=DeletionRequestState.values, default="", help="Only this state (list).")
        parser.add_argument("--limit", type=int, default=50, help="How many at most (list). Default: 50.")

    def handle(self, *args: Any, **options: Any) -> None:
        """List, ask or decide."""
        act = next((name for name in ("new", "approve", "reject", "cancel") if options[name]), "")
        if not act:
            self._list(options)
            return
        if not options["reason"].strip():
            raise CommandError("say why: --reason is needed", returncode=2)
        if act == "new" and not (options["dataset"] and options["site"]):
            raise CommandError("name what is to go: --dataset and --site are needed", returncode=2)
        try:
            self.stdout.write(_act(act, options))
        except (OperationsError, PolicyError, PermissionDenied) as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        rows = request_rows(state=options["state"], limit=max(options["limit"], 1))
        for row in rows:
            last = ", last copies too" if row.allows_last_copy else ""
            self.stdout.write(
                f"{row.pk:>6}  {row.get_state_display():<20} {row.what} at {row.site_pattern}: "
                f"{plural(row.plan.num_items, 'block replica')}, {size_text(row.plan.size_bytes)}{last}; "
                f"{row.requested_by_name}: {row.reason}"
            )
            if row.state == DeletionRequestState.WAITING:
                self.stdout.write(f"        {_standing(row)}")
        if not rows:
            self.stdout.write("no such requests")


def _standing(row: DeletionRequest) -> str:
    standing = request_standing(row)
    there = f"{standing.num_there:,} of {row.plan.num_items:,} still there"
    if not standing.num_last_copies:
        return f"{there}; each has a complete copy elsewhere that stays"
    fate = "they go, too" if row.allows_last_copy else "they stay"
    return f"{there}; LAST COPIES: {standing.num_last_copies:,}, {size_text(standing.last_copy_bytes)}: {fate}"


def _act(act: str, options: dict[str, Any]) -> str:
    actor, reason = shell_actor(), options["reason"]
    if act == "new":
        made = deletion_request_create(
            dataset_pattern=options["dataset"],
            block_pattern=options["block"],
            site_pattern=options["site"],
            allows_last_copy=options["allow_last_copy"],
            actor=actor,
            reason=reason,
        )
        return (
            f"{made}: {plural(made.plan.num_items, 'block replica')}, {size_text(made.plan.size_bytes)}; it waits until somebody "
            f"else approves it"
        )
    key = options[act]
    if act == "approve":
        done = deletion_request_approve(request_id=key, actor=actor, reason=reason, allow_last_copy=options["allow_last_copy"])
    else:
        decide = deletion_request_reject if act == "reject" else deletion_request_cancel
        done = decide(request_id=key, actor=actor, reason=reason)
    return f"{done} is {done.get_state_display()}"
