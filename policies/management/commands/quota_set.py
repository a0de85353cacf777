"""Set quotas: of one site or many, by size or by factor; dump them; see what they would do first."""

from __future__ import annotations

import argparse
import csv
import json
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl
from django.core.exceptions import PermissionDenied
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from inventory.selectors.locks import matches
from inventory.selectors.wording import quota_text, size_text
from policies.exceptions import QuotaInvalidError
from policies.management.terminal import WRONG_USE, PolicyCommand, shell_actor, table
from policies.selectors.partitions import partition_by_name
from policies.selectors.quotas import QuotaGrid, quota_grid
from policies.selectors.sizes import size_parse
from policies.selectors.wording import preview_sentences, sites_concerned
from policies.services.quota_preview import quotas_preview
from policies.services.quotas import QuotaChange, SetQuota, quotas_adjusted, quotas_check, quotas_set

_PREVIEW_COLUMNS = ("quota", "used", "protected", "would be deleted", "now")


class Command(PolicyCommand):
    """``quota_set``."""

    help = "Set the quota of a partition at one site or many, or dump all quotas."
    epilog = """examples:
  quota_set --partition Physics --site 'T2_US_*' --volume 100TB --dry-run
  quota_set --partition Physics --site T2_US_MIT --scale 0.9 --preview --dry-run
  quota_set --partition AnalysisOps --site T2_US_MIT --volume 1.5PB --adjust-other --reason 'agreed on 3 May'
  quota_set --dump > quotas.json       inject takes it back; --dump csv for a spreadsheet

exit codes: 0 done, 1 refused, 2 wrong use"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--partition", metavar="NAME", help="whose quota (no superpartition: that is a sum)")
        parser.add_argument("--site", metavar="PATTERN", action="append", help="where; * and ? are wildcards; repeatable")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--volume", metavar="SIZE", help="the size: 100TB, 1.5PB, unlimited")
        how.add_argument("--scale", metavar="FACTOR", type=_factor, help="times what it is, such as 1.2")
        how.add_argument("--remove", action="store_true", help="no quota any more (counts as 0)")
        how.add_argument(
            "--dump", nargs="?", const="json", choices=["json", "csv"], help="print the quotas (of --partition, at --site)"
        )
        parser.add_argument(
            "--adjust-other",
            nargs="?",
            const="",
            metavar="SUPERPARTITION",
            help="let the other parts give or take, so that the superpartition's sum at each site stays",
        )
        parser.add_argument("--preview", action="store_true", help="show what the active policies would do with it")
        parser.add_argument("--dry-run", action="store_true", help="show before and after, change nothing")
        parser.add_argument("--reason", default="", help="kept in the audit trail")

    def perform(self, options: dict[str, Any]) -> None:
        if options["dump"]:
            self._dump(options)
            return
        changes = _changes(options)
        quotas_check(changes)
        if options["preview"]:
            self._preview(changes)
        if options["dry_run"]:
            self._show([_outcome(change) for change in changes], "would be set; nothing was changed")
            return
        try:
            done = quotas_set(changes=changes, actor=shell_actor(), reason=options["reason"])
        except PermissionDenied as refused:
            raise CommandError(str(refused)) from refused
        self._show(done, "set")

    def _show(self, done: list[SetQuota], said: str) -> None:
        shown = table("partition", "site", "before", "after", "change", right=("before", "after", "change"))
        for one in done:
            shown.add_row(one.partition, one.site, quota_text(one.before_bytes), quota_text(one.after_bytes), _change_text(one))
        if done:
            self.console.print(shown)
        count = sum(one.before_bytes != one.after_bytes for one in done)
        self.stdout.write(f"{count} {'quota' if count == 1 else 'quotas'} {said}\n")

    def _preview(self, changes: list[QuotaChange]) -> None:
        found = quotas_preview(changes=changes, now=timezone.now())
        for policy in found.policies:
            self.stdout.write(f"{policy.version} in {policy.partition}:\n")
            for sentence in preview_sentences(policy):
                self.stdout.write(f"  {sentence}\n")
            shown = table("site", "quota", "used", "protected", "would be deleted", "now", right=_PREVIEW_COLUMNS)
            for site in sites_concerned(policy):
                sizes = (site.used_bytes, site.protected_bytes, site.deleted_then, site.deleted_now)
                shown.add_row(site.site, quota_text(site.quota_then), *map(size_text, sizes))
            self.console.print(shown)
        for name in found.without_policy:
            self.stdout.write(f"{name}: no active policy works on it, so nothing is deleted because of its quotas\n")

    def _dump(self, options: dict[str, Any]) -> None:
        grid = quota_grid()
        sites = _sites(grid, options["site"] or ["*"])
        if options["partition"]:
            partition_by_name(options["partition"])
        names = [n.name for n in grid.partitions if not n.is_superpartition and options["partition"] in (None, n.name)]
        rows = [
            {"site": site, "partition": name, "quota": grid.size_bytes[site, name]}
            for site in sites
            for name in names
            if (site, name) in grid.size_bytes
        ]
        if options["dump"] == "json":
            self.stdout.write(json.dumps({"sitepartition": rows}, indent=1) + "\n")
            return
        writer = csv.DictWriter(self.stdout, ["site", "partition", "quota"], lineterminator="\n")
        self.stdout.ending = ""
        writer.writeheader()
        writer.writerows(rows)


def _changes(options: dict[str, Any]) -> list[QuotaChange]:
    if not options["partition"] or not options["site"]:
        raise CommandError("name a --partition and a --site (--site '*' for all), or --dump", returncode=WRONG_USE)
    if options["volume"] is None and options["scale"] is None and not options["remove"]:
        raise CommandError("say what the quota shall be: --volume, --scale or --remove", returncode=WRONG_USE)
    name, grid = partition_by_name(options["partition"]).name, quota_grid()
    sites = _sites(grid, options["site"])
    if options["scale"] is not None:
        changes = _scaled(grid, name, sites, options["scale"])
    else:
        changes = [QuotaChange(name, site, None if options["remove"] else _size(options["volume"])) for site in sites]
    if options["adjust_other"] is not None:
        return quotas_adjusted(changes, superpartition=options["adjust_other"])
    return [_seen(change, grid) for change in changes]


def _scaled(grid: QuotaGrid, name: str, sites: list[str], factor: Decimal) -> list[QuotaChange]:
    """Scale what there is: sites without a quota, or with an unlimited one, stay as they are."""
    have = {site: grid.size_bytes[site, name] for site in sites if grid.size_bytes.get((site, name), -1) >= 0}
    if not have:
        raise QuotaInvalidError(f"{name} has a limited quota at none of these sites: there is nothing to scale")
    return [QuotaChange(name, site, int(size * factor)) for site, size in have.items()]


def _seen(change: QuotaChange, grid: QuotaGrid) -> QuotaChange:
    before = grid.size_bytes.get((change.site, change.partition))
    return QuotaChange(change.partition, change.site, change.size_bytes, before, is_expected=True)


def _outcome(change: QuotaChange) -> SetQuota:
    return SetQuota(change.partition, change.site, change.expected_bytes, change.size_bytes)


def _sites(grid: QuotaGrid, patterns: list[str]) -> list[str]:
    known = pl.Series(list(grid.sites), dtype=pl.String)
    found: dict[str, None] = {}
    for pattern in patterns:
        fitting = known.filter(matches(known, pattern)).to_list()
        if not fitting:
            raise QuotaInvalidError(f"no site fits {pattern!r}; there are {', '.join(grid.sites[:20]) or 'none'}")
        found |= dict.fromkeys(fitting)
    return list(found)


def _change_text(one: SetQuota) -> str:
    if one.before_bytes == one.after_bytes:
        return "as it is"
    if (one.before_bytes or 0) < 0 or (one.after_bytes or 0) < 0:
        return "less" if one.is_decrease else "more"
    difference = (one.after_bytes or 0) - (one.before_bytes or 0)
    return f"{'+' if difference >= 0 else ''}{size_text(difference)}"


def _size(text: str) -> int:
    try:
        return size_parse(text)
    except QuotaInvalidError as error:
        raise CommandError(f"--volume {error}", returncode=WRONG_USE) from error


def _factor(text: str) -> Decimal:
    """Read ``--scale`` for argparse."""
    try:
        factor = Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number such as 1.2") from error
    if not factor.is_finite() or not 0 < factor <= 1000:
        raise argparse.ArgumentTypeError("a factor above 0 and up to 1000 is expected")
    return factor
