"""Save a text as the next version of a policy."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from policies.choices import CycleKind
from policies.management.terminal import WRONG_USE, PolicyCommand, add_partition, file_text, shell_actor
from policies.models import Policy
from policies.services.cycles import cycle_run, parsed_policy
from policies.services.policies import policy_create, policy_version_activate, policy_version_create


class Command(PolicyCommand):
    """``policy_add NAME FILE``."""

    help = "Save a text as the next version of a policy, making the policy if it is new."
    epilog = """\
examples:
  policy_add Physics Physics.txt                                a version; nothing is evaluated yet
  policy_add Physics Physics.txt --activate --comment 'more'    test run it, then let automatic cycles use it

exit codes: 0 done, 1 the text has errors or the test run failed, 2 wrong use
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("file", type=Path, metavar="FILE")
        add_partition(parser)
        parser.add_argument(
            "--activate", action="store_true", help="make a test run of the version, and activate it when that is done"
        )
        parser.add_argument(
            "--period-hours", type=float, metavar="HOURS", help="time between automatic cycles of a new policy (default: 12)"
        )
        parser.add_argument("--comment", default="", help="kept with the version")

    def perform(self, options: dict[str, Any]) -> None:
        actor, text = shell_actor(), file_text(options["file"])
        parsed = parsed_policy(text, str(options["file"]), partition_name=options["partition"])
        policy = Policy.objects.filter(name=options["name"]).first()
        hours: float | None = options["period_hours"]
        if hours is not None and (policy is not None or hours <= 0):
            raise CommandError("--period-hours is for a new policy, and above 0", returncode=WRONG_USE)
        if policy is None:
            policy = policy_create(
                name=options["name"], partition_name=str(parsed.partition), actor=actor, period=timedelta(hours=hours or 12)
            )
        version = policy_version_create(policy_id=policy.pk, text=text, actor=actor, comment=options["comment"])
        self.stdout.write(f"saved {version} ({version.digest[:12]})")
        if not options["activate"]:
            self.stdout.write("it is not active; --activate makes a test run and activates it")
            return
        cycle = cycle_run(
            text=text,
            source=str(version),
            kind=CycleKind.TEST_RUN,
            actor=actor,
            now=timezone.now(),
            partition_name=policy.partition.name,
            policy_version=version,
            deletion_per_iteration=policy.deletion_per_iteration,
        ).cycle
        self.stdout.write(f"test run: cycle {cycle.pk} would delete {cycle.deleted_bytes:,} bytes")
        policy_version_activate(version_id=version.pk, actor=actor, reason=options["comment"] or f"test run: cycle {cycle.pk}")
        self.stdout.write(f"{version} is active")
