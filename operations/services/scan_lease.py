"""Who holds a scan: one worker at a time, for as long as it says that it is alive; what it writes, it writes under its lease."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from time import sleep as really_sleep
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Q

from inventory.selectors.sites import SiteStorage, site_storage
from inventory.services.audit import Actor, audit_record
from operations.choices import SCAN_STATES_AT_WORK, SCAN_TRANSITIONS, ScanState
from operations.exceptions import InvalidTransitionError, ScanStoppedError
from operations.models import StorageScan
from operations.selectors.pausing import pause_state
from operations.services.scan_limits import ScanLimits
from operations.services.scan_place import why_another_place
from operations.services.watch import Clock


@dataclass(frozen=True, slots=True)
class ScanLease:
    """A scan under the lease of one worker, with the storage as it was when it was taken."""

    scan_id: int
    token: UUID
    site: SiteStorage
    limits: ScanLimits


def scan_take(*, worker: str, now: datetime, limits: ScanLimits, only: int | None = None) -> ScanLease | None:
    """Take the next scan of which no living worker holds the lease, None if there is none, or all deletions are paused.

    A scan whose storage has moved since it began fails: what it has seen is of another place.
    """
    if pause_state().is_paused:
        return None
    free = Q(lease_until__isnull=True) | Q(lease_until__lt=now)
    waiting = StorageScan.objects.filter(free, state__in=SCAN_STATES_AT_WORK)
    if only is not None:
        waiting = waiting.filter(pk=only)
    while True:
        with transaction.atomic():
            locked = waiting.select_for_update(skip_locked=True, no_key=True, of=("self",))
            scan = locked.order_by("progress_at", "pk").first()
            if scan is None:
                return None
            site = site_storage([scan.site_name]).get(scan.site_name)
            if site is None or (moved := why_another_place(scan, site)):
                _moved(scan, moved if site is not None else f"there is no site {scan.site_name} any more", now)
                continue
            scan.lease_token, scan.lease_until, scan.worker = uuid4(), now + limits.lease, worker[:128]
            scan.progress_at = now
            scan.save(update_fields=["lease_token", "lease_until", "worker", "progress_at"])
            return ScanLease(scan.pk, scan.lease_token, site, limits)


def _moved(scan: StorageScan, reason: str, now: datetime) -> None:
    """End a scan whose storage is not where it was; one that was taking missing files out is done with what it could."""
    scan_move(scan, ScanState.DONE if scan.state == ScanState.APPLYING else ScanState.FAILED, now=now, failure=reason)
    audit_record(actor=Actor("scan"), action="operations.scan_failed", subject=str(scan), reason=reason)


def scan_release(lease: ScanLease) -> None:
    """Give the lease back, so that any worker may go on at once; the state of the scan stays."""
    StorageScan.objects.filter(pk=lease.scan_id, lease_token=lease.token).update(lease_token=None, lease_until=None)


def scan_locked(lease: ScanLease) -> StorageScan:
    """Return the scan, locked until the end of the transaction.

    Raises ``ScanStoppedError`` where another worker has it, or it is over.
    """
    row = StorageScan.objects.select_for_update(no_key=True, of=("self",)).filter(pk=lease.scan_id, lease_token=lease.token)
    scan = row.first()
    if scan is None:
        raise ScanStoppedError("the lease of the scan was lost: another worker has it, or somebody cancelled it")
    return scan


def scan_move(scan: StorageScan, state: ScanState, *, now: datetime, failure: str = "") -> None:
    """Change the state of a locked scan and give its lease back; writes these fields. Raises ``InvalidTransitionError``."""
    if state not in SCAN_TRANSITIONS[scan.state]:
        raise InvalidTransitionError(f"{scan} is {scan.get_state_display()}: it cannot become {state.label}")
    scan.state, scan.failure, scan.lease_token, scan.lease_until = state, failure[:1024] or scan.failure, None, None
    scan.progress_at = now
    if state not in SCAN_STATES_AT_WORK and scan.finished_at is None:
        scan.finished_at = now
    scan.save()


class ScanPulse:
    """Keeps the lease of a scan alive, its pace within the limit, and tells whether to stop."""

    def __init__(self, lease: ScanLease, clock: Clock, sleep: Callable[[float], Any] = really_sleep) -> None:
        self._lease = lease
        self._clock = clock
        self._sleep = sleep
        self._looked_at = clock()
        self._num_files = 0
        self._begun_at = self._looked_at

    def after(self, num_files: int) -> None:
        """Count what the storage was asked for, wait as long as the limit asks, and look whether to go on.

        Raises ``ScanStoppedError`` at a pause of all, or where the lease is lost.
        """
        self._num_files += num_files
        rate = self._lease.limits.files_per_second
        now = self._clock()
        if rate:
            ahead = self._num_files / rate - (now - self._begun_at).total_seconds()
            if ahead > 0:
                self._sleep(min(ahead, self._lease.limits.lease.total_seconds() / 4))
                now = self._clock()
        if (now - self._looked_at) >= self._lease.limits.lease / 60:
            self._looked_at = now
            self.demand(now)

    def demand(self, now: datetime) -> None:
        """Extend the lease. Raises ``ScanStoppedError`` at a pause of all, or where the lease is lost."""
        if pause_state().is_paused:
            raise ScanStoppedError("all deletions are paused, scans with them: the scan goes on when they do")
        until = now + self._lease.limits.lease
        held = StorageScan.objects.filter(pk=self._lease.scan_id, lease_token=self._lease.token).update(lease_until=until)
        if not held:
            raise ScanStoppedError("the lease of the scan was lost: another worker has it, or somebody cancelled it")

    def should_stop(self) -> bool:
        """Say no: a scan stops between its requests, by an error."""
        return False
