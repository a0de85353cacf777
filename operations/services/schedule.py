"""The periodic tasks, as rows that the beat reads and people may change."""

from __future__ import annotations

from dataclasses import dataclass

from django.db import connections
from django_celery_beat.models import IntervalSchedule, PeriodicTask


@dataclass(frozen=True, slots=True)
class PeriodicWork:
    """A task that beat starts every so many seconds; a message that waits longer than that is thrown away."""

    name: str
    task: str
    every_seconds: int
    description: str


PERIODIC_WORK = (
    PeriodicWork("evaluate due policies", "policies.tasks.evaluate_due_policies", 60, "Starts cycles of policies that are due."),
    PeriodicWork("sweep", "operations.tasks.sweep", 30, "Takes back leases of dead workers, queues plans, closes plans."),
    PeriodicWork("purge answers", "dynamo_site.tasks.purge_answers", 3600, "Forgets answers kept for repeated API requests."),
    PeriodicWork("forget what is old", "dynamo_site.tasks.forget_old", 86400, "Removes what the retention settings say."),
    PeriodicWork("campaigns", "campaigns.tasks.tick", 60, "Reminds, starts, expires and ends campaigns; sends their mails."),
    PeriodicWork("count statistics", "dynamo_site.tasks.count_statistics", 900, "Sums up the inventory for statistics."),
    PeriodicWork("storage readings", "policies.tasks.record_readings", 21600, "How full partitions are; one a day is kept."),
    PeriodicWork("work", "operations.tasks.work", 15, "Safety net: deletions go on even if a wake-up was lost."),
    PeriodicWork("restore", "operations.tasks.restore", 30, "Brings back what was asked for, even if a wake-up was lost."),
    PeriodicWork("scan", "operations.tasks.scan", 60, "Goes on with scans of storages, and begins those that are due."),
    PeriodicWork("purge trash", "operations.tasks.purge", 600, "Deletes for good what has been kept in the trash long enough."),
)

#: A message lives at least so many seconds: the worker may be starting.
SHORTEST_EXPIRY = 15


def schedule_ensure(*, using: str = "default") -> int:
    """Make the periodic tasks that do not exist; those that do stay as people have set them. Return how many were made.

    To stop one, disable it: a row that is removed comes back with the next ``migrate``.
    """
    if PeriodicTask._meta.db_table not in connections[using].introspection.table_names():
        return 0  # migrate was told to stop before that app: the next run makes them
    made = 0
    for entry in PERIODIC_WORK:
        if PeriodicTask.objects.using(using).filter(name=entry.name).exists():
            continue
        PeriodicTask.objects.using(using).create(
            name=entry.name,
            task=entry.task,
            interval=_interval(entry.every_seconds, using),
            expire_seconds=entry.every_seconds,
            description=entry.description,
        )
        made += 1
    return made


def schedule_hurry(*, every_seconds: int) -> int:
    """Have the tasks of ``PERIODIC_WORK`` run at least every so many seconds, for one who watches. Return how many change."""
    changed = 0
    interval = _interval(every_seconds, "default")
    for task in PeriodicTask.objects.filter(name__in=[entry.name for entry in PERIODIC_WORK]).select_related("interval"):
        if task.interval is not None and task.interval.schedule.run_every.total_seconds() > every_seconds:
            task.interval = interval
            task.expire_seconds = max(every_seconds, SHORTEST_EXPIRY)
            task.save()  # not update(): beat is told of the change by the signal
            changed += 1
    return changed


def _interval(seconds: int, using: str) -> IntervalSchedule:
    """Return an interval of so many seconds; nothing keeps people from having made several, any of them will do."""
    intervals = IntervalSchedule.objects.using(using)
    wanted = {"every": seconds, "period": IntervalSchedule.SECONDS}
    return intervals.filter(**wanted).order_by("pk").first() or intervals.create(**wanted)
