"""Whether anybody does the work: what waits for a worker or the scheduler while neither shows itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django_celery_beat.models import PeriodicTask

from inventory.selectors.wording import plural, when_text
from operations.models import Heartbeat
from operations.selectors.progress import SiteProgress
from operations.selectors.queued_plans import plans_outside_queue

#: The sweeper is asked for twice a minute; one task of a worker may take minutes.
LATE_AFTER = timedelta(minutes=5)
#: The periodic task that brings the heartbeat, as its row is called.
_SWEEP = "sweep"
#: Where to look on, for those who are told.
_RUNBOOK = 'docs/runbook.md, "The queue does not move"'


@dataclass(frozen=True, slots=True)
class Pulse:
    """When periodic work was last done (None: never), and how many released plans are not in the queue yet."""

    at: datetime | None
    num_plans_outside: int

    def is_late(self, now: datetime) -> bool:
        """Tell whether no worker has done periodic work for too long, or ever."""
        return self.at is None or now - self.at > LATE_AFTER


def pulse() -> Pulse:
    """Return the last sign of life, and what waits outside of the queue."""
    at = Heartbeat.objects.filter(pk=1).values_list("at", flat=True).first()
    return Pulse(at, len(plans_outside_queue()))


def silence(under_way: Sequence[SiteProgress], *, now: datetime) -> str:
    """Return who does not show itself and what waits for it; empty while work is done, and of a new installation without any.

    *under_way*: what `deletions_under_way` says.
    """
    found = pulse()
    if not found.is_late(now):
        return ""
    num_queued = sum(site.num_queued + site.num_acting for site in under_way)
    waiting = [
        *([f"{plural(num_queued, 'block replica')} in the queue"] if num_queued else []),
        *([f"{plural(found.num_plans_outside, 'released plan')} not in the queue yet"] if found.num_plans_outside else []),
    ]
    if found.at is None and not waiting:
        return ""
    asked_at = PeriodicTask.objects.filter(name=_SWEEP).values_list("last_run_at", flat=True).first()
    is_asked = asked_at is not None and now - asked_at <= LATE_AFTER
    who = "No worker answers" if is_asked else "No scheduler (beat) or no worker runs"
    since = "the periodic work was never done" if found.at is None else f"the periodic work was last done {when_text(found.at)}"
    waits = f"; {' and '.join(waiting)} wait" if waiting else ""
    return f"{who}: {since}, so nothing is evaluated, deleted or brought back by itself{waits}. What to do: {_RUNBOOK}"
