"""Act: delete the files of a claim from the storage. No transaction is held, and nothing is written but the heartbeat."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import Error as DatabaseError

from inventory.selectors.sites import SiteStorage, site_storage
from operations.choices import DeletionState, FileOutcome
from operations.constants import MAX_FILES_PER_CALL
from operations.models import Deletion
from operations.selectors.pausing import pause_state
from operations.services.claim import Claim
from operations.services.late_locks import LateLocks
from operations.services.limits import QueueLimits
from operations.storage import FileResult, Gateway

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class Acted:
    """What the storage said. ``results``: by deletion, the files that were tried; ``stopped`` says why others were not."""

    claim: Claim
    results: dict[int, list[FileResult]]
    stopped: str


def act(claim: Claim, *, gateway: Gateway, clock: Clock, limits: QueueLimits) -> Acted:
    """Delete the files of a claim in calls of at most ``MAX_FILES_PER_CALL``, until all are tried, a pause or the lease's end.

    An answer that does not fit the question, or an error of the back end, makes the files of that call unknown. Errors of
    the database pass through: then nothing is recorded, the lease runs out and the files are asked for again.
    """
    watch = _Watch(claim, clock, limits)
    results: dict[int, list[FileResult]] = {item.deletion_id: [] for item in claim.items}
    for call in _calls(claim):
        if watch.should_stop_now():
            break
        for (deletion_id, _), result in _delete(gateway, call, watch):
            results[deletion_id].append(result)
        if watch.reason:
            break
    return Acted(claim, results, watch.reason)


_Named = tuple[int, str]


def _calls(claim: Claim) -> Iterator[list[_Named]]:
    """Yield the files of a claim with their deletions, in lists for one call each."""
    call: list[_Named] = []
    for item in claim.items:
        for file in item.files:
            call.append((item.deletion_id, file.lfn))
            if len(call) == MAX_FILES_PER_CALL:
                yield call
                call = []
    if call:
        yield call


def _delete(gateway: Gateway, call: Sequence[_Named], watch: _Watch) -> Iterator[tuple[_Named, FileResult]]:
    lfns = [lfn for _, lfn in call]
    try:
        answers = gateway.delete(lfns, should_stop=watch.should_stop)
    except DatabaseError:
        raise
    except Exception as error:
        # Back ends raise whatever their libraries raise. Nothing is known of these files then, and a person sees it.
        logger.exception("the storage of %s failed", watch.site_name, extra={"site": watch.site_name})
        problem = f"{type(error).__name__}: {error}"
        answers = [FileResult(lfn, FileOutcome.UNKNOWN, problem[:1024]) for lfn in lfns]
    by_name = {answer.lfn: answer for answer in answers}
    is_clean = len(by_name) == len(answers) and by_name.keys() <= set(lfns)
    if not is_clean:
        logger.error("the storage of %s answered what was not asked", watch.site_name, extra={"site": watch.site_name})
    for named in call:
        answer = by_name.get(named[1])
        if not is_clean:
            yield named, FileResult(named[1], FileOutcome.UNKNOWN, "the storage's answer does not fit the question")
        elif answer is not None:
            yield named, answer
        elif not watch.reason:
            yield named, FileResult(named[1], FileOutcome.UNKNOWN, "the storage did not answer for this file")


def _place(site: SiteStorage) -> tuple[object, ...]:
    """Return where the files of a site are and whether they may go: a claim holds for this alone."""
    return site.status, site.endpoint_url, site.lfn_rules


class _Watch:
    """Tells whether to go on, and keeps the lease alive while it looks."""

    def __init__(self, claim: Claim, clock: Clock, limits: QueueLimits) -> None:
        self.site_name = claim.site.name
        self.reason = ""
        self._claim = claim
        self._clock = clock
        self._limits = limits
        self._lease_until = claim.lease_until
        self._late_locks = LateLocks(claim)
        self._looked_at: datetime | None = None

    def should_stop(self) -> bool:
        """Tell whether no further request may go to the storage; looks afresh once per ``watch_interval``."""
        if self.reason:
            return True
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < self._limits.watch_interval:
            return False
        return self.should_stop_now()

    def should_stop_now(self) -> bool:
        """Look afresh: lease, pause of all, pause of the site, locks that came."""
        now = self._clock()
        self._looked_at = now
        if now >= self._lease_until:
            self.reason = "the lease ran out"
        elif pause_state().is_paused:
            self.reason = "all deletions are paused"
        else:
            site = site_storage([self.site_name]).get(self.site_name)
            if site is None or site.is_paused:
                self.reason = f"deletions at {self.site_name} are paused"
            elif _place(site) != _place(self._claim.site):
                self.reason = f"status, endpoint or LFN rules of {self.site_name} were changed"
            elif late := self._late_locks.reason(now):
                self.reason = late
            elif self._lease_until - now < self._limits.lease / 2:
                self._extend(now)
        return bool(self.reason)

    def _extend(self, now: datetime) -> None:
        until = now + self._limits.lease
        held = Deletion.objects.filter(lease_token=self._claim.token, state=DeletionState.ACTING).update(lease_until=until)
        if held == len(self._claim.items):
            self._lease_until = until
        else:
            self.reason = "the lease was lost"
