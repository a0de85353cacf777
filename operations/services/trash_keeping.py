"""How long what was put aside is kept: from the end of its deletion on, or shorter where a full site needs the space."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Sum

from inventory.selectors.replicas import bytes_at_sites
from inventory.services.audit import Actor, audit_record
from operations.choices import DeletionState, TrashState
from operations.constants import SHORTEST_TAPE_TRASH_DAYS
from operations.models import Attempt, Deletion, Trash
from operations.selectors.pace import own_trash_days
from operations.services.bulk import rows_update
from operations.services.limits import QueueLimits
from policies.selectors.site_quotas import quota_bytes_of_sites

logger = logging.getLogger(__name__)

ACTOR = Actor(name="trash")

BATCH_SIZE = 500
_OVER = (DeletionState.DONE, DeletionState.DROPPED, DeletionState.FAILED)


def purge_time(row: Trash, *, now: datetime, limits: QueueLimits, own: Mapping[str, float]) -> datetime:
    """Return when a trash that is complete now may be purged; *own*: the days of sites that have their own."""
    days = own.get(row.site_name)
    if days is None:
        days = max(limits.trash_days or 1, limits.tape_trash_days if row.is_tape else 0)
    return now + timedelta(days=max(days, SHORTEST_TAPE_TRASH_DAYS if row.is_tape else 1))


def trash_keep(deletion_ids: Collection[int], *, now: datetime, limits: QueueLimits) -> None:
    """Begin to keep the trash of deletions that are done. Runs in the caller's transaction."""
    rows = Trash.objects.select_for_update(no_key=True, of=("self",)).filter(
        deletion_id__in=list(deletion_ids), state=TrashState.FILLING
    )
    kept = list(rows.defer("files").order_by("pk"))
    own = own_trash_days({row.site_name for row in kept})
    for row in kept:
        row.state, row.kept_since, row.purge_after = TrashState.KEPT, now, purge_time(row, now=now, limits=limits, own=own)
        row.num_attempts, row.not_before, row.reason = 0, None, ""
    rows_update(kept, ["state", "kept_since", "purge_after", "num_attempts", "not_before", "reason"])


def trash_settle(*, now: datetime, limits: QueueLimits) -> int:
    """Keep what deletions that failed have put aside, give back what such that were given up have; close the trash of others.

    Returns how many.
    """
    with transaction.atomic():
        rows = list(
            Trash.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
            .filter(state=TrashState.FILLING, deletion__state__in=_OVER)
            .defer("files")
            .order_by("pk")[:BATCH_SIZE]
        )
        touched = set(
            Attempt.objects.filter(deletion_id__in=[row.deletion_id for row in rows], may_have_deleted=True).values_list(
                "deletion_id", flat=True
            )
        )
        empty = [row for row in rows if row.deletion_id not in touched]
        for row in empty:
            row.state, row.finished_at = TrashState.EMPTY, now
        Trash.objects.bulk_update(empty, ["state", "finished_at"])
        trash_keep([row.deletion_id for row in rows if row.deletion_id in touched], now=now, limits=limits)
        given_up = Deletion.objects.filter(pk__in=touched, state=DeletionState.DROPPED).order_by("pk")
        trash_give_back(given_up.values_list("pk", flat=True), actor=ACTOR, reason="the deletion was given up")
    return len(rows)


#: What `ask_back` sets of a trash.
ASKED_FIELDS = ["state", "wanted_files", "asked_by", "asked_reason", "not_before", "num_attempts", "reason"]


def ask_back(row: Trash, *, actor: Actor, reason: str, lfn: str = "") -> None:
    """Let a trash that is kept or being restored come back, or one file of it; the caller saves ``ASKED_FIELDS``."""
    if row.state == TrashState.KEPT:
        row.state, row.wanted_files = TrashState.RESTORING, [lfn] if lfn else []
    elif row.wanted_files:
        # Under a lease too: what it does not hold is done by the next.
        row.wanted_files = sorted({*row.wanted_files, lfn}) if lfn else []
    row.asked_by, row.asked_reason = actor.name[:150], reason[:512]
    row.not_before, row.num_attempts, row.reason = None, 0, ""


def trash_give_back(deletion_ids: Collection[int], *, actor: Actor, reason: str) -> None:
    """Let what deletions put aside that were given up come back: the inventory says that it is there.

    Runs in the caller's transaction. What cannot come back stays in the trash, with the reason, and is never purged.
    """
    trash = Trash.objects.select_for_update(no_key=True, of=("self",))
    rows = list(trash.filter(deletion_id__in=list(deletion_ids), state=TrashState.KEPT).defer("files").order_by("pk"))
    for row in rows:
        ask_back(row, actor=actor, reason=reason)
    Trash.objects.bulk_update(rows, ASKED_FIELDS, batch_size=BATCH_SIZE)
    if rows:
        audit_record(
            actor=actor,
            action="operations.restore_asked",
            subject="what deletions that were given up have put aside",
            reason=reason,
            details={"block_replicas": len(rows), "bytes": sum(row.size_bytes for row in rows)},
        )


def trash_hurry(*, now: datetime, limits: QueueLimits) -> dict[str, int]:
    """Let the oldest trash go early at sites that are too full with it, as far as the setting allows. Return bytes by site.

    What comes from tape is never hurried. A site without quotas, or with an unlimited one, is never too full.
    """
    if limits.purge_at_fraction is None:
        return {}
    sums = Trash.objects.filter(state__in=[TrashState.FILLING, TrashState.KEPT, TrashState.PURGING]).order_by()
    in_trash = dict(sums.values_list("site_name").annotate(total=Sum("size_bytes")))
    hurried: dict[str, int] = {}
    quotas, used = quota_bytes_of_sites(list(in_trash)), bytes_at_sites(list(in_trash))
    for name in sorted(in_trash):
        quota = quotas.get(name, 0)
        excess = used.get(name, 0) + in_trash[name] - limits.purge_at_fraction * quota
        if quota > 0 and excess > 0 and (total := _hurry_site(name, excess, now)):
            hurried[name] = total
    return hurried


def _hurry_site(site_name: str, excess: float, now: datetime) -> int:
    with transaction.atomic():
        going = (
            Trash.objects.filter(site_name=site_name, state=TrashState.PURGING).aggregate(total=Sum("size_bytes"))["total"] or 0
        )
        kept = Trash.objects.filter(site_name=site_name, state=TrashState.KEPT, deletion__state=DeletionState.DONE)
        due = kept.filter(purge_after__lte=now)
        going += due.aggregate(total=Sum("size_bytes"))["total"] or 0
        rows = (
            kept.select_for_update(skip_locked=True, no_key=True, of=("self",))
            .filter(purge_after__gt=now, is_tape=False)
            .defer("files")
            .order_by("kept_since", "pk")
        )
        chosen: list[Trash] = []
        total = 0
        for row in rows.iterator(chunk_size=BATCH_SIZE):
            if going + total >= excess:
                break
            chosen.append(row)
            total += row.size_bytes
        for row in chosen:
            row.purge_after = now
        Trash.objects.bulk_update(chosen, ["purge_after"], batch_size=BATCH_SIZE)
        if chosen:
            audit_record(
                actor=ACTOR,
                action="operations.trash_hurried",
                subject=f"trash of {site_name}",
                reason="the site needs the space",
                details={"trash": len(chosen), "bytes": total},
            )
    return total
