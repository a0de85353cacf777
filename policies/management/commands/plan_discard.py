"""Discard a plan."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from policies.management.terminal import PolicyCommand, shell_actor
from policies.services.plans import plan_discard


class Command(PolicyCommand):
    """``plan_discard PLAN --reason TEXT``."""

    help = "Discard a plan: nothing of it that is not deleted yet will be."
    epilog = """\
example:
  plan_discard 17 --reason 'looked at the list with the data manager'

exit codes: 0 done, 1 refused (the message says why), 2 wrong use
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("plan", type=int, metavar="PLAN", help="number of the plan")
        parser.add_argument("--reason", required=True, help="kept with the plan and in the audit trail")

    def perform(self, options: dict[str, Any]) -> None:
        plan = plan_discard(plan_id=options["plan"], actor=shell_actor(), reason=options["reason"])
        self.stdout.write(f"plan {plan.pk} is {plan.get_state_display()}")
