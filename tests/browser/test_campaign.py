"""A campaign from the first click to the evidence, by the people whose work it is, in a real browser on real files.

The clock of the site is moved by the test, so that notice and closing dates pass. ``DYNAMO_SCREENSHOTS`` names a folder that is
to get a picture of each page.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from random import Random
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone
from playwright.sync_api import Browser, Page
from pytest_django.live_server_helper import LiveServer

from campaigns.choices import CampaignState
from campaigns.models import Campaign, CampaignReport, DroppedItem, Revision, Study
from campaigns.services.reports import report_carry_out, report_file, report_verify
from campaigns.services.ticking import campaigns_tick
from inventory.models import File, Injection
from operations.choices import DeletionState
from operations.models import Deletion
from operations.services.limits import limits_from_settings
from operations.services.queue import plan_enqueue
from operations.services.sweep import sweep
from operations.services.worker import work
from policies.models import PlanItem
from tests.conftest import SHARED_DATA
from tests.factories.campaigns import Collaboration
from tests.factories.clock import SiteClock
from tests.factories.screens import PASSWORD
from tests.factories.tape import Tape, made_tape, own_tape

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


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


def shoot(page: Page, name: str, *, keeps: bool = True) -> None:
    """Keep a picture where somebody asked for them, and see that the page fits its window."""
    page.wait_for_load_state("networkidle")
    size = page.viewport_size
    assert size is not None
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
    if keeps and (folder := os.environ.get("DYNAMO_SCREENSHOTS")):
        page.evaluate("window.scrollTo(0, 0)")  # what sticks to the window stands at the top of the picture
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


@pytest.fixture(params=["own", "made"])
def tape(request: pytest.FixtureRequest, people: Collaboration) -> Tape:
    """A campaign on tape on data of its own; and the real text of one, on an inventory of realistic shape where there is one."""
    if request.param == "own":
        return own_tape(people)
    tool, text = SHARED_DATA.parent / "tools" / "make_inventory.py", SHARED_DATA / "policies" / "campaigns" / "190604_tape.txt"
    if not (tool.is_file() and text.is_file()):
        pytest.skip(f"needs {tool.name} and {text.name} beside the project")
    return made_tape(people, tool=tool, text=text)


class Run:
    """One run of a campaign in the browser; pictures are taken where the data are the project's own."""

    def __init__(self, people: Collaboration, tape: Tape, live_server: LiveServer, enter: Callable[..., Page], clock: SiteClock):
        self.people, self.tape, self.enter, self.clock = people, tape, enter, clock
        self.admin = f"{live_server.url}/admin/campaigns/campaign"
        self.is_own = bool(tape.kept)

    @property
    def where(self) -> str:
        return f"{self.admin}/{Campaign.objects.get().pk}"

    def revision(self) -> Revision:
        return self.people.revision(Campaign.objects.get())

    def shoot(self, page: Page, name: str) -> None:
        shoot(page, name, keeps=self.is_own)

    def study_and_propose(self) -> None:
        operator = self.enter("olga")
        operator.goto(f"{self.admin}/")
        operator.click("text=New campaign")
        operator.fill("[name=title]", "Tape 2027")
        operator.fill("[name=purpose]", "Room for Run 4: simulation that was produced anew, or that nobody has read for years.")
        operator.select_option("[name=partition]", "Tape")
        operator.fill("[name=site_patterns]", "T*_MSS")
        for name, days in {"exceptions_close_at": 15, "earliest_start_at": 16, "expires_at": 60}.items():
            operator.fill(f"[name={name}]", (self.clock() + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M"))
        self.shoot(operator, "campaign-new")
        operator.click("text=Save, then say what goes")
        operator.click("button[data-pick=tier][data-value=GEN-SIM]")
        operator.wait_for_function("document.getElementById('dy-rule').textContent.includes('*/GEN-SIM')")
        operator.fill("#dy-text", self.tape.text)
        operator.click("#dy-show-text")
        operator.wait_for_function("document.getElementById('dy-rule').textContent.includes('whole text')")
        operator.wait_for_selector("#danger.dy-danger-card")
        assert "on tape" in operator.text_content("#danger")
        self.shoot(operator, "campaign-study")
        operator.click("button[name=study]")
        operator.wait_for_url("**/change/")
        self.people.now = self.clock()
        self.people.carry_out(Study.objects.get())
        operator.reload()
        operator.click("text=Propose and announce")
        operator.wait_for_selector("text=The campaign is proposed")
        campaigns_tick(now=self.clock())

    def ask_and_grant(self) -> str:
        """Return the pattern that is excepted."""
        pattern = self.tape.kept or PlanItem.objects.filter(plan=self.revision().plan_id).earliest("sequence").dataset_name
        physicist = self.enter("dan", width=390)
        physicist.goto(f"{self.where}/except/")
        physicist.fill("[name=patterns]", pattern)
        physicist.wait_for_selector("text=would keep")
        physicist.fill("[name=reason]", "A thesis needs them until spring.")
        physicist.select_option("[name=group_name]", "higgs")
        self.shoot(physicist, "campaign-exception-phone")
        physicist.click("text=Ask to keep them")
        physicist.wait_for_selector("text=would be kept")
        representative = self.enter("rita")
        representative.goto(f"{self.where}/change/#exceptions")
        red = representative.text_content("#danger") or ""
        assert "Lost for ever" in red
        assert "last copies" in red
        self.shoot(representative, "campaign")
        representative.click("button[name=decision][value=grant]")
        representative.wait_for_selector("text=The exception is granted.")
        return pattern

    def sign(self) -> None:
        for login, width in (("petra", 390), ("carla", 1280)):
            approver = self.enter(login, width=width)
            approver.goto(f"{self.admin}/inbox/")
            self.shoot(approver, "campaign-inbox-phone" if width < 400 else "campaign-inbox")
            approver.click("text=waits for your signature")
            self.shoot(approver, "campaign-to-sign-phone" if width < 400 else "campaign-to-sign")
            approver.click("button[value=APPROVE]")
            approver.wait_for_selector("text=You have signed.")
        assert Campaign.objects.get().state == CampaignState.APPROVED

    def execute(self) -> None:
        self.clock.offset = timedelta(days=17)
        Injection.objects.update(finished_at=self.clock())
        operator = self.enter("olga")
        operator.goto(f"{self.where}/change/")
        operator.click("text=/^Delete [0-9,]+ block replica/")
        operator.wait_for_selector("text=The campaign executes")
        plan_enqueue(self.revision().plan_id, now=self.clock())
        work(worker="test", clock=self.clock)
        for _ in range(3):
            sweep(now=self.clock(), limits=limits_from_settings(), rng=Random(1))
            campaigns_tick(now=self.clock())
        operator.reload()
        self.shoot(operator, "campaign-completed")
        operator.goto(f"{self.admin}/")
        self.shoot(operator, "campaign-list")
        assert Campaign.objects.get().state == CampaignState.COMPLETED

    def report(self) -> dict[str, Any]:
        auditor = self.enter("anna")
        auditor.goto(f"{self.where}/reports/")
        auditor.click("text=Make a report")
        auditor.wait_for_selector("text=A worker makes the report")
        report_carry_out(report_id=CampaignReport.objects.get().pk, now=self.clock())
        auditor.wait_for_selector("text=parquet")  # the page looks again by itself
        self.shoot(auditor, "campaign-reports")
        report = CampaignReport.objects.get()
        auditor.goto(f"{self.where}/reports/{report.pk}/html/")
        assert "What was planned and what became of it" in (auditor.text_content("body") or "")
        self.shoot(auditor, "campaign-report")
        content = report_file(report, "json")
        assert [found.problems for found in report_verify(files={"report.json": content})] == [()]
        body: dict[str, Any] = json.loads(content)
        return body


def test_a_campaign_on_tape_from_study_to_evidence(
    people: Collaboration, tape: Tape, live_server: LiveServer, enter: Callable[..., Page], clock: SiteClock
) -> None:
    run = Run(people, tape, live_server, enter, clock)
    run.study_and_propose()
    pattern = run.ask_and_grant()
    run.sign()
    listed = PlanItem.objects.filter(plan=run.revision().plan_id)
    excepted = set(DroppedItem.objects.values_list("plan_item", flat=True))
    assert excepted == {item.pk for item in listed if fnmatchcase(item.dataset_name, pattern)}
    before = tape.files(people)
    run.execute()
    after = tape.files(people)

    states = {row.plan_item_id: row for row in Deletion.objects.all()}
    assert set(states) == {item.pk for item in listed}
    assert {key for key, row in states.items() if row.reason.startswith("exception")} == excepted
    done = [item for item in listed if states[item.pk].state == DeletionState.DONE]
    gone = {
        (item.site_name, lfn)
        for item in done
        for lfn in File.objects.filter(block__name=item.block_name, block__dataset__name=item.dataset_name).values_list(
            "lfn", flat=True
        )
    }
    lost = {(site, name) for site in tape.sites for name in before[site] - after[site]}
    assert lost
    assert lost <= gone
    assert not {one for one in gone - lost if one[1] in after[one[0]]}

    sums = run.report()["sums"]
    for unit in ("items", "size_bytes"):
        assert sum(sums[part][unit] for part in ("deleted", "dropped", "failed", "waiting")) == sums["planned"][unit]
    assert sums["deleted"]["items"] == len(done)
    assert sums["bytes_really_deleted"] == sums["fates"]["in_trash"] == sum(item.size_bytes for item in done)
    if run.is_own:
        assert {part: sums[part]["items"] for part in ("planned", "deleted", "dropped")} == {
            "planned": 6,
            "deleted": 4,
            "dropped": 2,
        }
        assert run.revision().num_last_copies == 4
