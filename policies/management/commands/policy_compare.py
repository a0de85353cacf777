"""Compare what two policies decide on the inventory as it is now, or what two cycles decided."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
from django.core.management.base import CommandError, CommandParser
from django.utils import timezone
from rich.table import Table

from inventory.selectors.wording import plural, size_text
from policies.management.terminal import (
    FINDINGS,
    WRONG_USE,
    PolicyCommand,
    add_guardrails,
    add_now,
    add_partition,
    file_text,
    step_limit,
    table,
)
from policies.planning.comparing import Comparison
from policies.selectors.comparisons import TIER
from policies.selectors.wording import rule_text
from policies.services.cycles import parsed_policy
from policies.services.studies import cycles_compare, policies_compare

_ROWS_SHOWN = 30
#: Options that make no sense beside ``--cycles``.
_OF_TEXTS = ("partition", "now", "with_guardrails", "deletion_per_iteration")


class Command(PolicyCommand):
    """``policy_compare OLD NEW``, ``policy_compare --cycles OLD NEW``."""

    help = "Compare two policy texts on one snapshot, or two cycles by what they decided: what changes, per site, tier and rule."
    epilog = """\
examples:
  policy_compare nightly.policy nightly-new.policy
  policy_compare --with-guardrails nightly.policy nightly-new.policy
  policy_compare --cycles 41 42                                         what did cycle 42 decide otherwise than cycle 41?

Two cycles saw the inventory at two moments: what only the old one found is 'gone', what only the new one found was 'outside'.

exit codes: 0 both decide the same, 1 decisions differ, a text has errors or a cycle cannot be compared, 2 wrong use
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("old", metavar="OLD", help="file of the old text, or number of the older cycle")
        parser.add_argument("new", metavar="NEW", help="file of the new text, or number of the newer cycle")
        parser.add_argument("--cycles", action="store_true", help="OLD and NEW are cycles, by their numbers")
        add_partition(parser)
        add_now(parser)
        add_guardrails(parser)
        parser.add_argument("--deletion-per-iteration", type=step_limit, metavar="FRACTION", help="of the texts (default: 0.01)")

    def perform(self, options: dict[str, Any]) -> None:
        comparison = self._of_cycles(options) if options["cycles"] else self._of_texts(options)
        self._show(comparison)
        if comparison.changes.height:
            raise SystemExit(FINDINGS)

    def _of_cycles(self, options: dict[str, Any]) -> Comparison:
        given = [name for name in _OF_TEXTS if options[name]]
        if given:
            flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
            raise CommandError(f"{flags}: only texts take it; cycles are compared by what they decided", returncode=WRONG_USE)
        old, new = (_cycle_number(options[word]) for word in ("old", "new"))
        return cycles_compare(old_cycle_id=old, new_cycle_id=new)

    def _of_texts(self, options: dict[str, Any]) -> Comparison:
        old, new = (
            parsed_policy(file_text(Path(options[word])), options[word], partition_name=options["partition"])
            for word in ("old", "new")
        )
        return policies_compare(
            old=old,
            new=new,
            now=options["now"] or timezone.now(),
            deletion_per_iteration=options["deletion_per_iteration"] or 0.01,
            with_guardrails=options["with_guardrails"],
        )

    def _show(self, comparison: Comparison) -> None:
        console, changes = self.console, comparison.changes
        if changes.is_empty():
            console.print("Both decide the same.")
            return
        replicas = changes.select("site", "dataset").n_unique()
        console.print(
            f"{plural(replicas, 'replica changes its decision', 'replicas change their decisions')}:"
            f" {plural(changes.height, 'block')}, {size_text(changes['bytes'].sum())}"
        )
        for title, keys in (
            ("per change", []),
            ("per site", ["site"]),
            ("per tier", [TIER]),
            ("per rule", ["old_line", "new_line"]),
        ):
            console.print()
            console.print(_sums(changes, title, keys))


def _cycle_number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 19):
        raise CommandError(f"{text!r} is no number of a cycle such as 42", returncode=WRONG_USE)
    return int(text)


def _word(column: str, value: Any) -> str:
    if not column.endswith("_line"):
        return str(value)
    return "" if value is None else rule_text(value).removeprefix("line ")


def _sums(changes: pl.DataFrame, title: str, keys: list[Any]) -> Table:
    by = [*keys, "old", "new"]
    sums = changes.group_by(by).agg(replicas=pl.struct("site", "dataset").n_unique(), bytes=pl.col("bytes").sum())
    names = [name for name in sums.columns if name not in ("replicas", "bytes")]
    sums = sums.sort(["bytes", *names], descending=[True, *[False] * len(names)])
    listed = table(*names, "replicas", "bytes", right=("replicas", "bytes"), title=title)
    for row in sums.head(_ROWS_SHOWN).iter_rows(named=True):
        words = [_word(name, row[name]) for name in names]
        listed.add_row(*words, f"{row['replicas']:,}", size_text(row["bytes"]))
    return listed
