"""What all of Dynamo's commands have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, TextIO

from django.core.management.base import BaseCommand, OutputWrapper


class _Output(OutputWrapper):
    """What a command says; once its reader has gone, as ``head`` does after its lines, nobody hears the rest."""

    def write(self, msg: str = "", style_func: Callable[[str], str] | None = None, ending: str | None = None) -> None:
        try:
            super().write(msg, style_func, ending)
        except BrokenPipeError:
            self._turn_away()

    def flush(self) -> None:
        try:
            super().flush()
        except BrokenPipeError:
            self._turn_away()

    def _turn_away(self) -> None:
        """Let what is still to come, also what Python writes out at its end, go nowhere."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())
        os.close(nowhere)


class DynamoCommand(BaseCommand):
    """A command that starts at once: ``manage.py check`` is there for Django's checks, which read every page and view first.

    Measured: they are a quarter of the start, also of ``pause_all``. It ends its work also when nobody reads its output to
    the end: what it does must not depend on who listens.
    """

    requires_system_checks = ()

    def __init__(
        self, stdout: TextIO | None = None, stderr: TextIO | None = None, no_color: bool = False, force_color: bool = False
    ) -> None:
        super().__init__(stdout, stderr, no_color, force_color)
        self.stdout = _Output(stdout or sys.stdout)

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command, and have said all before Python's end, where a reader that has gone would be a traceback."""
        try:
            return super().execute(*args, **options)
        finally:
            self.stdout.flush()
