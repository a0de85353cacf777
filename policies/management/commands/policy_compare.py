"""Compare what two policies decide on the inventory as it is now."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from django.core.management.base import CommandParser
from django.utils import timezone
from rich.table import Table

from inventory.selectors.wording import size_text
from policies.management.terminal import PolicyCommand, add_now, add_partition, file_text, step_limit, table
from policies.services.cycles import parsed_policy
from policies.services.studies import Comparison, policies_compare

_ROWS_SHOWN = 30


class Command(PolicyCommand):
    """``policy_compare OLD NEW``."""

    help = "Compare two policy texts on one snapshot: what changes, per site, tier and rule."
    epilog = """\
example:
  policy_compare nightly.policy nightly-new.policy

exit codes: 0 both decide the same, 1 decisions differ or a text has errors, 2 wrong use
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("old", type=Path, metavar="OLD")
        parser.add_argument("new", type=Path, metavar="NEW")
        add_partition(parser)
        add_now(parser)
        parser.add_argument("--deletion-per-iteration", type=step_limit, default=0.01, metavar="FRACTION")

    def perform(self, options: dict[str, Any]) -> None:
        old, new = (
            parsed_policy(file_text(options[word]), str(options[word]), partition_name=options["partition"])
            for word in ("old", "new")
        )
        comparison = policies_compare(
            old=old, new=new, now=options["now"] or timezone.now(), deletion_per_iteration=options["deletion_per_iteration"]
        )
        self._show(comparison)
        if comparison.changes.height:
            raise SystemExit(1)

    def _show(self, comparison: Comparison) -> None:
        console, changes = self.console, comparison.changes
        if changes.is_empty():
            console.print("Both decide the same.")
            return
        replicas = changes.select("site", "dataset").n_unique()
        console.print(
            f"{replicas:,} replicas ({changes.height:,} blocks, {size_text(changes['bytes'].sum())}) change their decision"
        )
        tier = pl.col("dataset").str.extract(r"([^/]*)$").alias("tier")
        for title, keys in (
            ("per change", []),
            ("per site", ["site"]),
            ("per tier", [tier]),
            ("per rule", ["old_line", "new_line"]),
        ):
            console.print()
            console.print(_sums(changes, title, keys))


def _sums(changes: pl.DataFrame, title: str, keys: list[Any]) -> Table:
    by = [*keys, "old", "new"]
    sums = changes.group_by(by).agg(replicas=pl.struct("site", "dataset").n_unique(), bytes=pl.col("bytes").sum())
    names = [name for name in sums.columns if name not in ("replicas", "bytes")]
    sums = sums.sort(["bytes", *names], descending=[True, *[False] * len(names)])
    listed = table(*names, "replicas", "bytes", right=("replicas", "bytes"), title=title)
    for row in sums.head(_ROWS_SHOWN).iter_rows(named=True):
        words = ["default" if name.endswith("_line") and row[name] == 0 else str(row[name] or "") for name in names]
        listed.add_row(*words, f"{row['replicas']:,}", size_text(row["bytes"]))
    return listed
