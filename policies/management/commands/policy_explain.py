"""Explain what a policy decides about one replica."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils import timezone
from rich.console import Console

from inventory.selectors.wording import plural, size_text
from policies.evaluation.explain import RuleOutcome, RuleTrace
from policies.management.terminal import PolicyCommand, add_guardrails, add_now, add_partition, file_text, step_limit
from policies.planning.explain import ReplicaExplanation
from policies.selectors.wording import rule_text
from policies.services.cycles import parsed_policy
from policies.services.studies import policy_explain

_BLOCKS_SHOWN = 20


class Command(PolicyCommand):
    """``policy_explain FILE --dataset NAME --site NAME``."""

    help = (
        "Explain why a policy would keep or delete one replica: every rule with the values it saw, then what the planner did. "
        "By the text alone, as in a test run; --with-guardrails puts the protecting guardrails on top."
    )
    epilog = """\
example:
  policy_explain nightly.policy --dataset /SingleMuon/Run2017F-31Mar2018-v1/MINIAOD --site T2_US_MIT

exit codes: 0 done, 1 the text has errors or there is no such replica, 2 wrong use
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--dataset", required=True, metavar="NAME")
        parser.add_argument("--site", required=True, metavar="NAME")
        add_partition(parser)
        add_now(parser)
        add_guardrails(parser)
        parser.add_argument("--deletion-per-iteration", type=step_limit, default=0.01, metavar="FRACTION")

    def perform(self, options: dict[str, Any]) -> None:
        path: Path = options["file"]
        policy = parsed_policy(file_text(path), str(path), partition_name=options["partition"])
        explanation = policy_explain(
            policy=policy,
            dataset=options["dataset"],
            site=options["site"],
            now=options["now"] or timezone.now(),
            deletion_per_iteration=options["deletion_per_iteration"],
            with_guardrails=options["with_guardrails"],
        )
        show(explanation, self.console)


def show(explanation: ReplicaExplanation, console: Console) -> None:
    """Print an explanation: the rules as they were asked, then what became of the blocks, and the planner's reasons."""
    console.print(f"{explanation.dataset} at {explanation.site}", style="bold")
    for sentence in explanation.planner:
        console.print(f"  {sentence}")
    for number, evaluation in enumerate(explanation.evaluations, start=1):
        console.print()
        when = (
            f"after {plural(evaluation.num_deletions, 'deletion')}" if evaluation.num_deletions else "at the start of the cycle"
        )
        console.print(f"Evaluation {number} of {len(explanation.evaluations)}, {when}:")
        for trace in evaluation.stack.rules:
            if trace.outcome is not RuleOutcome.NOT_REACHED:
                _rule(trace, console)
        unreached = sum(trace.outcome is RuleOutcome.NOT_REACHED for trace in evaluation.stack.rules)
        if unreached:
            console.print(f"            {plural(unreached, 'rule below was', 'rules below were')} not reached")
    console.print()
    for block in explanation.blocks[:_BLOCKS_SHOWN]:
        line = "" if block.line is None else f"by {rule_text(block.line)}"
        owner = f", handed over to {block.new_owner}" if block.new_owner else ""
        console.print(f"  block {block.block} ({size_text(block.size_bytes)}): {block.decision} {line}{owner}")
    if len(explanation.blocks) > _BLOCKS_SHOWN:
        console.print(f"  and {len(explanation.blocks) - _BLOCKS_SHOWN} more blocks")


def _rule(trace: RuleTrace, console: Console) -> None:
    mark = "=>" if trace.ends_pass else "+ " if trace.is_met else "  "
    line = trace.rule.decision_line
    name = str(line) if line > 0 else "default" if line == 0 else "guardrail"
    console.print(f"  {mark} {name:>9}: {trace.outcome.value:<8} {trace.rule.text}", style="bold" if trace.is_met else None)
    for value in trace.values:
        fact = f" (the feed {value.unloaded_fact} is stale)" if value.unloaded_fact else ""
        console.print(f"                 {value.predicate}: {value.variable} is {value.value}{fact}")
