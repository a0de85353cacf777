"""Tests have settings of their own, whatever the shell that they are started from is set up for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_tests_leave_the_installation_alone_that_their_shell_is_set_up_for(tmp_path: Path) -> None:
    kept = tmp_path / "decisions.parquet"
    kept.write_text("years of it")
    # The demo's settings take the folder as those of production do, and ask for less.
    installation = {"DJANGO_SETTINGS_MODULE": "dynamo_site.settings.demo", "DYNAMO_VAR_DIR": str(tmp_path)}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        "-q",
        "tests/unit/docs/test_documented.py",
        "-k",
        "links",
    ]
    done = subprocess.run(command, env=os.environ | installation, cwd=ROOT, capture_output=True, text=True, check=False)
    assert " passed" in done.stdout, done.stdout + done.stderr
    assert kept.exists()
