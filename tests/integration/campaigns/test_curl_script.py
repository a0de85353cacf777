"""The script of docs/campaigns.md works as it is written: a whole campaign with curl against a live server."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connections

from campaigns.choices import CampaignState, StudyState
from campaigns.models import Campaign, ExceptionRequest, Study
from campaigns.services.reports import report_verify
from campaigns.services.studies import study_carry_out
from inventory.services.audit import Actor
from tests.factories.api import token_of
from tests.factories.campaigns import Collaboration

PAGE = Path(__file__).resolve().parents[3] / "docs" / "campaigns.md"


def carry_out_studies(is_over: threading.Event, now: object) -> None:
    """What a worker does."""
    try:
        while not is_over.is_set():
            for study in Study.objects.filter(state=StudyState.RUNNING):
                study_carry_out(study_id=study.pk, actor=Actor("worker"), now=now)
            time.sleep(0.2)
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_script_of_the_docs_carries_a_campaign_from_draft_to_report(
    transactional_db: None, live_server: object, tmp_path: Path
) -> None:
    from django.utils import timezone  # noqa: PLC0415 - the API goes by the real clock

    people = Collaboration(tmp_path / "sites", now=timezone.now(), datasets=("/OldHiggs/Run2026A-v1/AOD", "/OldTop/R-v1/RAW"))
    script = PAGE.read_text().split("```sh\n")[1].split("```")[0]
    tokens = {
        login.upper(): token_of(User.objects.get(username=login), "read", "campaigns:write")
        for login in ("olga", "petra", "carla", "dan", "rita")
    }
    environment = os.environ | tokens | {"DYNAMO": live_server.url, "PARTITION": people.partition.name, "GROUP": "higgs"}
    is_over = threading.Event()
    worker = threading.Thread(target=carry_out_studies, args=(is_over, people.now))
    worker.start()
    try:
        done = subprocess.run(
            ["sh", "-eu", "-c", script], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
        )
    finally:
        is_over.set()
        worker.join()
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert Campaign.objects.get().state == CampaignState.APPROVED
    assert ExceptionRequest.objects.get().num_items == 6
    report = (tmp_path / "report.json").read_bytes()
    assert [one.problems for one in report_verify(files={"report.json": report})] == [()]
