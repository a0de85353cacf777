"""Celery's side of the pipeline: each task fetches its settings and calls a service. A lost message loses nothing."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from celery import shared_task

from inventory.selectors.clock import database_now
from operations.services.activity import activity_sum_up
from operations.services.heartbeat import heartbeat
from operations.services.limits import limits_from_settings
from operations.services.queue import plan_enqueue
from operations.services.scan_worker import scan_work
from operations.services.scans import scans_due_start
from operations.services.sweep import sweep as sweep_all
from operations.services.trash_worker import purge_work, restore_work
from operations.services.worker import work as work_on
from operations.services.worker import worker_name

#: How long one task works before it makes room for others on the same worker.
WORK_BUDGET = timedelta(seconds=20)


@shared_task(name="operations.tasks.enqueue")
def enqueue(plan_id: int) -> None:
    """Put a released plan into the queue and wake a worker."""
    plan_enqueue(plan_id, now=database_now())
    work.delay()


@shared_task(name="operations.tasks.work")
def work() -> None:
    """Delete what waits, for a while; if the time was too short, ask for another turn."""
    if work_on(worker=worker_name(), budget=WORK_BUDGET).is_time_over:
        work.delay()


@shared_task(name="operations.tasks.restore")
def restore() -> None:
    """Bring back what people asked for, for a while; if the time was too short, ask for another turn."""
    if restore_work(worker=worker_name(), budget=WORK_BUDGET).is_time_over:
        restore.delay()


@shared_task(name="operations.tasks.purge")
def purge() -> None:
    """Purge what has been kept long enough, for a while; if the time was too short, ask for another turn."""
    if purge_work(worker=worker_name(), budget=WORK_BUDGET).is_time_over:
        purge.delay()


@shared_task(name="operations.tasks.scan")
def scan() -> None:
    """Begin the scans that are due, go on with those under way for a while, and if that was too short, ask for another turn."""
    scans_due_start(now=database_now())
    if scan_work(worker=worker_name(), budget=WORK_BUDGET).is_time_over:
        scan.delay()


@shared_task(name="operations.tasks.sweep")
def sweep() -> None:
    """Set right what crashes and lost messages left behind, and wake a worker if that made work."""
    heartbeat(now=database_now())
    rng = Random()  # noqa: S311 - spreads retries, keeps no secret
    swept = sweep_all(now=database_now(), limits=limits_from_settings(), rng=rng)
    if swept.num_leases or swept.plans_enqueued:
        work.delay()
    activity_sum_up(now=database_now())
