"""Whether a worker may go on, asked before each request to a storage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from inventory.selectors.sites import SiteStorage, site_storage
from operations.constants import CALL_SECONDS
from operations.selectors.pausing import pause_state
from operations.services.limits import QueueLimits

Clock = Callable[[], datetime]


def place_of(site: SiteStorage) -> tuple[object, ...]:
    """Return where the files of a site are and whether they may go: a claim holds for this alone."""
    return site.status, site.endpoint_url, site.lfn_rules


class Watch:
    """Tells whether to go on, and keeps the lease alive while it looks.

    ``extend`` sets a new end of the lease and tells whether it is still held. ``heeds_pauses``: false for what brings files
    back, which a person asks for while deletions are paused.
    """

    def __init__(
        self,
        site: SiteStorage,
        lease_until: datetime,
        clock: Clock,
        limits: QueueLimits,
        extend: Callable[[datetime], bool],
        *,
        heeds_pauses: bool = True,
        objection: Callable[[datetime], str] = lambda now: "",
    ) -> None:
        self.site_name = site.name
        self.reason = ""
        self._site = site
        self._clock = clock
        self._limits = limits
        self._lease = limits.lease_at(site.endpoint_url)
        self._extend = extend
        self._heeds_pauses = heeds_pauses
        self._objection = objection
        self._lease_until = lease_until
        self._looked_at: datetime | None = None

    def should_stop(self, now: datetime | None = None) -> bool:
        """Tell whether no further request may go to the storage; looks afresh once per ``watch_interval``."""
        if self.reason:
            return True
        now = now or self._clock()
        if self._looked_at is not None and now - self._looked_at < self._limits.watch_interval:
            return False
        return self.should_stop_now()

    def should_stop_now(self) -> bool:
        """Look afresh: lease, pause of all, pause of the site, and what else may speak against going on."""
        now = self._clock()
        self._looked_at = now
        if now >= self._lease_until:
            self.reason = "the lease ran out"
        elif self._heeds_pauses and pause_state().is_paused:
            self.reason = "all deletions are paused"
        else:
            site = site_storage([self.site_name]).get(self.site_name)
            if site is None or (self._heeds_pauses and site.is_paused):
                self.reason = f"deletions at {self.site_name} are paused"
            elif place_of(site) != place_of(self._site):
                self.reason = f"status, endpoint or LFN rules of {self.site_name} were changed"
            elif objection := self._objection(now):
                self.reason = objection
            elif self._lease_until - now < self._lease / 2:
                self._keep_alive(now)
        return bool(self.reason)

    def for_one_call(self) -> OneCall:
        """Return the same for one call, which also has its time."""
        return OneCall(self, self._clock)

    def _keep_alive(self, now: datetime) -> None:
        until = now + self._lease
        if self._extend(until):
            self._lease_until = until
        else:
            self.reason = "the lease was lost"


class OneCall:
    """Tells whether a call may go on: as its worker may, and for ``CALL_SECONDS``; ``is_time_over``: it was the time."""

    def __init__(self, watch: Watch, clock: Clock) -> None:
        self._watch = watch
        self._clock = clock
        self._until = clock() + timedelta(seconds=CALL_SECONDS)
        self._is_begun = False
        self.is_time_over = False

    def should_stop(self) -> bool:
        """Tell whether no further request may be made in this call; the first one always may, as far as time goes."""
        now = self._clock()
        if self._watch.should_stop(now):
            return True
        self.is_time_over = self._is_begun and now >= self._until
        self._is_begun = True
        return self.is_time_over
