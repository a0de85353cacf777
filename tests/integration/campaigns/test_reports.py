"""A report is a worker's job: it tells how far it is, is there whole or not at all, and says why it failed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse
from kombu.exceptions import OperationalError

from campaigns.exceptions import NotReady
from campaigns.models import Campaign, CampaignReport
from campaigns.services import reports
from campaigns.services.reports import (
    ACTION,
    KINDS,
    campaign_report,
    campaign_report_make,
    report_carry_out,
    report_fail,
    report_file,
    report_latest,
    report_verify,
    reports_sweep,
)
from campaigns.tasks import make_report
from inventory.models import AuditEvent
from policies.choices import CycleState
from policies.exceptions import WorkerUnreachableError
from tests.factories.campaigns import Collaboration


def ask(people: Collaboration, campaign: Campaign) -> CampaignReport:
    return campaign_report(campaign_id=campaign.pk, actor=people.actor("anna"), now=people.now)


def kept_files() -> set[str]:
    try:
        return {name for name in default_storage.listdir("campaigns")[1] if name.startswith("report-")}
    except FileNotFoundError:
        return set()


def test_a_report_waits_for_a_worker_who_makes_it_once(people: Collaboration) -> None:
    asked = ask(people, people.proposed())
    assert (asked.state, asked.files, asked.audit_event) == (CycleState.RUNNING, {}, None)
    assert report_latest(asked.campaign_id) is None
    made = report_carry_out(report_id=asked.pk, now=people.now)
    assert (made.state, made.progress, made.stage, set(made.files)) == (CycleState.COMPLETED, 1.0, "", set(KINDS))
    event = AuditEvent.objects.get(action=ACTION)
    assert (made.audit_event, event.actor, event.user) == (event, "anna", people.user("anna"))
    before = kept_files()
    assert report_carry_out(report_id=asked.pk, now=people.now) == made
    assert (AuditEvent.objects.filter(action=ACTION).count(), kept_files()) == (1, before)
    assert report_latest(asked.campaign_id) == made


def test_the_message_carries_the_report_to_its_worker(
    people: Collaboration, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    monkeypatch.setattr(make_report, "delay", make_report)
    with django_capture_on_commit_callbacks(execute=True):
        asked = ask(people, people.proposed())
    assert CampaignReport.objects.get(pk=asked.pk).state == CycleState.COMPLETED


def test_a_broker_that_is_down_fails_the_report_and_says_so(
    people: Collaboration, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    def unreachable(report_id: int) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(make_report, "delay", unreachable)
    campaign = people.proposed()
    with pytest.raises(WorkerUnreachableError, match="make a report again"), django_capture_on_commit_callbacks(execute=True):
        ask(people, campaign)
    failed = CampaignReport.objects.get()
    assert failed.state == CycleState.FAILED
    assert "the message broker does not answer" in failed.error
    assert ask(people, campaign).state == CycleState.RUNNING


def test_it_tells_stage_and_part_while_it_is_made(people: Collaboration) -> None:
    campaign, told = people.proposed(), []

    def progress(stage: str, share: float) -> None:
        row = CampaignReport.objects.get()
        told.append((stage, share))
        assert (row.state, row.stage, row.progress) == (CycleState.RUNNING, stage, pytest.approx(share))

    campaign_report_make(campaign_id=campaign.pk, actor=people.actor("anna"), now=people.now, progress=progress)
    stages = list(dict.fromkeys(stage for stage, _ in told))
    assert stages == ["asking what became of each item", "writing down the items", "writing the lists", "writing the report"]
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[-1] < 1


def test_two_reports_of_one_campaign_are_not_made_at_once(people: Collaboration) -> None:
    campaign = people.proposed()
    first = ask(people, campaign)
    with pytest.raises(NotReady, match="is being made: wait"):
        ask(people, campaign)
    with pytest.raises(IntegrityError), transaction.atomic():
        CampaignReport.objects.create(campaign=campaign, made_at=people.now, made_by="sql")
    assert ask(people, people.proposed("Another")).state == CycleState.RUNNING
    report_carry_out(report_id=first.pk, now=people.now)
    assert ask(people, campaign).state == CycleState.RUNNING


@pytest.mark.parametrize("step", ["items_frame", "report_content", "render_to_string", "audit_record"])
def test_one_that_fails_says_why_and_leaves_nothing(people: Collaboration, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    asked, before = ask(people, people.proposed()), kept_files()

    def fails(*args: object, **kwargs: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(reports, step, fails)
        with pytest.raises(OSError, match="the disk is full"):
            report_carry_out(report_id=asked.pk, now=people.now)
    asked.refresh_from_db()
    assert (asked.state, asked.error, asked.files) == (CycleState.FAILED, "the disk is full", {})
    assert (kept_files(), AuditEvent.objects.filter(action=ACTION).count()) == (before, 0)


def test_one_that_was_given_up_while_it_was_made_is_thrown_away(people: Collaboration, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, before = ask(people, people.proposed()), kept_files()
    whole = reports.report_content

    def given_up_meanwhile(*args: Any, **kwargs: Any) -> dict[str, Any]:
        assert report_fail(report_id=asked.pk, message="its process has died")
        return whole(*args, **kwargs)

    monkeypatch.setattr(reports, "report_content", given_up_meanwhile)
    with pytest.raises(NotReady, match="was given up while it was made"):
        report_carry_out(report_id=asked.pk, now=people.now)
    asked.refresh_from_db()
    assert (asked.state, asked.error) == (CycleState.FAILED, "its process has died")
    assert (kept_files(), AuditEvent.objects.filter(action=ACTION).count()) == (before, 0)


def test_its_silence_is_counted_from_the_time_at_which_it_was_asked_for(people: Collaboration) -> None:
    campaign = people.proposed()
    later = people.now + timedelta(days=17)
    asked = campaign_report(campaign_id=campaign.pk, actor=people.actor("anna"), now=later)
    assert (asked.heartbeat_at, reports_sweep(now=later)) == (later, [])


def test_one_whose_process_died_is_failed_after_the_silence(people: Collaboration) -> None:
    asked = ask(people, people.proposed())
    limit = timedelta(minutes=settings.DYNAMO_CYCLE_MAX_SILENCE_MINUTES)
    assert reports_sweep(now=asked.heartbeat_at + limit) == []
    assert reports_sweep(now=asked.heartbeat_at + limit + timedelta(seconds=1)) == [asked.pk]
    asked.refresh_from_db()
    assert asked.state == CycleState.FAILED
    assert "its process has died; make a report again" in asked.error


def test_the_page_tells_how_far_it_is_and_why_it_failed(people: Collaboration, client: Client) -> None:
    campaign = people.proposed()
    asked = ask(people, campaign)
    CampaignReport.objects.update(stage="writing down the items", progress=0.45)
    page = reverse("admin:campaigns_reports", args=[campaign.pk])
    client.force_login(people.user("anna"))
    shown = client.get(page).content.decode()
    assert "writing down the items" in shown
    assert 'value="0.45"' in shown
    assert 'http-equiv="refresh"' in shown
    assert "Make a report" not in shown
    file = reverse("admin:campaigns_report", args=[campaign.pk, asked.pk, "json"])
    assert client.get(file).status_code == 404
    report_fail(report_id=asked.pk, message="the disk is full")
    shown = client.get(page).content.decode()
    assert "the disk is full" in shown
    assert "Make a report" in shown
    assert 'http-equiv="refresh"' not in shown


def test_a_failed_one_does_not_hide_the_latest_that_is_made(people: Collaboration, client: Client) -> None:
    campaign = people.proposed()
    made = campaign_report_make(campaign_id=campaign.pk, actor=people.actor("anna"), now=people.now)
    report_fail(report_id=ask(people, campaign).pk, message="the disk is full")
    assert report_latest(campaign.pk) == made
    assert [one.problems for one in report_verify(files={"r.json": report_file(made, "json")})] == [()]
