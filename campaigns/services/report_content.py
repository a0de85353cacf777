"""What a report says: studied, announced, objected, signed, done, dropped out, failed, restored. Sums to the byte; reads only."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import polars as pl

from campaigns.choices import ItemOutcome
from campaigns.models import Approval, Campaign, CampaignEvent, Comment, DroppedItem, ExceptionRequest, Notice, Revision
from campaigns.selectors.quorum import quorum_of
from campaigns.services.outcomes import Outcome, outcomes_of
from policies.selectors.plans import PlannedItem, plan_items

#: Says which fields a reader may expect.
FORMAT = "dynamo campaign report 2"

ITEM_SCHEMA: dict[str, type[pl.DataType]] = {
    "sequence": pl.Int64,
    "site": pl.String,
    "dataset": pl.String,
    "block": pl.String,
    "owner": pl.String,
    "size_bytes": pl.Int64,
    "num_files": pl.Int64,
    "line": pl.Int64,
    "rule": pl.String,
    "outcome": pl.String,
    "reason": pl.String,
    "files_deleted": pl.Int64,
    "files_absent": pl.Int64,
    "bytes_deleted": pl.Int64,
    "finished_at": pl.String,
    "files_restored": pl.Int64,
    "bytes_restored": pl.Int64,
    "restored_at": pl.String,
    "bytes_in_trash": pl.Int64,
    "bytes_purged": pl.Int64,
    "restorable_until": pl.String,
    "not_restored": pl.String,
}
#: Rows that the JSON names one by one; the lists have all.
_NAMED = 1000


def items_frame(revision: Revision, progress: Callable[[float], None] = lambda share: None) -> pl.DataFrame:
    """Return a row per item of the frozen list, in its order, with what became of it (columns: ``ITEM_SCHEMA``).

    *progress* is told the share of the items that is written down.
    """
    outcomes = outcomes_of(revision.plan_id)
    marked = dict(DroppedItem.objects.filter(revision=revision).order_by("pk").values_list("plan_item_id", "reason"))
    frames = [pl.DataFrame(schema=ITEM_SCHEMA)]
    last = -1
    while some := plan_items(revision.plan_id, after_sequence=last):
        rows = [_item_row(item, outcomes.get(item.id), marked.get(item.id)) for item in some]
        frames.append(pl.DataFrame(rows, schema=ITEM_SCHEMA, orient="row"))
        last = some[-1].sequence
        progress((last + 1) / max(revision.num_items, last + 1))
    return pl.concat(frames)


def sums_of(items: pl.DataFrame) -> dict[str, Any]:
    """Return what was planned and what became of it, in items and bytes, and every reason with its sum."""
    by_outcome = {
        outcome.value.lower(): _sum(items.filter(pl.col("outcome") == outcome.value.lower())) for outcome in ItemOutcome
    }
    reasons = (
        items.filter(pl.col("reason") != "")
        .group_by("outcome", "reason")
        .agg(pl.len().alias("items"), pl.col("size_bytes").sum())
        .sort("outcome", "size_bytes", "reason", descending=[False, True, False])
    )
    return {
        "planned": _sum(items),
        **by_outcome,
        "bytes_really_deleted": int(items.get_column("bytes_deleted").sum()),
        "files_deleted": int(items.get_column("files_deleted").sum()),
        "files_already_absent": int(items.get_column("files_absent").sum()),
        "fates": fates_of(items),
        "reasons": list(reasons.head(_NAMED).iter_rows(named=True)),
    }


def fates_of(items: pl.DataFrame) -> dict[str, int]:
    """Return where the bytes that were really deleted are now; they add up to ``bytes_really_deleted``."""
    went, back, kept, purged = (
        int(items.get_column(name).sum()) for name in ("bytes_deleted", "bytes_restored", "bytes_in_trash", "bytes_purged")
    )
    return {"restored": back, "in_trash": kept, "purged": purged, "gone_without_trash": went - back - kept - purged}


def restored_of(items: pl.DataFrame) -> dict[str, Any]:
    """Return what came back from the trash, by site and dataset with its times, and what was asked back and did not come."""
    back = (
        items.filter(pl.col("files_restored") > 0)
        .group_by("site", "dataset")
        .agg(
            pl.len().alias("items"),
            pl.col("files_restored").sum().alias("files"),
            pl.col("bytes_restored").sum().alias("size_bytes"),
            pl.col("restored_at").min().alias("first_at"),
            pl.col("restored_at").max().alias("last_at"),
            pl.col("reason").first(),
        )
        .sort("size_bytes", "site", "dataset", descending=[True, False, False])
    )
    columns = ["site", "dataset", "block", "size_bytes", "bytes_restored", "bytes_in_trash", "reason", "not_restored"]
    missing = items.filter(pl.col("not_restored") != "").select(columns)
    return {
        "back": list(back.head(_NAMED).iter_rows(named=True)),
        "num_back": back.height,
        "not_back": list(missing.head(_NAMED).iter_rows(named=True)),
        "num_not_back": missing.height,
        "restorable_until": items.get_column("restorable_until").drop_nulls().max(),
    }


def report_content(campaign: Campaign, revision: Revision, *, items: pl.DataFrame, made_by: str, now: datetime) -> dict[str, Any]:
    """Return the report as JSON holds it, the digests of its lists left out."""
    return {
        "format": FORMAT,
        "made_at": now.isoformat(),
        "made_by": made_by,
        "campaign": _campaign(campaign),
        "studied": [_revision(one) for one in Revision.objects.filter(campaign=campaign).order_by("number")],
        "list": {"revision": revision.number, "digest": revision.digest, "plan": revision.plan_id},
        "announced": _announced(campaign),
        "objected": [_exception(one) for one in _exceptions(campaign)],
        "signed": [_signature(one) for one in Approval.objects.filter(campaign=campaign).order_by("pk")],
        "quorum": _quorum(revision),
        "comments": [
            {"by": comment.author_name, "at": _iso(comment.at), "text": comment.text}
            for comment in Comment.objects.filter(campaign=campaign).order_by("pk")
        ],
        "events": [_event(one) for one in CampaignEvent.objects.filter(campaign=campaign).select_related("audit_event")],
        "sums": sums_of(items),
        "restored": restored_of(items),
    }


def sha256(content: bytes) -> str:
    """Return the SHA-256 of some bytes as a report names it."""
    return hashlib.sha256(content).hexdigest()


def _item_row(item: PlannedItem, known: Outcome | None, marked: str | None) -> tuple[Any, ...]:
    named = (
        item.sequence,
        item.site_name,
        item.dataset_name,
        item.block_name,
        item.owner,
        item.size_bytes,
        item.num_files,
        item.line,
        item.rule_text,
    )
    if known is None:
        outcome = ItemOutcome.DROPPED if marked is not None else ItemOutcome.WAITING
        return (*named, outcome.value.lower(), marked or "", 0, 0, 0, None, 0, 0, None, 0, 0, None, "")
    after = known.after
    return (
        *named,
        known.outcome.value.lower(),
        known.reason,
        known.files_deleted,
        known.files_absent,
        known.bytes_deleted,
        _iso(known.finished_at),
        after.files_restored,
        after.bytes_restored,
        _iso(after.restored_at),
        after.bytes_in_trash,
        after.bytes_purged,
        _iso(after.restorable_until),
        after.not_restored,
    )


def _sum(items: pl.DataFrame) -> dict[str, int]:
    return {"items": items.height, "size_bytes": int(items.get_column("size_bytes").sum())}


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _campaign(campaign: Campaign) -> dict[str, Any]:
    return {
        "id": campaign.pk,
        "title": campaign.title,
        "purpose": campaign.purpose,
        "coordinator": campaign.coordinator.get_username(),
        "partition": campaign.partition.name,
        "sites": campaign.site_patterns,
        "state": campaign.state,
        "state_reason": campaign.state_reason,
        "announced_at": _iso(campaign.announced_at),
        "exceptions_close_at": _iso(campaign.exceptions_close_at),
        "earliest_start_at": _iso(campaign.earliest_start_at),
        "expires_at": _iso(campaign.expires_at),
        "short_notice_because": campaign.notice_reason,
        "started_at": _iso(campaign.started_at),
        "finished_at": _iso(campaign.finished_at),
        "site_bytes_per_day": campaign.site_bytes_per_day,
    }


def _revision(revision: Revision) -> dict[str, Any]:
    return {
        "number": revision.number,
        "digest": revision.digest,
        "text": revision.text,
        "clock": _iso(revision.clock),
        "snapshot_at": _iso(revision.snapshot_at),
        "created_by": revision.created_by,
        "proposed_at": _iso(revision.proposed_at),
        "proposed_by": None if revision.proposed_by is None else revision.proposed_by.get_username(),
        "items": revision.num_items,
        "datasets": revision.num_datasets,
        "size_bytes": revision.size_bytes,
        "partition_bytes": revision.partition_bytes,
        "last_copies": {"items": revision.num_last_copies, "size_bytes": revision.last_copy_bytes},
        "tape": {"items": revision.num_tape_items, "size_bytes": revision.tape_bytes},
        "sums": {name: revision.sums.get(name, []) for name in ("sites", "tiers", "eras", "groups")},
        "voided_at": _iso(revision.voided_at),
        "voided_because": revision.voided_reason,
    }


def _announced(campaign: Campaign) -> list[dict[str, Any]]:
    rows = Notice.objects.filter(campaign=campaign).select_related("user").order_by("pk")
    return [
        {
            "to": notice.user.get_username(),
            "kind": notice.kind,
            "subject": notice.subject,
            "at": _iso(notice.created_at),
            "mailed_at": _iso(notice.mailed_at),
        }
        for notice in rows
    ]


def _exceptions(campaign: Campaign) -> Iterator[ExceptionRequest]:
    yield from ExceptionRequest.objects.filter(campaign=campaign).select_related("asked_by", "decided_by").order_by("pk")


def _exception(exception: ExceptionRequest) -> dict[str, Any]:
    return {
        "id": exception.pk,
        "patterns": exception.patterns,
        "reason": exception.reason,
        "for": exception.group_name,
        "until": str(exception.until),
        "asked_by": exception.asked_by.get_username(),
        "asked_at": _iso(exception.asked_at),
        "items": exception.num_items,
        "size_bytes": exception.size_bytes,
        "state": exception.state,
        "decided_by": None if exception.decided_by is None else exception.decided_by.get_username(),
        "decided_at": _iso(exception.decided_at),
        "decision_reason": exception.decision_reason,
        "granted_until": None if exception.granted_until is None else str(exception.granted_until),
        "becomes_lock": exception.becomes_lock,
    }


def _signature(approval: Approval) -> dict[str, Any]:
    return {
        "revision": approval.revision.number,
        "digest": approval.digest,
        "proposed_by": approval.requester.get_username(),
        "approver": approval.approver.get_username(),
        "verdict": approval.verdict,
        "groups": approval.group_names,
        "comment": approval.comment,
        "address": approval.address,
        "at": _iso(approval.at),
    }


def _quorum(revision: Revision) -> dict[str, Any]:
    quorum = quorum_of(revision)
    return {
        "needed": quorum.needed,
        "given": quorum.given,
        "is_met": quorum.is_met,
        "groups": {group.name: {"needed": group.needed, "given": group.given} for group in quorum.groups},
        "two_because": list(quorum.two_because),
    }


def _event(event: CampaignEvent) -> dict[str, Any]:
    return {
        "at": _iso(event.at),
        "actor": event.actor,
        "action": event.action,
        "from": event.from_state,
        "to": event.to_state,
        "reason": event.reason,
        "details": event.details,
        "audit_digest": event.audit_event.digest,
    }
