"""The scripts of docs/campaigns.md that use commands alone work as they are written: a shell runs them, from draft to evidence.

Where the scripts start Python, a stand-in hands the words over to this process: the commands run here, without a start of Django
for each, and on a clock that the test can move.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from multiprocessing.connection import Client, Listener
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from campaigns.choices import CampaignState
from campaigns.models import Campaign, ExceptionRequest
from inventory.models import Injection
from policies.choices import PlanState
from tests.factories.campaigns import Collaboration

PAGE = Path(__file__).resolve().parents[3] / "docs" / "campaigns.md"
#: What is said once the script has ended.
OVER = ["over"]
STAND_IN = """\
#!{python} -IS
import sys
from multiprocessing.connection import Client
with Client({address!r}) as way:
    way.send(sys.argv[2:])
    out, error, code = way.recv()
sys.stdout.write(out)
sys.stderr.write(error)
sys.exit(code)
"""


def perform(words: list[str], folder: Path) -> tuple[str, str, int]:
    """Perform a command in the folder of the script; return what it says, what it refuses, and its exit code."""
    out = io.StringIO()
    with contextlib.chdir(folder):
        try:
            call_command(*words, stdout=out)
        except CommandError as refused:
            return out.getvalue(), f"{refused}\n", refused.returncode
    return out.getvalue(), "", 0


def run_script(script: str, folder: Path, environment: dict[str, str], address: str) -> subprocess.CompletedProcess[str]:
    """Run a script to its end, whatever that is, and say that it is over."""
    try:
        return subprocess.run(
            ["sh", "-eu", "-c", script], env=environment, cwd=folder, capture_output=True, text=True, check=False
        )
    finally:
        with Client(address) as way:
            way.send(OVER)


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
def test_the_scripts_of_the_docs_carry_a_campaign_from_draft_to_evidence(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, offset = timezone.now, [timedelta(0)]

    def now() -> datetime:
        return real() + offset[0]

    monkeypatch.setattr(timezone, "now", now)
    people = Collaboration(tmp_path / "sites", now=now(), datasets=("/OldHiggs/Run2026A-v1/AOD", "/OldTop/R-v1/RAW"))
    script = "\n".join(block.split("```")[0] for block in PAGE.read_text().split("```shell\n")[1:])
    address = str(tmp_path / "way")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(STAND_IN.format(python=sys.executable, address=address))
    python.chmod(0o755)
    environment = os.environ | {"PARTITION": people.partition.name, "GROUP": "higgs"}
    asked: list[list[str]] = []
    with Listener(address) as listener, ThreadPoolExecutor(1) as pool:
        ended = pool.submit(run_script, script, tmp_path, environment, address)
        while True:
            with listener.accept() as way:
                words = way.recv()
                if words == OVER:
                    break
                if words[:2] == ["campaign", "execute"]:
                    offset[0] = timedelta(days=17)
                    Injection.objects.update(finished_at=now())
                asked.append(words)
                way.send(perform(words, tmp_path))
        shell = ended.result()
    assert shell.returncode == 0, shell.stdout[-2000:] + shell.stderr
    out = shell.stdout
    campaign = Campaign.objects.get()
    assert campaign.state == CampaignState.EXECUTING
    assert people.plan_state(campaign) == PlanState.RELEASED
    exception = ExceptionRequest.objects.get()
    assert (exception.num_items, exception.becomes_lock) == (6, True)
    assert out.count(": true: recorded for campaign") == 4
    body = json.loads(next((tmp_path / "reports").glob("*.json")).read_bytes())
    assert body["sums"]["dropped"]["items"] == 6
    steps = list(dict.fromkeys(words[1] for words in asked if words[0] == "campaign"))
    assert steps == ["create", "study", "propose", "except", "decide", "show", "sign", "execute", "report"]
