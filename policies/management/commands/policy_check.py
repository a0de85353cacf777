"""Check policy texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import DatabaseError

from policies.language.diagnostics import Diagnostic
from policies.language.variables import VARIABLES
from policies.management.terminal import FINDINGS, WRONG_USE, PolicyCommand, add_partition, file_text, table
from policies.services.checking import policy_check


class Command(PolicyCommand):
    """``policy_check FILE...``."""

    help = "Check policy texts: all errors and warnings, each with its place and what to do."
    epilog = """\
examples:
  policy_check nightly.policy                           errors and warnings of one text
  policy_check --partition Physics campaigns/*.txt      texts that leave the partition out
  policy_check --strict nightly.policy                  warnings count as errors
  policy_check --variables                              what a policy may name

exit codes: 0 no error (with --strict: no warning either), 1 findings, 2 wrong use
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", type=Path, metavar="FILE")
        add_partition(parser)
        parser.add_argument("--strict", action="store_true", help="warnings and notes are errors, too")
        parser.add_argument("--variables", action="store_true", help="list the variables and end")

    def perform(self, options: dict[str, Any]) -> None:
        if options["variables"]:
            self._variables()
        elif not options["files"]:
            raise CommandError("name at least one file, or ask for --variables", returncode=WRONG_USE)
        texts = [(path, file_text(path)) for path in options["files"]]
        num_bad = 0
        for path, text in texts:
            found = self._check(path, text, options["partition"])
            self.show_diagnostics(found)
            is_bad = any(diagnostic.is_error for diagnostic in found) or (options["strict"] and bool(found))
            num_bad += is_bad
            self.stdout.write(f"{path}: {_verdict(found)}")
        if num_bad:
            raise CommandError(f"{num_bad} of {len(texts)} texts have findings", returncode=FINDINGS)

    def _check(self, path: Path, text: str, partition: str | None) -> tuple[Diagnostic, ...]:
        try:
            return policy_check(text=text, partition_name=partition, file_name=str(path))
        except DatabaseError as error:
            self.stderr.write(f"checked without the inventory: {error}")
            return policy_check(text=text, partition_name=partition, file_name=str(path), with_inventory=False)

    def _variables(self) -> None:
        listed = table("variable", "level", "type", "unit", "fact feed", "meaning")
        for variable in VARIABLES:
            words = f" {', '.join(variable.choices)}" if variable.choices else ""
            listed.add_row(
                variable.name,
                variable.level.value,
                variable.type.value,
                variable.unit.value,
                variable.fact or "",
                variable.doc + words,
            )
        self.console.print(listed)


def _verdict(found: tuple[Diagnostic, ...]) -> str:
    num_errors = sum(diagnostic.is_error for diagnostic in found)
    if num_errors:
        return f"{num_errors} error{'' if num_errors == 1 else 's'}"
    return f"correct, {len(found)} warning{'' if len(found) == 1 else 's'} or notes" if found else "correct"
