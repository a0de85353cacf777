"""How deletions stand per site: for the front page, the command ``deletions`` and the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, Min, Sum
from django.utils import timezone

from inventory.choices import SiteStatus
from inventory.selectors.sites import SiteStorage, site_storage
from operations.choices import DeletionState
from operations.models import Deletion, SiteHealth, SitePace
from operations.selectors.pace import paces, why_paced

_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class SiteProgress:
    """Deletions at a site now, and what was done there in the last hour (the counts of the hour are rates per hour)."""

    site_name: str
    num_queued: int
    bytes_queued: int
    oldest_queued_at: datetime | None
    num_acting: int
    num_failed: int
    num_done_last_hour: int
    files_last_hour: int
    bytes_last_hour: int
    is_paused: bool
    paused_reason: str
    back_off_until: datetime | None
    failures_in_row: int
    last_failure: str
    remark: str


def deletions_under_way(*, now: datetime | None = None) -> list[SiteProgress]:
    """Return the sites where something waits, is under way, has failed or was done in the last hour, by name."""
    now = now or timezone.now()
    open_states = [DeletionState.QUEUED, DeletionState.ACTING, DeletionState.FAILED]
    sums: dict[tuple[str, str], dict[str, Any]] = {
        (row["site_name"], row["state"]): row
        for row in Deletion.objects.filter(state__in=open_states)
        .order_by()
        .values("site_name", "state")
        .annotate(number=Count("pk"), size=Sum("size_bytes"), oldest=Min("queued_at"))
    }
    done: dict[str, dict[str, Any]] = {
        row["site_name"]: row
        for row in Deletion.objects.filter(state=DeletionState.DONE, finished_at__gt=now - _WINDOW, finished_at__lte=now)
        .order_by()
        .values("site_name")
        .annotate(number=Count("pk"), deleted=Sum("files_deleted"), absent=Sum("files_absent"), size=Sum("bytes_deleted"))
    }
    names = sorted({site for site, _ in sums} | set(done))
    sites = site_storage(names)
    health = {row.site_name: row for row in SiteHealth.objects.filter(site_name__in=names)}
    limits = paces(list(sites.values()), batches_per_site=settings.DYNAMO_DELETION_BATCHES_PER_SITE)
    known = SitePace.objects.in_bulk(names)
    paced = {name: why_paced(limits[name], known.get(name), now=now) for name in sites}
    return [
        _progress(
            name,
            by_state={state: row for (site, state), row in sums.items() if site == name},
            done=done.get(name, {}),
            site=sites.get(name),
            health=health.get(name),
            paced=paced.get(name, ""),
            now=now,
        )
        for name in names
    ]


def _progress(
    name: str,
    *,
    by_state: dict[str, dict[str, Any]],
    done: dict[str, Any],
    site: SiteStorage | None,
    health: SiteHealth | None,
    paced: str,
    now: datetime,
) -> SiteProgress:
    queued = by_state.get(DeletionState.QUEUED, {})
    back_off = health.back_off_until if health is not None else None
    return SiteProgress(
        site_name=name,
        num_queued=queued.get("number", 0),
        bytes_queued=queued.get("size") or 0,
        oldest_queued_at=queued.get("oldest"),
        num_acting=by_state.get(DeletionState.ACTING, {}).get("number", 0),
        num_failed=by_state.get(DeletionState.FAILED, {}).get("number", 0),
        num_done_last_hour=done.get("number", 0),
        files_last_hour=(done.get("deleted") or 0) + (done.get("absent") or 0),
        bytes_last_hour=done.get("size") or 0,
        is_paused=site is not None and site.is_paused,
        paused_reason=site.paused_reason if site is not None else "",
        back_off_until=back_off if back_off is not None and back_off > now else None,
        failures_in_row=health.failures_in_row if health is not None else 0,
        last_failure=health.last_failure if health is not None else "",
        remark=_remark(site, health, now) or (paced if queued else ""),
    )


def _remark(site: SiteStorage | None, health: SiteHealth | None, now: datetime) -> str:
    """Return why the queue of a site does not move, empty if nothing holds it."""
    if site is None:
        return "not a site of the inventory (any more)"
    if site.is_paused:
        return f"paused: {site.paused_reason}"
    if site.status != SiteStatus.READY:
        return f"waits: the site is {SiteStatus(site.status).label}"
    if health is not None and health.back_off_until is not None and health.back_off_until > now:
        return f"backs off until {health.back_off_until:%H:%M:%S}: {health.last_failure}"
    return ""
