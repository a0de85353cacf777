"""Hold policies against the expectations beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from policies.management.terminal import FINDINGS, WRONG_USE, PolicyCommand, add_now, add_partition, file_text, step_limit
from policies.services.cycles import parsed_policy
from policies.services.expectations import expectations_parse, failure_text, policy_test


class Command(PolicyCommand):
    """``policy_test FILE...``."""

    help = "Plan policies on the inventory as it is now and hold them against the expectations in FILE.expect beside each."
    epilog = """\
example:
  policy_test Physics.txt        with beside it Physics.expect:

    expect protect dataset.name == /*/*/RAW at T1_*
    expect not delete dataset.on_tape == NONE

exit codes: 0 all met, 1 some fail or a text has errors, 2 wrong use
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", type=Path, nargs="+", metavar="FILE")
        add_partition(parser)
        add_now(parser)
        parser.add_argument("--deletion-per-iteration", type=step_limit, default=0.01, metavar="FRACTION")

    def perform(self, options: dict[str, Any]) -> None:
        num_failed = sum(self._test(path, options) for path in options["files"])
        if num_failed:
            raise CommandError(f"{num_failed} expectation{'s' if num_failed > 1 else ''} failed", returncode=FINDINGS)

    def _test(self, path: Path, options: dict[str, Any]) -> int:
        """Print how each expectation of one policy fares and return how many fail."""
        beside = path.with_suffix(".expect")
        if not beside.exists():
            raise CommandError(f"{path} has no expectations: write them to {beside}", returncode=WRONG_USE)
        expectations = expectations_parse(file_text(beside), file_name=str(beside))
        policy = parsed_policy(file_text(path), str(path), partition_name=options["partition"])
        results = policy_test(
            policy=policy,
            expectations=expectations,
            now=options["now"] or timezone.now(),
            deletion_per_iteration=options["deletion_per_iteration"],
        )
        for result in results:
            place = f"{beside}:{result.expectation.line}"
            if not result.is_met:
                self.console.print(f"FAILED {place}: {failure_text(result)}")
            elif result.num_replicas:
                self.console.print(f"met    {place}: {result.expectation.text} ({result.num_replicas:,} replicas)")
            else:
                self.console.print(f"met    {place}: {result.expectation.text} (no replica meets the condition now)")
        return sum(not result.is_met for result in results)
