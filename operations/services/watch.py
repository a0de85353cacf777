"""Whether a worker may go on, asked before each request to a storage."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from inventory.selectors.sites import SiteStorage, site_storage
from operations.constants import CALL_SECONDS
from operations.selectors.pausing import pause_state
from operations.services.limits import QueueLimits

Clock = Callable[[], datetime]

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def place_of(site: SiteStorage) -> tuple[object, ...]:
    """Return where the files of a site are and whether they may go: a claim holds for this alone."""
    return site.status, site.endpoint_url, site.lfn_rules


class Watch:
    """Tells whether to go on, and keeps the lease alive while it looks.

    ``extend`` sets a new end of the lease and tells whether it is still held. ``heeds_pauses``: false for what brings files
    back, which a person asks for while deletions are paused. ``objection``: what else speaks against going on, empty if nothing
    does. ``glance`` returns something other than before whenever an answer to one of these questions could be another, None where
    they are to be asked; while it returns the same, only it and the time are looked at.
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
        glance: Callable[[], object | None] = lambda: None,
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
        self._glance = glance
        self._seen: object | None = None
        self._lease_until = lease_until
        #: Until then ``should_stop`` lets go on without a look.
        self.looks_again_at = _LONG_AGO

    def stop(self, reason: str) -> None:
        """Let nothing more be asked of the storage, for a reason that the caller found."""
        self.reason = self.reason or reason

    def should_stop(self, now: datetime | None = None) -> bool:
        """Tell whether no further request may go to the storage; looks afresh once per ``watch_interval``."""
        if self.reason:
            return True
        now = now or self._clock()
        return now >= self.looks_again_at and self.should_stop_now()

    def should_stop_now(self) -> bool:
        """Look afresh: lease, pause of all, pause of the site, and what else may speak against going on."""
        if self.reason:
            return True
        now = self._clock()
        self.looks_again_at = now + self._limits.watch_interval
        if now >= self._lease_until:
            self.reason = "the lease ran out"
        elif against := self._against(now):
            self.reason = against
        elif self._lease_until - now < self._lease / 2:
            self._keep_alive(now)
        return bool(self.reason)

    def _against(self, now: datetime) -> str:
        """Return what speaks against going on, empty if nothing does."""
        # Before the questions: what changes while they are asked is seen by the next glance.
        seen = self._glance()
        if seen is not None and seen == self._seen:
            return ""
        if self._heeds_pauses and pause_state().is_paused:
            return "all deletions are paused"
        site = site_storage([self.site_name]).get(self.site_name)
        if site is None or (self._heeds_pauses and site.is_paused):
            return f"deletions at {self.site_name} are paused"
        if place_of(site) != place_of(self._site):
            return f"status, endpoint or LFN rules of {self.site_name} were changed"
        if objection := self._objection(now):
            return objection
        self._seen = seen
        return ""

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
        # Before each of ten thousand files one comparison must do, until the watch looks again or the time of the call is over.
        self._goes_on_until = _LONG_AGO
        self.is_time_over = False

    def should_stop(self) -> bool:
        """Tell whether no further request may be made in this call; the first one always may, as far as time goes."""
        now = self._clock()
        if now < self._goes_on_until:
            return False
        if self._watch.should_stop(now):
            return True
        self.is_time_over = self._is_begun and now >= self._until
        self._is_begun = True
        self._goes_on_until = min(self._watch.looks_again_at, self._until)
        return self.is_time_over
