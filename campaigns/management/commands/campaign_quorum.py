"""Who must sign campaigns of a partition, and who speaks for a group: shown and set from the shell."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from campaigns.management.terminal import CampaignCommand, account
from campaigns.models import GroupRepresentative, QuorumRule
from campaigns.selectors.quorum import quorum_groups
from campaigns.services.quorum_rules import quorum_set, representative_set
from policies.management.terminal import WRONG_USE


class Command(CampaignCommand):
    """``campaign_quorum show | set ... | speaks ... | silent ...``."""

    help = "Say how many must sign campaigns of a partition and of which groups, and who speaks for a group that owns data."
    epilog = """\
example:
  campaign_quorum show
  campaign_quorum set Tape --as olga --signatures 2 --group 'Physics coordinators=1' --group 'Computing coordinators=1'
  campaign_quorum speaks rita --as olga --for higgs
  campaign_quorum silent rita --as olga --for higgs

exit codes: 0 done, 1 refused (the message says why), 2 wrong use
"""

    def add_arguments(self, parser: CommandParser) -> None:
        steps = parser.add_subparsers(dest="step", required=True, metavar="STEP")
        steps.add_parser("show", help="rules and representatives")
        rule = steps.add_parser("set", help="set the rule of a partition as a whole; groups that are not named need not sign")
        rule.add_argument("partition", metavar="PARTITION")
        rule.add_argument("--signatures", type=int, default=1, metavar="N", help="how many must sign in all (default 1)")
        rule.add_argument("--group", action="append", default=[], metavar="NAME=N", help="so many of a group; may stand often")
        speaks = steps.add_parser("speaks", help="let an account speak for a group")
        silent = steps.add_parser("silent", help="let it do so no more")
        for one in (speaks, silent):
            one.add_argument("account", metavar="ACCOUNT")
            one.add_argument("--for", dest="group_name", required=True, metavar="GROUP", help="group that owns data")
        for one in (rule, speaks, silent):
            one.add_argument("--as", dest="login", required=True, metavar="LOGIN", help="account that acts")

    def perform(self, options: dict[str, Any]) -> None:
        step = options["step"]
        if step == "set":
            quorum_set(
                partition_name=options["partition"],
                min_signatures=options["signatures"],
                groups=dict(_need(text) for text in options["group"]),
                actor=account(options["login"]),
            )
        elif step in ("speaks", "silent"):
            actor = account(options["login"])
            group, login = options["group_name"], options["account"]
            changed = representative_set(group_name=group, login=login, speaks=step == "speaks", actor=actor)
            self.stdout.write("done" if changed else "so it was already")
            return
        self._show()

    def _show(self) -> None:
        for rule in QuorumRule.objects.select_related("partition").order_by("partition__name"):
            needs = ", ".join(f"{number} of {name}" for name, number in quorum_groups(rule.partition_id).items())
            self.stdout.write(f"{rule.partition.name}: {rule.min_signatures} in all{'; ' if needs else ''}{needs}")
        rows = GroupRepresentative.objects.order_by("group__name", "user__username")
        for group, login in rows.values_list("group__name", "user__username"):
            self.stdout.write(f"{login} speaks for {group}")


def _need(text: str) -> tuple[str, int]:
    name, sign, number = text.rpartition("=")
    if not (sign and name and number.isdecimal()):
        raise CommandError(f"--group {text!r}: expected NAME=N, such as 'Physics coordinators=1'", returncode=WRONG_USE)
    return name, int(number)
