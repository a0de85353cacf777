"""How fast and how stubbornly deletions are carried out; an installation chooses by the settings ``DYNAMO_DELETION_...``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random

from django.conf import settings


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Limits of the pipeline.

    - ``lease``: how long a worker may be silent before its work is given to another;
    - ``batch_items``, ``batch_files``: block replicas and files that one claim takes at most (at least one block replica);
    - ``batches_per_site``: claims that may act at a site at the same time;
    - ``first_back_off``, ``longest_back_off``: waiting time after the first failure, doubled with each further one;
    - ``attempts_before_failed``: refused or unknown so often, a deletion waits for a person;
    - ``watch_interval``: how often, while acting, pause and lease are looked at.
    """

    lease: timedelta = timedelta(seconds=120)
    batch_items: int = 100
    batch_files: int = 1000
    batches_per_site: int = 4
    first_back_off: timedelta = timedelta(seconds=15)
    longest_back_off: timedelta = timedelta(hours=1)
    attempts_before_failed: int = 3
    watch_interval: timedelta = timedelta(seconds=1)

    def back_off(self, failures: int, rng: Random) -> timedelta:
        """Return how long to wait after so many failures in a row (>= 1): doubled each time, capped, of which at least a half."""
        doubled = self.first_back_off * (1 << min(failures - 1, 30))
        return min(doubled, self.longest_back_off) * rng.uniform(0.5, 1.0)


def limits_from_settings() -> QueueLimits:
    """Return the limits that the installation has set."""
    return QueueLimits(
        lease=timedelta(seconds=settings.DYNAMO_DELETION_LEASE_SECONDS),
        batches_per_site=settings.DYNAMO_DELETION_BATCHES_PER_SITE,
        first_back_off=timedelta(seconds=settings.DYNAMO_DELETION_BACK_OFF_SECONDS),
        longest_back_off=timedelta(seconds=settings.DYNAMO_DELETION_LONGEST_BACK_OFF_SECONDS),
        attempts_before_failed=settings.DYNAMO_DELETION_ATTEMPTS,
    )
