"""Evidence: a worker makes a report once, and it is kept; verifying holds its files against the digests in the audit chain."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.template.loader import render_to_string
from django.utils import timezone

from campaigns.choices import FINAL_STATES
from campaigns.exceptions import NotReady
from campaigns.models import Campaign, CampaignReport, Revision
from campaigns.services.campaigns import campaign_get
from campaigns.services.report_content import FORMAT, items_frame, report_content, sha256
from campaigns.signals import report_started
from inventory.selectors.audit_events import acts_recorded, digests_in_chain
from inventory.services.audit import Actor, audit_record, audit_verify
from policies.choices import CycleState
from policies.services.watched import Notes, watched_fail, watched_sweep

logger = logging.getLogger(__name__)

ACTION = "campaigns.report"
_FIRST_PARTS = ("deleted", "dropped", "failed", "waiting", "restored")
#: What must add up to what was planned, by format: reports are verified for as long as somebody keeps them.
PARTS = {"dynamo campaign report 1": _FIRST_PARTS, FORMAT: (*_FIRST_PARTS, "restored_in_part")}
#: Kinds of files of a report, and how each name ends.
KINDS = ("json", "html", "csv", "parquet")

#: Told what is being done, and the part of the whole work that is done by then.
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found about one file; ``problems`` is empty for a true one."""

    name: str
    campaign: str
    problems: tuple[str, ...]

    @property
    def is_true(self) -> bool:
        return not self.problems


@transaction.atomic
def campaign_report(*, campaign_id: int, actor: Actor, now: datetime) -> CampaignReport:
    """Record a report as asked for and hand it to a worker; look at its state and progress for what becomes of it.

    Anybody who may see the campaign may have one made; the caller asks. Raises `NotFound`, `NotReady` where the campaign was
    never studied or another report of it is being made, and ``WorkerUnreachableError`` where no worker can be told (it has
    failed then).
    """
    report = _start(campaign_id, actor, now)
    transaction.on_commit(lambda: report_started.send(sender=CampaignReport, report_id=report.pk))
    return report


def campaign_report_make(
    *, campaign_id: int, actor: Actor, now: datetime, progress: Progress = lambda stage, share: None
) -> CampaignReport:
    """Make a report in this process and return it; raises what `campaign_report` raises. *progress* is told as the row is."""
    with transaction.atomic():
        report = _start(campaign_id, actor, now)
    return report_carry_out(report_id=report.pk, now=now, progress=progress)


def report_carry_out(*, report_id: int, now: datetime, progress: Progress = lambda stage, share: None) -> CampaignReport:
    """Write a report that was asked for: JSON, printable HTML, and the list as CSV and Parquet, of the campaign as it stands now.

    One that is over is returned as it is. Whatever stops it is noted with the report and raised again.
    """
    report = CampaignReport.objects.select_related("campaign", "user").get(pk=report_id)
    if report.state != CycleState.RUNNING:
        return report
    notes = Notes(CampaignReport, report.pk, lambda _, share: share)

    def tell(stage: str, share: float) -> None:
        notes(stage, share)
        progress(stage, share)

    try:
        return _make(report, now, tell)
    except BaseException as error:
        report_fail(report_id=report_id, message=str(error) or type(error).__name__)
        raise


def report_fail(*, report_id: int, message: str) -> bool:
    """Note why a report was not made; return False where it was over already."""
    failed = watched_fail(CampaignReport, report_id, message)
    if failed:
        logger.error("report %s failed: %s", report_id, message, extra={"report_id": report_id})
    return failed


def reports_sweep(*, now: datetime) -> list[int]:
    """Fail the reports whose process gave no sign of life for longer than the limit of cycles, and return them."""
    return watched_sweep(
        CampaignReport, now=now, again="make a report again", fail=lambda pk, why: report_fail(report_id=pk, message=why)
    )


def report_latest(campaign_id: int) -> CampaignReport | None:
    """Return the newest report of a campaign that is made."""
    return CampaignReport.objects.filter(campaign=campaign_id, state=CycleState.COMPLETED).order_by("-pk").first()


def report_verify(*, files: Mapping[str, bytes]) -> list[Verification]:
    """Hold files of reports against the audit chain: each must be, to the byte, one whose digest was recorded.

    A JSON report must also add up: what became of the items is what was planned, in items and in bytes, and every act that it
    lists is in the chain. Reads only.
    """
    broken = audit_verify()
    chain = () if broken is None else (f"the audit chain is broken at event {broken.event_id}: {broken.problem}",)
    recorded = {entry["sha256"]: act.subject for act in acts_recorded(ACTION) for entry in act.details.get("files", {}).values()}
    found = []
    for name, content in files.items():
        problems = list(chain)
        subject = recorded.get(sha256(content), "")
        if not subject:
            problems.append(
                "no report with these bytes was recorded: the file was changed, cut or never made by this Dynamo "
                f"(SHA-256 {sha256(content)[:16]}...)"
            )
        if name.endswith(".json"):
            problems += _sums_problems(content)
        found.append(Verification(name, subject, tuple(problems)))
    return found


def report_file(report: CampaignReport, kind: str) -> bytes:
    """Return one file of a report as it was kept."""
    with default_storage.open(report.files[kind]["name"]) as file:
        content: bytes = file.read()
    return content


def _start(campaign_id: int, actor: Actor, now: datetime) -> CampaignReport:
    campaign = campaign_get(campaign_id)
    _reported_revision(campaign)
    try:
        with transaction.atomic():
            return CampaignReport.objects.create(
                campaign=campaign,
                made_at=now,
                heartbeat_at=now,
                made_by=actor.name,
                user_id=None if actor.user is None else actor.user.pk,
                stage="waiting for a worker",
            )
    except IntegrityError as error:
        if not CampaignReport.objects.filter(campaign=campaign, state=CycleState.RUNNING).exists():
            raise
        raise NotReady(f"a report of '{campaign}' is being made: wait until it has finished") from error


def _reported_revision(campaign: Campaign) -> Revision:
    revision = Revision.objects.filter(campaign=campaign).order_by("-is_current", "-number").first()
    if revision is None:
        raise NotReady(f"'{campaign}' was never studied: there is nothing to report yet")
    return revision


def _make(report: CampaignReport, now: datetime, tell: Progress) -> CampaignReport:
    campaign, actor = report.campaign, Actor(report.made_by, report.user)
    revision = _reported_revision(campaign)
    tell("asking what became of each item", 0.0)
    items = items_frame(revision, lambda share: tell("writing down the items", 0.2 + 0.5 * share))
    tell("writing the lists", 0.7)
    contents = _lists(items)
    tell("writing the report", 0.9)
    body = report_content(campaign, revision, items=items, made_by=actor.name, now=now)
    body["lists"] = {kind: {"sha256": sha256(content), "size_bytes": len(content)} for kind, content in contents.items()}
    contents["json"] = json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    contents["html"] = render_to_string(
        "dynamo/campaigns/report.html", {"report": body, "digest": sha256(contents["json"])}
    ).encode()
    return _keep(report, contents, actor, now)


def _lists(items: pl.DataFrame) -> dict[str, bytes]:
    parquet = io.BytesIO()
    items.write_parquet(parquet, compression="zstd")
    return {"csv": items.write_csv().encode(), "parquet": parquet.getvalue()}


def _keep(report: CampaignReport, contents: Mapping[str, bytes], actor: Actor, now: datetime) -> CampaignReport:
    """Keep the files and complete the report, unless it was given up meanwhile."""
    campaign = report.campaign
    files: dict[str, dict[str, Any]] = {}
    try:
        for kind in KINDS:
            files[kind] = {
                "name": default_storage.save(f"campaigns/report-{campaign.pk:08d}.{kind}", ContentFile(contents[kind])),
                "sha256": sha256(contents[kind]),
                "size_bytes": len(contents[kind]),
            }
        with transaction.atomic():
            held = _lock_running(report)
            details = {kind: {"sha256": entry["sha256"], "size_bytes": entry["size_bytes"]} for kind, entry in files.items()}
            held.audit_event = audit_record(
                actor=actor,
                action=ACTION,
                subject=f"campaign {campaign.pk}",
                details={"title": campaign.title, "state": campaign.state, "files": details},
            )
            held.state, held.finished_at, held.progress, held.stage = CycleState.COMPLETED, timezone.now(), 1.0, ""
            held.made_at, held.is_final, held.files = now, campaign.state in FINAL_STATES, files
            held.save()
    except BaseException:
        for entry in files.values():
            default_storage.delete(str(entry["name"]))
        raise
    return held


def _lock_running(report: CampaignReport) -> CampaignReport:
    held = CampaignReport.objects.select_for_update(of=("self",)).get(pk=report.pk)
    if held.state != CycleState.RUNNING:
        raise NotReady(f"report {report.pk} was given up while it was made: make a report again")
    return held


def _sums_problems(content: bytes) -> list[str]:
    try:
        body: dict[str, Any] = json.loads(content)
        if body.get("format") not in PARTS:
            return [f"it says that it is {body.get('format')!r}, expected {FORMAT!r} or an earlier one"]
        sums = body["sums"]
        parts = PARTS[body["format"]]
        problems = [
            f"the sums do not match: {sum(sums[part][unit] for part in parts)} {unit} in the outcomes, "
            f"{sums['planned'][unit]} were planned"
            for unit in ("items", "size_bytes")
            if sum(sums[part][unit] for part in parts) != sums["planned"][unit]
        ]
        if "fates" in sums and sum(sums["fates"].values()) != sums["bytes_really_deleted"]:
            problems.append(
                f"the sums do not match: {sum(sums['fates'].values())} bytes are restored, in the trash, purged or gone, "
                f"{sums['bytes_really_deleted']} were deleted"
            )
        listed = next(one for one in body["studied"] if one["number"] == body["list"]["revision"])
        if (listed["items"], listed["size_bytes"]) != (sums["planned"]["items"], sums["planned"]["size_bytes"]):
            problems.append("what was planned is not the list that was studied")
        acts = {event["audit_digest"] for event in body["events"]}
        if missing := acts - digests_in_chain(acts):
            problems.append(f"{len(missing)} acts of it are not in the audit chain")
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        return [f"it is no report: {type(error).__name__}: {error}"]
    return problems
