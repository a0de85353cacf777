"""The loop of a worker on scans: take one, list or compare step by step, until it is over or the worker's time is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from time import sleep as really_sleep
from typing import Any

from inventory.selectors.clock import DatabaseClock
from inventory.services.audit import Actor
from operations.choices import ScanState
from operations.exceptions import ScanStoppedError
from operations.models import StorageScan
from operations.services.known_paths import path_names
from operations.services.scan_compare import compare_next
from operations.services.scan_lease import ScanLease, ScanPulse, scan_release, scan_take
from operations.services.scan_limits import ScanLimits, scan_limits_from_settings
from operations.services.scan_listing import Listing, list_next_folder
from operations.services.scan_missing import missing_apply_next, missing_confirm
from operations.services.watch import Clock
from operations.services.worker import GatewayFactory, real_gateway
from operations.storage import Gateway

logger = logging.getLogger(__name__)

#: So many folders in a row that fail, and the storage is left alone for now.
PATIENCE = 5


#: Who confirms what is missing where the installation wants no person asked.
SETTING = Actor("setting")


@dataclass(frozen=True, slots=True)
class ScanSummary:
    """``num_steps``: of listing and comparing; ``stopped``: why a scan did not go on; ``is_time_over``: there may be more."""

    num_steps: int = 0
    stopped: str = ""
    is_time_over: bool = False


def scan_work(
    *,
    worker: str,
    only: int | None = None,
    budget: timedelta | None = None,
    clock: Clock | None = None,
    gateway: GatewayFactory = real_gateway,
    limits: ScanLimits | None = None,
    sleep: Callable[[float], Any] = really_sleep,
    on_step: Callable[[], Any] = lambda: None,
) -> ScanSummary:
    """Scan until nothing is left to do now, or *budget* is used up; a folder that was begun is listed to its end.

    Whatever instant it is killed at, the scan goes on where the last step was written down, once its lease has run out.
    """
    clock = clock or DatabaseClock()
    limits = limits or scan_limits_from_settings()
    until = clock() + budget if budget is not None else None
    num_steps, stopped = 0, ""
    while until is None or clock() < until:
        lease = scan_take(worker=worker, now=clock(), limits=limits, only=only)
        if lease is None:
            return ScanSummary(num_steps, stopped)
        steps = _Steps(lease, gateway(lease.site), clock, sleep)
        try:
            while until is None or clock() < until:
                num_steps += 1
                if not steps.next():
                    break
                on_step()
        except ScanStoppedError as error:
            logger.warning("scan %s of %s stopped: %s", lease.scan_id, lease.site.name, error, extra={"site": lease.site.name})
            return ScanSummary(num_steps, str(error))
        finally:
            scan_release(lease)
    return ScanSummary(num_steps, stopped, is_time_over=True)


class _Steps:
    """One scan under a lease, step by step."""

    def __init__(self, lease: ScanLease, gateway: Gateway, clock: Clock, sleep: Callable[[float], Any]) -> None:
        self._lease = lease
        self._gateway = gateway
        self._clock = clock
        self._pulse = ScanPulse(lease, clock, sleep)
        self._names = path_names(lease.site)
        self._failures = 0

    def next(self) -> bool:
        """Take one step; tell whether there may be another. Raises ``ScanStoppedError``."""
        scan = StorageScan.objects.get(pk=self._lease.scan_id)
        if scan.state == ScanState.LISTING:
            self._list()
            return True
        if scan.state == ScanState.COMPARING:
            if compare_next(self._lease, gateway=self._gateway, names=self._names, clock=self._clock, pulse=self._pulse):
                return True
            return self._after()
        if scan.state == ScanState.APPLYING:
            return missing_apply_next(self._lease, gateway=self._gateway, clock=self._clock, pulse=self._pulse)
        return False

    def _list(self) -> None:
        came = list_next_folder(self._lease, gateway=self._gateway, names=self._names, clock=self._clock, pulse=self._pulse)
        self._failures = self._failures + 1 if came == Listing.FAILED else 0
        if self._failures >= PATIENCE:
            raise ScanStoppedError(
                f"{self._failures} folders in a row could not be listed: the storage of {self._lease.site.name} is left alone "
                "for now, and the scan goes on later"
            )

    def _after(self) -> bool:
        """Confirm what is missing where the installation wants no person asked for it and no limit holds the scan."""
        scan = StorageScan.objects.get(pk=self._lease.scan_id)
        if self._lease.limits.applies_missing and scan.state == ScanState.DONE and scan.files_missing:
            missing_confirm(scan_id=scan.pk, actor=SETTING, reason="DYNAMO_SCAN_APPLIES_MISSING is set", now=self._clock())
        return False
