"""Evidence: a report is made once, kept, and its digests stand in the audit chain; verifying holds files against that."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.template.loader import render_to_string

from campaigns.choices import FINAL_STATES
from campaigns.exceptions import NotReady
from campaigns.models import Campaign, CampaignReport, Revision
from campaigns.services.campaigns import campaign_get
from campaigns.services.report_content import FORMAT, items_frame, report_content, sha256
from inventory.selectors.audit_events import acts_recorded, digests_in_chain
from inventory.services.audit import Actor, audit_record, audit_verify

ACTION = "campaigns.report"
_FIRST_PARTS = ("deleted", "dropped", "failed", "waiting", "restored")
#: What must add up to what was planned, by format: reports are verified for as long as somebody keeps them.
PARTS = {"dynamo campaign report 1": _FIRST_PARTS, FORMAT: (*_FIRST_PARTS, "restored_in_part")}
#: Kinds of files of a report, and how each name ends.
KINDS = ("json", "html", "csv", "parquet")


@dataclass(frozen=True, slots=True)
class Verification:
    """What was found about one file; ``problems`` is empty for a true one."""

    name: str
    campaign: str
    problems: tuple[str, ...]

    @property
    def is_true(self) -> bool:
        return not self.problems


def campaign_report_make(*, campaign_id: int, actor: Actor, now: datetime) -> CampaignReport:
    """Write the report of a campaign as it stands: JSON, printable HTML, and the list as CSV and Parquet.

    Anybody who may see the campaign may have one made; the caller asks. Raises `NotFound`, `NotReady` where it was never studied.
    """
    campaign = campaign_get(campaign_id)
    revision = Revision.objects.filter(campaign=campaign).order_by("-is_current", "-number").first()
    if revision is None:
        raise NotReady(f"'{campaign}' was never studied: there is nothing to report yet")
    items = items_frame(revision)
    contents = _lists(items)
    body = report_content(campaign, revision, items=items, made_by=actor.name, now=now)
    body["lists"] = {kind: {"sha256": sha256(content), "size_bytes": len(content)} for kind, content in contents.items()}
    contents["json"] = json.dumps(body, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n"
    contents["html"] = render_to_string(
        "dynamo/campaigns/report.html", {"report": body, "digest": sha256(contents["json"])}
    ).encode()
    return _keep(campaign, contents, actor, now)


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


def _lists(items: pl.DataFrame) -> dict[str, bytes]:
    parquet = io.BytesIO()
    items.write_parquet(parquet, compression="zstd")
    return {"csv": items.write_csv().encode(), "parquet": parquet.getvalue()}


def _keep(campaign: Campaign, contents: Mapping[str, bytes], actor: Actor, now: datetime) -> CampaignReport:
    files = {
        kind: {
            "name": default_storage.save(f"campaigns/report-{campaign.pk:08d}.{kind}", ContentFile(contents[kind])),
            "sha256": sha256(contents[kind]),
            "size_bytes": len(contents[kind]),
        }
        for kind in KINDS
    }
    try:
        with transaction.atomic():
            details = {kind: {"sha256": entry["sha256"], "size_bytes": entry["size_bytes"]} for kind, entry in files.items()}
            event = audit_record(
                actor=actor,
                action=ACTION,
                subject=f"campaign {campaign.pk}",
                details={"title": campaign.title, "state": campaign.state, "files": details},
            )
            return CampaignReport.objects.create(
                campaign=campaign,
                made_at=now,
                made_by=actor.name,
                is_final=campaign.state in FINAL_STATES,
                files=files,
                audit_event=event,
            )
    except BaseException:
        for entry in files.values():
            default_storage.delete(str(entry["name"]))
        raise


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
