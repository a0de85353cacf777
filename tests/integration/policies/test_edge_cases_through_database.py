"""The one-fact cases of the language, reached by the commands that an operator types: partitions, inventory, test run."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from policies.models import Cycle
from tests.golden.harness import EDGE_CASES, EdgeCase

pytestmark = [pytest.mark.shared_data, pytest.mark.django_db]


def run(case: EdgeCase, folder: Path) -> tuple[str, ...]:
    """Return the lines of the decisions file; raises ``CommandError`` where a command refuses its input."""
    said = {"stdout": io.StringIO(), "stderr": io.StringIO()}
    for name, text in (("partitions", case.partitions), ("inventory", json.dumps(case.inventory)), ("policy", case.policy)):
        (folder / name).write_text(text)
    call_command("partitions_load", str(folder / "partitions"), **said)
    # The document has no ``meta``: its facts are a feed taken at the clock of the cycle, whatever that is.
    call_command("inject", str(folder / "inventory"), **said)
    call_command(
        "policy_run",
        str(folder / "policy"),
        "--test-run",
        "--now=2026-01-01T00:00:00Z",
        f"--decisions={folder / 'ours.jsonl'}",
        f"--deletion-per-iteration={case.deletion_per_iteration}",
        **said,
    )
    return tuple((folder / "ours.jsonl").read_text().splitlines())


@pytest.mark.parametrize("case", EDGE_CASES, ids=lambda case: str(case.number))
def test_case_is_decided_through_the_database_as_on_paper(case: EdgeCase, tmp_path: Path) -> None:
    if case.expected is None:
        with pytest.raises((CommandError, SystemExit)):
            run(case, tmp_path)
        assert not Cycle.objects.exists()
    else:
        assert run(case, tmp_path) == case.expected
