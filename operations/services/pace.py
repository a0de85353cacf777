"""What is begun at a site keeps to its limits: batches at a time, files a second, bytes a day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from django.db import transaction

from inventory.services.audit import Actor, audit_record
from inventory.services.sites import site_locked
from operations.exceptions import InvalidTransitionError
from operations.models import Deletion, SiteLimits, SitePace
from operations.selectors.pace import Pace
from operations.services.rights import demand_right


def within_pace(site_name: str, rows: Sequence[Deletion], pace: Pace, *, now: datetime) -> list[Deletion]:
    """Return those first of *rows* that may be begun now, none while the site must wait.

    A block replica that is larger than a whole day's bytes goes alone, at the beginning of a day.
    """
    if not pace.files_per_second and not pace.bytes_per_day:
        return list(rows)
    known = SitePace.objects.filter(pk=site_name).first()
    if pace.files_per_second and known is not None and known.next_claim_at is not None and known.next_claim_at > now:
        return []
    begun = known.bytes_of_day if known is not None and known.day == now.astimezone(UTC).date() else 0
    chosen: list[Deletion] = []
    num_files = 0
    for row in rows:
        num_files += row.num_files
        if chosen and pace.most_files is not None and num_files > pace.most_files:
            break
        if pace.bytes_per_day and begun and begun + row.size_bytes > pace.bytes_per_day:
            break
        begun += row.size_bytes
        chosen.append(row)
    return chosen


def pace_note(site_name: str, rows: Sequence[Deletion], pace: Pace, *, now: datetime) -> None:
    """Note that *rows* are begun, under the lock of the claims, in the caller's transaction; without limits nothing is noted."""
    if not pace.files_per_second and not pace.bytes_per_day:
        return
    today = now.astimezone(UTC).date()
    known = SitePace.objects.filter(pk=site_name).first() or SitePace(site_name=site_name)
    known.bytes_of_day = (known.bytes_of_day if known.day == today else 0) + sum(row.size_bytes for row in rows)
    known.day = today
    if pace.files_per_second:
        known.next_claim_at = now + timedelta(seconds=sum(row.num_files for row in rows) / pace.files_per_second)
    known.save()


def site_limits_set(
    *,
    site_name: str,
    actor: Actor,
    batches: int | None = None,
    files_per_second: float | None = None,
    bytes_per_day: int | None = None,
) -> SiteLimits:
    """Give a site limits of its own; None: as the settings say, 0: none (batches: at least 1).

    Raises ``PermissionDenied`` without ``operations.change_sitelimits``, ``NotFound`` for an unknown site,
    ``InvalidTransitionError`` for a limit that cannot be.
    """
    if batches is not None and batches < 1:
        raise InvalidTransitionError("at least one batch at a time: to stop a site, pause it")
    if (files_per_second is not None and not files_per_second >= 0) or (bytes_per_day is not None and bytes_per_day < 0):
        raise InvalidTransitionError("a limit is 0 (none) or a positive number")
    with transaction.atomic():
        site = site_locked(site_name)
        demand_right(actor, "operations.change_sitelimits", "change the limits of sites")
        limits = SiteLimits.objects.filter(pk=site.pk).first() or SiteLimits(site=site)
        before = {"batches": limits.batches, "files_per_second": limits.files_per_second, "bytes_per_day": limits.bytes_per_day}
        limits.batches, limits.files_per_second, limits.bytes_per_day = batches, files_per_second, bytes_per_day
        limits.save()
        after = {"batches": batches, "files_per_second": files_per_second, "bytes_per_day": bytes_per_day}
        details = {"before": before, "after": after}
        audit_record(actor=actor, action="operations.site_limits_set", subject=f"site {site_name}", details=details)
    return limits
