"""A campaign from the first click to the evidence, by the people whose work it is, in a real browser on real files.

The clock of the site is moved by the test, so that notice and closing dates pass. ``DYNAMO_SCREENSHOTS`` names a folder that is
to get a picture of each page.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from campaigns.choices import CampaignState
from campaigns.models import Campaign, CampaignReport, Study
from campaigns.services.reports import report_file, report_verify
from campaigns.services.ticking import campaigns_tick
from inventory.models import Injection
from operations.models import Deletion
from operations.services.limits import limits_from_settings
from operations.services.queue import plan_enqueue
from operations.services.sweep import sweep
from operations.services.worker import work
from tests.factories.campaigns import Collaboration
from tests.factories.screens import PASSWORD

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
KEPT, GONE = "/Higgs/Run2026A-v1/AOD", "/Top/Run2026B-v1/RAW"


class SiteClock:
    """The time that the site believes."""

    def __init__(self) -> None:
        self._real = timezone.now
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        return self._real() + self.offset


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SiteClock:
    found = SiteClock()
    monkeypatch.setattr(timezone, "now", found)
    return found


@pytest.fixture
def people(transactional_db: None, settings: Any, tmp_path: Path, clock: SiteClock) -> Collaboration:
    settings.MEDIA_ROOT, settings.VAR_DIR = tmp_path / "media", tmp_path / "var"
    found = Collaboration(tmp_path / "sites", now=clock())
    for user in get_user_model().objects.all():
        user.set_password(PASSWORD)
        user.save()
    return found


@pytest.fixture
def enter(browser: Browser, live_server: LiveServer) -> Iterator[Callable[..., Page]]:
    """Log somebody in, on a desk or on a phone, and return the page; script errors and foreign requests fail the test."""
    problems: list[str] = []

    def login(name: str, *, width: int = 1280) -> Page:
        page = browser.new_context(viewport={"width": width, "height": 900}).new_page()
        page.on("pageerror", lambda error: problems.append(str(error)))
        own = (live_server.url, "data:")
        page.on("request", lambda request: problems.append(request.url) if not request.url.startswith(own) else None)
        page.goto(f"{live_server.url}/admin/login/")
        page.fill("input[name=username]", name)
        page.fill("input[name=password]", PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{live_server.url}/admin/")
        return page

    yield login
    assert problems == []


def shoot(page: Page, name: str) -> None:
    """Keep a picture where somebody asked for them, and see that the page fits its window."""
    page.wait_for_load_state("networkidle")
    size = page.viewport_size
    assert size is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
    if folder := os.environ.get("DYNAMO_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_a_campaign_from_study_to_evidence(
    people: Collaboration, live_server: LiveServer, enter: Callable[..., Page], clock: SiteClock, tmp_path: Path
) -> None:
    operator = enter("olga")
    operator.goto(f"{live_server.url}/admin/campaigns/campaign/")
    operator.click("text=New campaign")
    moments = {"exceptions_close_at": 15, "earliest_start_at": 16, "expires_at": 60}
    operator.fill("[name=title]", "Spring cleaning")
    operator.fill("[name=purpose]", "Make room for the new data; each has another copy.")
    operator.fill("[name=site_patterns]", "T3_*")
    for name, days in moments.items():
        operator.fill(f"[name={name}]", (clock() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M"))
    shoot(operator, "campaign-new")
    operator.click("text=Save, then say what goes")

    for tier in ("AOD", "RAW"):
        operator.click(f"button[data-pick=tier][data-value={tier}]")
        operator.wait_for_selector(f"button[data-pick=tier][data-value={tier}][aria-pressed=true]")
    operator.wait_for_function("document.getElementById('dy-rule').textContent.includes('[*/AOD */RAW]')")
    operator.wait_for_function("document.querySelector('#dy-explored .dy-figure b').textContent.includes('120 B')")
    shoot(operator, "campaign-study")
    operator.click("#dy-join")
    operator.click("button[name=study]")
    operator.wait_for_url("**/change/")
    people.now = clock()
    people.carry_out(Study.objects.get())
    operator.reload()
    operator.click("text=Propose and announce")
    operator.wait_for_selector("text=The campaign is proposed")
    campaign = Campaign.objects.get()
    where = f"{live_server.url}/admin/campaigns/campaign/{campaign.pk}"
    campaigns_tick(now=clock())

    physicist = enter("dan", width=390)
    physicist.goto(f"{where}/except/")
    physicist.fill("[name=patterns]", "/Higgs/*")
    physicist.wait_for_selector("text=would keep 60 B: 1 dataset")
    physicist.fill("[name=reason]", "A thesis needs them until spring.")
    physicist.select_option("[name=group_name]", "higgs")
    shoot(physicist, "campaign-exception-phone")
    physicist.click("text=Ask to keep them")
    physicist.wait_for_selector("text=60 B would be kept")

    representative = enter("rita")
    representative.goto(f"{where}/change/#exceptions")
    shoot(representative, "campaign")
    representative.click("text=Grant 60 B")
    representative.wait_for_selector("text=The exception is granted.")

    for login, width in (("petra", 390), ("carla", 1280)):
        approver = enter(login, width=width)
        approver.goto(f"{live_server.url}/admin/campaigns/campaign/inbox/")
        shoot(approver, f"campaign-inbox-{login}")
        approver.click("text=waits for your signature")
        shoot(approver, f"campaign-to-sign-{login}")
        approver.click("button[value=APPROVE]")
        approver.wait_for_selector("text=You have signed.")
    assert people.fresh(campaign).state == CampaignState.APPROVED

    before = people.world.files("T3_B")
    assert any(KEPT in name for name in before)
    clock.offset = timedelta(days=17)
    Injection.objects.update(finished_at=clock())
    operator = enter("olga")
    operator.goto(f"{where}/change/")
    operator.click("text=/^Delete 6 block replicas/")
    operator.wait_for_selector("text=The campaign executes")
    plan_enqueue(people.revision(campaign).plan_id, now=clock())
    work(worker="test", clock=clock)
    for _ in range(3):
        sweep(now=clock(), limits=limits_from_settings(), rng=Random(1))
        campaigns_tick(now=clock())
    operator.reload()
    shoot(operator, "campaign-completed")
    assert people.fresh(campaign).state == CampaignState.COMPLETED
    after = people.world.files("T3_B")
    assert {name for name in after if KEPT in name} == {name for name in before if KEPT in name}
    assert not {name for name in after if GONE in name}
    assert Deletion.objects.filter(state="DONE").count() == 3

    auditor = enter("anna")
    auditor.goto(f"{where}/reports/")
    auditor.click("text=Make a report")
    auditor.wait_for_selector("text=The report is made")
    shoot(auditor, "campaign-reports")
    report = CampaignReport.objects.get()
    auditor.goto(f"{where}/reports/{report.pk}/html/")
    shoot(auditor, "campaign-report")
    content = report_file(report, "json")
    assert [found.problems for found in report_verify(files={"report.json": content})] == [()]
    sums = json.loads(content)["sums"]
    bytes_of = {part: sums[part]["size_bytes"] for part in ("planned", "deleted", "dropped")}
    assert bytes_of == {"planned": 120, "deleted": 60, "dropped": 60}
