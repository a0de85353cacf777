"""Run the policies that are due, in the foreground."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone

from inventory.selectors.wording import size_text
from policies.choices import PlanState
from policies.management.terminal import PolicyCommand, shell_actor
from policies.models import Plan
from policies.services.cycles import cycles_sweep
from policies.services.due import Evaluation, policies_evaluate_due


class Command(PolicyCommand):
    """``evaluate``."""

    help = "Run an automatic cycle of every policy that is due, as the schedule does, and tell what became of each."
    epilog = """\
examples:
  evaluate            the policies whose period is over
  evaluate --now      all active policies that wait for nothing but their period

exit codes: 0 done, 1 a cycle failed, 2 wrong use
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--now", action="store_true", help="do not wait for the period of a policy")

    def perform(self, options: dict[str, Any]) -> None:
        now = timezone.now()
        for cycle_id in cycles_sweep(now=now):
            self.stdout.write(f"cycle {cycle_id} was given up: its process has died")
        evaluations = policies_evaluate_due(now=now, actor=shell_actor(), is_forced=options["now"])
        for evaluation in evaluations:
            self.stdout.write(f"{evaluation.policy_name}: {_outcome(evaluation)}")
        if not evaluations:
            self.stdout.write("no policy is active; add one with policy_add --activate")


def _outcome(evaluation: Evaluation) -> str:
    if evaluation.cycle is None:
        return f"waits, {evaluation.waits_for}"
    plan = Plan.objects.get(cycle=evaluation.cycle)
    text = f"cycle {evaluation.cycle.pk}, plan {plan.pk} ({size_text(plan.size_bytes)}) is {PlanState(plan.state).label}"
    return text + "".join(f"\n  - {reading['text']}" for reading in plan.tripped)
