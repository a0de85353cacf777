"""Scans of storages: begun by people or by the calendar, cancelled, and decided on where a limit holds one."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone

from inventory.choices import SiteStatus, StorageType
from inventory.selectors.site_files import last_block_replica_key
from inventory.selectors.sites import SiteStorage, site_storage
from inventory.services.audit import Actor, audit_record
from inventory.services.sites import site_locked
from operations.choices import OPEN_SCAN_STATES, ScanState
from operations.exceptions import InvalidTransitionError, NotFoundError
from operations.models import ScanFolder, ScanSeen, SiteScans, StorageScan
from operations.services.known_paths import path_names
from operations.services.rights import demand_reason, demand_right, demand_site_right
from operations.services.scan_lease import scan_move
from operations.services.scan_place import place_digest

SCAN = "inventory.scan_site"
DECIDE = "inventory.decide_scan"
#: The calendar, which needs no right.
CALENDAR = Actor("calendar of scans")


def scan_start(*, site_name: str, actor: Actor, now: datetime | None = None) -> StorageScan:
    """Begin a scan of a site; workers do it. Nothing at the site is changed by it.

    Raises ``PermissionDenied`` without ``inventory.scan_site``, in general or on the site, ``NotFound`` for an unknown site,
    ``InvalidTransitionError`` where one is under way, the site has no storage, or its LFN rules cannot be read backwards.
    """
    at = now or timezone.now()
    with transaction.atomic():
        site_locked(site_name)
        demand_site_right(actor, SCAN, site_name)
        site = site_storage([site_name])[site_name]
        _demand_storage(site)
        under_way = StorageScan.objects.filter(site_name=site_name, state__in=OPEN_SCAN_STATES).first()
        if under_way is not None:
            raise InvalidTransitionError(
                f"{under_way} is {under_way.get_state_display()}: wait for it, decide on it, or cancel it"
            )
        setting = SiteScans.objects.filter(pk=site.key).first()
        scan = StorageScan.objects.create(
            site_name=site_name,
            started_at=at,
            started_by_id=actor.user.pk if actor.user is not None else None,
            started_by_name=actor.name[:150],
            place_digest=place_digest(site),
            last_replica_key=last_block_replica_key(),
            judges_missing=site.storage_type != StorageType.MSS or (setting is not None and setting.lists_tape),
            progress_at=at,
        )
        ScanFolder.objects.create(scan=scan, path="")
        audit_record(actor=actor, action="operations.scan_start", subject=f"site {site_name}", details={"scan": scan.pk})
    return scan


def _demand_storage(site: SiteStorage) -> None:
    if not site.endpoint_url:
        raise InvalidTransitionError(f"{site.name} has no endpoint: there is nothing to list")
    if site.status not in (SiteStatus.READY, SiteStatus.WAITROOM):
        raise InvalidTransitionError(f"{site.name} is {SiteStatus(site.status).label}: scan it when it is ready again")
    if problem := path_names(site).problem:
        raise InvalidTransitionError(f"{site.name} cannot be scanned: {problem}; write the rule so")


def scan_cancel(*, scan_id: int, actor: Actor, reason: str, now: datetime | None = None) -> StorageScan:
    """Stop a scan that is listing or comparing; what it found is forgotten.

    Raises ``PermissionDenied`` without ``inventory.scan_site``, ``InvalidTransitionError`` where it is over, or without a reason.
    """
    with transaction.atomic():
        scan = scan_for_decision(scan_id, actor, SCAN, reason)
        scan_decide(scan, ScanState.CANCELLED, actor=actor, reason=reason, now=now)
        ScanSeen.objects.filter(scan=scan).delete()
        ScanFolder.objects.filter(scan=scan).delete()
        audit_record(
            actor=actor,
            action="operations.scan_cancel",
            subject=f"site {scan.site_name}",
            reason=reason,
            details={"scan": scan_id},
        )
    return scan


def scan_accept(*, scan_id: int, actor: Actor, reason: str, now: datetime | None = None) -> StorageScan:
    """Let a scan that a limit holds count: what it found is as it is.

    Raises ``PermissionDenied`` without ``inventory.decide_scan``, ``InvalidTransitionError`` unless it is held, or without a
    reason.
    """
    return _decide_held(scan_id, ScanState.DONE, actor=actor, reason=reason, now=now)


def scan_discard(*, scan_id: int, actor: Actor, reason: str, now: datetime | None = None) -> StorageScan:
    """Let a scan that a limit holds count for nothing.

    Raises ``PermissionDenied`` without ``inventory.decide_scan``, ``InvalidTransitionError`` unless it is held, or without a
    reason.
    """
    return _decide_held(scan_id, ScanState.DISCARDED, actor=actor, reason=reason, now=now)


def _decide_held(scan_id: int, state: ScanState, *, actor: Actor, reason: str, now: datetime | None) -> StorageScan:
    action = "operations.scan_accept" if state == ScanState.DONE else "operations.scan_discard"
    with transaction.atomic():
        scan = scan_for_decision(scan_id, actor, DECIDE, reason)
        if scan.state != ScanState.HELD:
            raise InvalidTransitionError(f"{scan} is {scan.get_state_display()}: no limit holds it")
        scan_decide(scan, state, actor=actor, reason=reason, now=now)
        details = {"scan": scan_id, "tripped": scan.tripped}
        audit_record(actor=actor, action=action, subject=f"site {scan.site_name}", reason=reason, details=details)
    return scan


def scan_for_decision(scan_id: int, actor: Actor, right: str, reason: str) -> StorageScan:
    """Return a scan, locked, for somebody who has the right at its site and says why. Raises as its callers say."""
    scan = StorageScan.objects.select_for_update(no_key=True, of=("self",)).filter(pk=scan_id).first()
    if scan is None:
        raise NotFoundError(f"there is no scan {scan_id}: see the command scan for those there are")
    demand_site_right(actor, right, scan.site_name)
    demand_reason(reason, "it is kept with the scan and in the audit trail")
    return scan


def scan_decide(scan: StorageScan, state: ScanState, *, actor: Actor, reason: str, now: datetime | None) -> None:
    """Change the state of a locked scan because somebody says so, and keep who and why. Raises ``InvalidTransitionError``."""
    at = now or timezone.now()
    scan.decided_at, scan.decided_by_name, scan.decided_reason = at, actor.name[:150], reason[:512]
    scan_move(scan, state, now=at)


def site_scans_set(
    *, site_name: str, actor: Actor, every_days: int | None, lists_tape: bool = False, has_no_links: bool = False
) -> SiteScans:
    """Say how often a site is scanned (None: never by itself), and what its lists can be trusted to show.

    Raises ``PermissionDenied`` without ``operations.change_sitescans``, ``NotFound`` for an unknown site,
    ``InvalidTransitionError`` for less than a day.
    """
    if every_days is not None and every_days < 1:
        raise InvalidTransitionError("a scan every day at most; leave it empty for none")
    with transaction.atomic():
        site = site_locked(site_name)
        demand_right(actor, "operations.change_sitescans", "set when sites are scanned")
        setting = SiteScans.objects.filter(pk=site.pk).first() or SiteScans(site=site)
        before = {name: getattr(setting, name) for name in _SETTINGS}
        setting.every_days, setting.lists_tape, setting.has_no_links = every_days, lists_tape, has_no_links
        setting.save()
        details = {"before": before, "after": {name: getattr(setting, name) for name in _SETTINGS}}
        audit_record(actor=actor, action="operations.site_scans_set", subject=f"site {site_name}", details=details)
    return setting


_SETTINGS = ("every_days", "lists_tape", "has_no_links")


def scans_due_start(*, now: datetime) -> list[StorageScan]:
    """Begin the scans that the calendar asks for: at ready sites, so long after the last one began, whatever became of that."""
    begun = []
    due = SiteScans.objects.filter(every_days__isnull=False, site__status=SiteStatus.READY).select_related("site")
    for setting in due.order_by("pk"):
        last = StorageScan.objects.filter(site_name=setting.site.name).order_by("-pk").first()
        is_due = last is None or (
            last.state not in OPEN_SCAN_STATES and last.started_at + timedelta(days=setting.every_days or 0) <= now
        )
        site = site_storage([setting.site.name])[setting.site.name]
        if is_due and site.endpoint_url and not path_names(site).problem:
            try:
                begun.append(scan_start(site_name=site.name, actor=CALENDAR, now=now))
            except InvalidTransitionError:
                continue  # somebody began one at the same moment
    return begun
