"""Previews of quotas that a worker carries out while somebody watches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from inventory.services.audit import Actor
from policies.choices import CycleState
from policies.exceptions import CycleLostError, QuotaInvalidError
from policies.models import Quota, QuotaPreview
from policies.services.quota_preview import QuotasPreview, quotas_preview
from policies.services.quotas import QuotaChange, quotas_check
from policies.services.watched import Notes, watched_fail, watched_sweep
from policies.signals import quota_preview_started


def quota_preview_request(*, changes: Sequence[QuotaChange], actor: Actor, now: datetime) -> QuotaPreview:
    """Record a preview of *changes* and hand it to a worker; it keeps what the quotas are now, so that setting them can tell.

    Raises what ``quotas_check`` raises, `QuotaInvalidError` where nothing would change, and ``WorkerUnreachableError`` where no
    worker can be told (the preview is failed then).
    """
    quotas_check(changes)
    seen = _quotas_now(changes)
    changed = [change for change in changes if seen.get((change.partition, change.site)) != change.size_bytes]
    if not changed:
        raise QuotaInvalidError("nothing would change: every quota that was named is so already")
    preview = QuotaPreview.objects.create(
        changes=[
            {
                "partition": change.partition,
                "site": change.site,
                "size_bytes": change.size_bytes,
                "expected_bytes": seen.get((change.partition, change.site)),
            }
            for change in changed
        ],
        clock=now,
        started_by=actor.name,
    )
    transaction.on_commit(lambda: quota_preview_started.send(sender=QuotaPreview, preview_id=preview.pk))
    return preview


def changes_of(preview: QuotaPreview) -> list[QuotaChange]:
    """Return the changes that *preview* is of; set, they are refused where a quota has changed since."""
    return [
        QuotaChange(row["partition"], row["site"], row["size_bytes"], row["expected_bytes"], is_expected=True)
        for row in preview.changes
    ]


def quota_preview_carry_out(*, preview_id: int) -> QuotaPreview:
    """Carry out a running preview and record what it found; one that fails leaves its error, which is raised again.

    Raises `CycleLostError` where it is not running any more.
    """
    preview = QuotaPreview.objects.get(pk=preview_id)
    if preview.state != CycleState.RUNNING:
        raise CycleLostError(f"{preview} is {CycleState(preview.state).label}: it cannot be carried out")
    try:
        found = quotas_preview(
            changes=changes_of(preview), now=preview.clock, progress=Notes(QuotaPreview, preview.pk, _part_done)
        )
        return _record(preview_id, found)
    except BaseException as error:
        quota_preview_fail(preview_id=preview_id, message=str(error) or type(error).__name__)
        raise


def quota_preview_fail(*, preview_id: int, message: str) -> bool:
    """Note why a running preview ended without a result; return False where it was over already."""
    return watched_fail(QuotaPreview, preview_id, message)


def quota_previews_sweep(*, now: datetime) -> list[int]:
    """Fail the running previews that gave no sign of life for longer than the limit of cycles, and return them."""
    return watched_sweep(QuotaPreview, now=now, again="preview again")


def _part_done(_: str, share: float) -> float:
    """Return how far it is: before the first stage the inventory was read."""
    return 0.3 + 0.7 * share


def preview_body(found: QuotasPreview) -> dict[str, Any]:
    """Return a preview as JSON: its fields, with what is derived of them."""
    body = asdict(found)
    for row, policy in zip(body["policies"], found.policies, strict=True):
        row |= {"deleted_now": policy.deleted_now, "deleted_then": policy.deleted_then}
        for site_row, site in zip(row["sites"], policy.sites, strict=True):
            site_row["protected_fraction"] = site.protected_fraction
    return body


@transaction.atomic
def _record(preview_id: int, found: QuotasPreview) -> QuotaPreview:
    """Complete the preview, unless it was given up meanwhile."""
    locked = QuotaPreview.objects.select_for_update().get(pk=preview_id)
    if locked.state != CycleState.RUNNING:
        raise CycleLostError(f"{locked} was given up while it was computed; its result is thrown away")
    locked.state, locked.finished_at, locked.stage, locked.progress = CycleState.COMPLETED, timezone.now(), "", 1.0
    locked.result = preview_body(found)
    locked.save()
    return locked


def _quotas_now(changes: Sequence[QuotaChange]) -> Mapping[tuple[str, str], int]:
    names = {change.partition for change in changes}
    rows = Quota.objects.filter(partition__name__in=names)
    return {(partition, site): size for partition, site, size in rows.values_list("partition__name", "site__name", "size_bytes")}
