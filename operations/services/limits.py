"""How fast and how stubbornly deletions are carried out; an installation chooses by the settings ``DYNAMO_DELETION_...``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from operations.constants import LONGEST_TRASH_DAYS, SHORTEST_LEASE_SECONDS, SHORTEST_TAPE_TRASH_DAYS


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Limits of the pipeline.

    - ``lease``: how long a worker may be silent before its work is given to another; see ``lease_at``;
    - ``batch_items``, ``batch_files``: block replicas and files that one claim takes at most (at least one block replica), and
      at a local folder where all goes well ``local_batch_factor`` times as many: it deletes 10,000 files in the time that claim
      and record take;
    - ``batches_per_site``: claims that may act at a site at the same time;
    - ``first_back_off``, ``longest_back_off``: waiting time after the first failure, doubled with each further one;
    - ``attempts_before_failed``: refused or unknown so often, a deletion waits for a person;
    - ``trash_days``, ``tape_trash_days``: how long what was deleted can be brought back; without the first nothing is put aside;
    - ``purge_at_fraction``: part of a site's quotas from which on the oldest trash goes early; None: never;
    - ``watch_interval``: how often, while acting, pause and lease are looked at.
    """

    lease: timedelta = timedelta(seconds=120)
    batch_items: int = 100
    batch_files: int = 10_000
    local_batch_factor: int = 4
    batches_per_site: int = 4
    first_back_off: timedelta = timedelta(seconds=15)
    longest_back_off: timedelta = timedelta(hours=1)
    attempts_before_failed: int = 3
    trash_days: float | None = 7
    tape_trash_days: float = 30
    purge_at_fraction: float | None = None
    watch_interval: timedelta = timedelta(seconds=1)

    def lease_at(self, endpoint_url: str) -> timedelta:
        """Return how long a lease at a storage lasts: behind a server never shorter than its worker may wait for an answer."""
        if _is_local(endpoint_url):
            return self.lease
        return max(self.lease, timedelta(seconds=SHORTEST_LEASE_SECONDS))

    def batch_at(self, endpoint_url: str, *, goes_well: bool) -> tuple[int, int]:
        """Return how many block replicas and how many files one claim at a storage takes at most."""
        factor = self.local_batch_factor if goes_well and _is_local(endpoint_url) else 1
        return self.batch_items * factor, self.batch_files * factor

    def back_off(self, failures: int, rng: Random) -> timedelta:
        """Return how long to wait after so many failures in a row (>= 1): doubled each time, capped, of which at least a half."""
        doubled = self.first_back_off * (1 << min(failures - 1, 30))
        return min(doubled, self.longest_back_off) * rng.uniform(0.5, 1.0)


def _is_local(endpoint_url: str) -> bool:
    return endpoint_url.startswith("file:")


def limits_from_settings() -> QueueLimits:
    """Return the limits that the installation has set. Raises ``ImproperlyConfigured`` for a time that is not allowed."""
    days, tape_days = settings.DYNAMO_TRASH_DAYS, settings.DYNAMO_TRASH_TAPE_DAYS
    fraction = settings.DYNAMO_TRASH_PURGE_AT_FRACTION
    if days and not 1 <= days <= LONGEST_TRASH_DAYS:
        raise ImproperlyConfigured(f"DYNAMO_TRASH_DAYS is {days}; expected 1 to {LONGEST_TRASH_DAYS}, or 0 for no trash")
    if not SHORTEST_TAPE_TRASH_DAYS <= tape_days <= LONGEST_TRASH_DAYS:
        expected = f"{SHORTEST_TAPE_TRASH_DAYS} to {LONGEST_TRASH_DAYS}"
        raise ImproperlyConfigured(f"DYNAMO_TRASH_TAPE_DAYS is {tape_days}; expected {expected}")
    if not 0 <= fraction <= 1:
        raise ImproperlyConfigured(f"DYNAMO_TRASH_PURGE_AT_FRACTION is {fraction}; expected 0 (never) to 1 (all quotas full)")
    return QueueLimits(
        lease=timedelta(seconds=settings.DYNAMO_DELETION_LEASE_SECONDS),
        batches_per_site=settings.DYNAMO_DELETION_BATCHES_PER_SITE,
        first_back_off=timedelta(seconds=settings.DYNAMO_DELETION_BACK_OFF_SECONDS),
        longest_back_off=timedelta(seconds=settings.DYNAMO_DELETION_LONGEST_BACK_OFF_SECONDS),
        attempts_before_failed=settings.DYNAMO_DELETION_ATTEMPTS,
        trash_days=days or None,
        tape_trash_days=tape_days,
        purge_at_fraction=fraction or None,
    )
