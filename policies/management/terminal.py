"""What the policy commands share: reading files, exit codes, diagnostics, sizes and bars; plain text when nobody watches.

Exit codes: 0 fine, 1 findings, 2 wrong use.
"""

from __future__ import annotations

import argparse
import getpass
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser, OutputWrapper
from rich.console import Console
from rich.table import Table

from inventory.management.base import DynamoCommand
from inventory.services.audit import Actor
from policies.exceptions import PolicyError, PolicyInvalidError
from policies.language.diagnostics import Diagnostic, render

FINDINGS = 1
WRONG_USE = 2

_PLAIN_WIDTH = 400
_LONGEST_RULE = 160


class PolicyCommand(DynamoCommand):
    """A command with an example in its help; errors of policies end it with a message and a code, never with a traceback."""

    epilog = ""

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        return super().create_parser(
            prog_name, subcommand, epilog=self.epilog, formatter_class=argparse.RawDescriptionHelpFormatter, **kwargs
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.perform(options)
        except PolicyInvalidError as error:
            self.show_diagnostics(error.diagnostics)
            raise CommandError(str(error), returncode=FINDINGS) from error
        except PolicyError as error:
            raise CommandError(str(error), returncode=FINDINGS) from error

    def perform(self, options: dict[str, Any]) -> None:
        """Do the work; raise `PolicyError` or ``CommandError``."""
        raise NotImplementedError

    @property
    def console(self) -> Console:
        """A console on the command's output: colours and bars on a terminal, plain lines elsewhere."""
        return console_on(self.stdout)

    def show_diagnostics(self, found: Sequence[Diagnostic]) -> None:
        """Write the findings to standard error, as the compiler renders them."""
        if found:
            self.stderr.write(render(found), style_func=str, ending="")


def console_on(stream: OutputWrapper) -> Console:
    """Return a rich console that writes to *stream*."""
    is_terminal = bool(stream.isatty())
    stream.ending = ""
    return Console(
        file=stream,  # type: ignore[arg-type] # a wrapper that writes and flushes like a text file
        force_terminal=is_terminal,
        no_color=not is_terminal,
        width=None if is_terminal else _PLAIN_WIDTH,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=not is_terminal,
    )


def file_text(path: Path) -> str:
    """Return what *path* holds, bytes that are no UTF-8 as surrogates; ends the command with 2 where it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except OSError as error:
        raise CommandError(f"{path}: {error.strerror}", returncode=WRONG_USE) from error


def moment(text: str) -> datetime:
    """Read an ISO 8601 time for argparse; without an offset it is UTC."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no ISO 8601 time such as 2026-01-01T00:00:00Z") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def step_limit(text: str) -> float:
    """Read ``--deletion-per-iteration`` for argparse: a fraction above 0."""
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from error
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError("a fraction of the quota above 0 and up to 1 is expected, such as 0.01")
    return value


def add_partition(parser: CommandParser) -> None:
    """Add ``--partition``."""
    parser.add_argument("--partition", metavar="NAME", help="the partition, where the text does not name one")


def add_now(parser: CommandParser) -> None:
    """Add ``--now``."""
    parser.add_argument("--now", type=moment, metavar="ISO8601", help="the clock that times are relative to (default: now; UTC)")


def add_guardrails(parser: CommandParser) -> None:
    """Add ``--with-guardrails``."""
    parser.add_argument(
        "--with-guardrails", action="store_true", help="put the protecting guardrails on top of the text, as a real cycle does"
    )


def shell_actor() -> Actor:
    """Return who is at the shell."""
    return Actor(getpass.getuser())


def short(text: str) -> str:
    """Return a rule as a table shows it: a list of thousands of names is cut."""
    return text if len(text) <= _LONGEST_RULE else f"{text[: _LONGEST_RULE - 3]}..."


def share_text(size_bytes: int, quota_bytes: int) -> str:
    """Return the occupancy as a person reads it."""
    if quota_bytes < 0:
        return "unlimited"
    return f"{size_bytes / quota_bytes:.1%}" if quota_bytes else "no quota"


def bar(size_bytes: int, quota_bytes: int, *, width: int = 20) -> str:
    """Return how much of the quota is used as a bar of *width* characters, a full one from 100 % on."""
    share = min(size_bytes / quota_bytes, 1.0) if quota_bytes > 0 else 0.0
    filled = round(share * width)
    return "█" * filled + "·" * (width - filled)


def table(*columns: str, right: Sequence[str] = (), title: str | None = None) -> Table:
    """Return a table without lines; the columns named in *right* are aligned to the right."""
    made = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        # Only the last column gives way on a narrow terminal.
        is_text = column == columns[-1] and column not in right
        made.add_column(column, justify="right" if column in right else "left", no_wrap=not is_text, overflow="fold")
    return made
