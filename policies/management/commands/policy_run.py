"""Run one cycle of a policy text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from inventory.selectors.wording import size_text
from policies.choices import CycleKind, PlanState
from policies.management.terminal import (
    WRONG_USE,
    PolicyCommand,
    add_guardrails,
    add_now,
    add_partition,
    bar,
    file_text,
    share_text,
    shell_actor,
    short,
    step_limit,
    table,
)
from policies.models import Cycle, Plan
from policies.planning.decisions import write_decisions_jsonl
from policies.services.checking import policy_check
from policies.services.cycles import cycle_run
from policies.services.finishing import CycleResult

_RULES_SHOWN = 40


class Command(PolicyCommand):
    """``policy_run FILE``."""

    help = "Run one cycle of a policy text; with --test-run only tell what the text would decide."
    epilog = """\
examples:
  policy_run --test-run nightly.policy                                  what would it decide now?
  policy_run --test-run --now 2026-01-01T00:00:00Z --decisions out.jsonl nightly.policy
  policy_run --test-run --with-guardrails nightly.policy                the same under the protecting guardrails
  policy_run nightly.policy                                             freeze a plan, which waits for plan_release

A test run decides by the text alone and freezes no plan; --with-guardrails puts the protecting guardrails on top of it. Without
--test-run they always are, and the cycle freezes a plan. A text from a file is not the active version of a policy, so its plan is
held: nothing is deleted before somebody releases it with plan_release.

exit codes: 0 done, 1 the text has errors or the cycle failed, 2 wrong use
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        add_partition(parser)
        add_now(parser)
        parser.add_argument("--test-run", action="store_true", help="decide and show, but freeze no plan")
        add_guardrails(parser)
        parser.add_argument("--decisions", type=Path, metavar="OUT.jsonl", help="write all decisions to this file, sorted")
        parser.add_argument(
            "--deletion-per-iteration",
            type=step_limit,
            default=0.01,
            metavar="FRACTION",
            help="a step ends when more than this part of a site's quota was deleted (default: 0.01)",
        )

    def perform(self, options: dict[str, Any]) -> None:
        path: Path = options["file"]
        text = file_text(path)
        target: Path | None = options["decisions"]
        if target is not None and not target.resolve().parent.is_dir():
            raise CommandError(f"--decisions {target}: there is no folder {target.resolve().parent}", returncode=WRONG_USE)
        now = options["now"] or timezone.now()
        found = policy_check(text=text, partition_name=options["partition"], file_name=str(path), now=now)
        if found and not any(diagnostic.is_error for diagnostic in found):
            self.stderr.write(f"{len(found)} warnings or notes; policy_check shows them", style_func=str)
        result = cycle_run(
            text=text,
            source=str(path),
            kind=CycleKind.TEST_RUN if options["test_run"] else CycleKind.MANUAL,
            actor=shell_actor(),
            now=now,
            partition_name=options["partition"],
            deletion_per_iteration=options["deletion_per_iteration"],
            with_guardrails=options["with_guardrails"],
        )
        self._show(result)
        if target is not None:
            try:
                count = write_decisions_jsonl(target, result.outcome, result.snapshot)
            except OSError as error:
                raise CommandError(f"--decisions {target}: {error.strerror}", returncode=WRONG_USE) from error
            self.stdout.write(f"{count} decisions are in {target}\n")

    def _show(self, result: CycleResult) -> None:
        cycle, console = result.cycle, self.console
        console.print(f"Cycle {cycle.pk} ({cycle.get_kind_display()}) of {cycle.source} in the partition {cycle.partition.name}")
        console.print(
            f"clock {cycle.clock:%Y-%m-%d %H:%M:%S} UTC, {cycle.num_block_replicas:,} block replicas in scope,", end=" "
        )
        console.print(f"{cycle.num_steps} steps; digest {cycle.plan_digest}")
        for feed in cycle.unknown_facts:
            console.print(
                f"unknown: the feed {feed['feed']}: {feed['reason']}; rules on it protect, an order by it waits for a person"
            )
        console.print()
        console.print(_sites(cycle))
        console.print()
        console.print(_decisions(cycle))
        console.print()
        console.print(_rules(cycle))
        plan = Plan.objects.filter(cycle=cycle).first()
        console.print()
        console.print(_no_plan(cycle) if plan is None else _fate(plan))


def _sites(cycle: Cycle) -> Any:
    listed = table("site", "before", "", "after", "", "quota", "would be deleted", right=("quota", "would be deleted"))
    for site in cycle.sites.order_by("site_name"):
        listed.add_row(
            site.site_name,
            bar(site.bytes_before, site.quota_bytes),
            share_text(site.bytes_before, site.quota_bytes),
            bar(site.bytes_after, site.quota_bytes),
            share_text(site.bytes_after, site.quota_bytes),
            "unlimited" if site.quota_bytes < 0 else size_text(site.quota_bytes),
            size_text(site.deleted_bytes) if site.deleted_bytes else "",
        )
    return listed


def _decisions(cycle: Cycle) -> Any:
    listed = table("decision", "bytes", right=("bytes",))
    words = ("to delete", cycle.deleted_bytes), ("kept", cycle.kept_bytes), ("protected", cycle.protected_bytes)
    for word, size in (*words, ("ignored", cycle.ignored_bytes)):
        listed.add_row(word, size_text(size))
    return listed


def _rules(cycle: Cycle) -> Any:
    rules = list(cycle.rules.filter(num_replicas__gt=0).order_by("-size_bytes", "line"))
    dead = cycle.rules.filter(num_replicas=0).count()
    title = f"Rules that decided something ({dead} decided nothing)"
    listed = table("line", "replicas", "bytes", "rule", right=("line", "replicas", "bytes"), title=title)
    for rule in rules[:_RULES_SHOWN]:
        listed.add_row(_line(rule.line), f"{rule.num_replicas:,}", size_text(rule.size_bytes), short(rule.text))
    if len(rules) > _RULES_SHOWN:
        listed.add_row("...", "", "", f"and {len(rules) - _RULES_SHOWN} more")
    return listed


def _line(line: int) -> str:
    return "default" if line == 0 else "guardrail" if line < 0 else str(line)


def _no_plan(cycle: Cycle) -> str:
    asked = "under the protecting guardrails" if cycle.with_guardrails else "by the text alone, guardrails not applied"
    return f"Test run {asked}: no plan was frozen, nothing will be deleted."


def _fate(plan: Plan) -> str:
    head = f"Plan {plan.pk}: {plan.num_items:,} items, {size_text(plan.size_bytes)}, digest {plan.digest}"
    if plan.state == PlanState.DONE:
        return f"{head}\nThere is nothing to do."
    if plan.state == PlanState.RELEASED:
        return f"{head}\nNo safety limit tripped: it is released, and the workers delete its items."
    reasons = "\n".join(f"  - {reading['text']}" for reading in plan.tripped)
    return (
        f"{head}\nIt is held, nothing is deleted, because:\n{reasons}\n"
        f"Look at it, then: plan_release {plan.pk} --reason '...'  or  plan_discard {plan.pk} --reason '...'"
    )
