"""What is begun at a site keeps to its limits: batches at a time, files a second, bytes a day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from django.db import transaction

from inventory.choices import StorageType
from inventory.services.audit import Actor, audit_record
from inventory.services.sites import site_locked
from operations.constants import LONGEST_TRASH_DAYS, SHORTEST_TAPE_TRASH_DAYS
from operations.exceptions import InvalidTransitionError
from operations.models import Deletion, SiteLimits, SitePace
from operations.selectors.pace import Pace
from operations.services.rights import demand_right

#: Beyond this many batches at a time a site does nothing else any more.
MOST_BATCHES = 1000


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
    trash_days: float | None = None,
    reason: str = "",
) -> SiteLimits:
    """Give a site limits of its own; None: as the settings say, 0: none (batches: at least 1; days: nothing is put aside).

    Raises ``PermissionDenied`` without ``operations.change_sitelimits``, ``NotFound`` for an unknown site,
    ``InvalidTransitionError`` for a limit that cannot be.
    """
    after = {
        "batches": batches,
        "files_per_second": files_per_second,
        "bytes_per_day": bytes_per_day,
        "trash_days": trash_days,
    }
    with transaction.atomic():
        site = site_locked(site_name)
        demand_right(actor, "operations.change_sitelimits", "change the limits of sites")
        _demand_possible(after, is_tape=site.storage_type == StorageType.MSS)
        limits = SiteLimits.objects.filter(pk=site.pk).first() or SiteLimits(site=site)
        before = {name: getattr(limits, name) for name in after}
        for name, value in after.items():
            setattr(limits, name, value)
        limits.save()
        details = {"before": before, "after": after}
        audit_record(
            actor=actor, action="operations.site_limits_set", subject=f"site {site_name}", reason=reason, details=details
        )
    return limits


def _demand_possible(wanted: Mapping[str, float | None], *, is_tape: bool) -> None:
    batches, days = wanted["batches"], wanted["trash_days"]
    if batches is not None and not 1 <= batches <= MOST_BATCHES:
        raise InvalidTransitionError(f"{batches} batches at a time: expected 1 to {MOST_BATCHES}; to stop a site, pause it")
    for name, most in (("files_per_second", 1e9), ("bytes_per_day", 2**63 - 1)):
        value = wanted[name]
        if value is not None and not 0 <= value <= most:
            raise InvalidTransitionError(f"{name} is {value}: expected 0 (none) or a positive number")
    if days is None or (days == 0 and not is_tape):
        return
    least = SHORTEST_TAPE_TRASH_DAYS if is_tape else 1
    if not least <= days <= LONGEST_TRASH_DAYS:
        or_none = "" if is_tape else ", or 0 for no trash"
        raise InvalidTransitionError(f"{days:g} days in the trash: expected {least} to {LONGEST_TRASH_DAYS}{or_none}")
