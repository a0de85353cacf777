"""The scripts of docs/campaigns.md work as they are written: a whole campaign with curl against a live server."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from django.contrib.auth.models import User
from django.db import connections
from django.utils import timezone

from campaigns.choices import CampaignState, StudyState
from campaigns.models import Campaign, CampaignReport, ExceptionRequest, Study
from campaigns.services.reports import report_carry_out, report_verify
from campaigns.services.studies import study_carry_out
from campaigns.services.ticking import campaigns_tick
from inventory.models import Injection
from inventory.services.audit import Actor
from operations.choices import DeletionState
from operations.models import Deletion
from operations.services.limits import limits_from_settings
from operations.services.sweep import sweep
from operations.services.worker import work
from policies.choices import CycleState
from tests.factories.api import token_of
from tests.factories.campaigns import Collaboration
from tests.factories.clock import SiteClock

PAGE = Path(__file__).resolve().parents[3] / "docs" / "campaigns.md"

#: Between the first script and the second: until the test says that the days have passed.
WAIT = "until [ -e later ]; do sleep 0.1; done\n"


def work_beside(is_over: threading.Event, clock: SiteClock) -> None:
    """What worker and beat do: studies, reports, the queue, and the calendar of campaigns."""
    try:
        while not is_over.is_set():
            for study in Study.objects.filter(state=StudyState.RUNNING):
                study_carry_out(study_id=study.pk, actor=Actor("worker"), now=clock())
            for report in CampaignReport.objects.filter(state=CycleState.RUNNING):
                report_carry_out(report_id=report.pk, now=clock())
            sweep(now=clock(), limits=limits_from_settings(), rng=Random(1))
            work(worker="test", clock=clock)
            campaigns_tick(now=clock())
            time.sleep(0.2)
    finally:
        connections.close_all()


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_the_scripts_of_the_docs_carry_a_campaign_from_draft_to_report(
    transactional_db: None, live_server: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SiteClock()
    monkeypatch.setattr(timezone, "now", clock)
    people = Collaboration(tmp_path / "sites", now=clock(), datasets=("/OldHiggs/Run2026A-v1/AOD", "/OldTop/R-v1/RAW"))
    first, second = (part.split("```")[0] for part in PAGE.read_text().split("```sh\n")[1:])
    tokens = {
        login.upper(): token_of(User.objects.get(username=login), "read", "campaigns:write", days=60)
        for login in ("olga", "petra", "carla", "dan", "rita")
    }
    environment = os.environ | tokens | {"DYNAMO": live_server.url, "PARTITION": people.partition.name, "GROUP": "higgs"}
    is_over = threading.Event()
    worker = threading.Thread(target=work_beside, args=(is_over, clock))
    worker.start()
    script = subprocess.Popen(
        ["sh", "-eu", "-c", first + WAIT + second],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        while script.poll() is None and not Campaign.objects.filter(state=CampaignState.APPROVED).exists():
            time.sleep(0.1)
        assert ExceptionRequest.objects.get().num_items == 6
        clock.offset = timedelta(days=17)
        Injection.objects.update(finished_at=clock())
        (tmp_path / "later").touch()
        output, _ = script.communicate(timeout=300)
    finally:
        script.kill()
        script.wait()
        is_over.set()
        worker.join()
    assert script.returncode == 0, output[-3000:]
    assert Campaign.objects.get().state == CampaignState.COMPLETED
    report = (tmp_path / "report.json").read_bytes()
    assert [one.problems for one in report_verify(files={"report.json": report})] == [()]
    done = Deletion.objects.filter(state=DeletionState.DONE).values_list("dataset_name", flat=True)
    assert set(done) == {"/OldTop/R-v1/RAW"}, "for the other an exception was granted"
