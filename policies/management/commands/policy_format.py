"""Format policy texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from policies.language.formatter import format_policy
from policies.management.terminal import FINDINGS, WRONG_USE, PolicyCommand, file_text


class Command(PolicyCommand):
    """``policy_format FILE...``."""

    help = "Format policy texts in place: same meaning, same comments, one way to write blanks."
    epilog = """\
examples:
  policy_format nightly.policy             rewrite the file where it is not formatted
  policy_format --check *.policy           only tell which files would change

exit codes: 0 done (with --check: nothing would change), 1 with --check: something would change, 2 wrong use
"""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 where a file would change")

    def perform(self, options: dict[str, Any]) -> None:
        changed = 0
        for path, before in [(path, file_text(path)) for path in options["files"]]:
            after = format_policy(before)
            if after == before:
                continue
            changed += 1
            if options["check"]:
                self.stdout.write(f"{path}: would be formatted")
                continue
            try:
                path.write_bytes(after.encode("utf-8", "surrogateescape"))
            except OSError as error:
                raise CommandError(f"{path}: {error.strerror}", returncode=WRONG_USE) from error
            self.stdout.write(f"{path}: formatted")
        if options["check"] and changed:
            raise CommandError(f"{changed} of {len(options['files'])} files are not formatted", returncode=FINDINGS)
