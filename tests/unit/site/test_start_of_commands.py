"""What somebody in a hurry waits for: a command that stops or brings in loads no engine that it does not use."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

#: Libraries of which each takes a tenth of a second of a start, or more.
HEAVY = ("numpy", "polars", "pyarrow", "lark", "XRootD", "s3fs")


@pytest.mark.parametrize(
    "command",
    [
        "operations.management.commands.pause_all",
        "operations.management.commands.site_pause",
        "operations.management.commands.site_resume",
        "inventory.management.commands.inject",
    ],
    ids=lambda name: name.rpartition(".")[2],
)
def test_a_command_starts_without_what_it_does_not_use(command: str) -> None:
    script = (
        f"import django, importlib, sys; django.setup(); importlib.import_module({command!r}); "
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
