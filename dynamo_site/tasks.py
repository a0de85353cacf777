"""What beat wakes for the site itself."""

from __future__ import annotations

from celery import shared_task

from dynamo_site.services.answers import answers_purge
from dynamo_site.services.retention import old_forget
from inventory.selectors.clock import database_now
from inventory.services.statistics import statistics_refresh


@shared_task(name="dynamo_site.tasks.purge_answers")
def purge_answers() -> int:
    """Forget answers of the API that nobody can ask for again; return how many."""
    return answers_purge(now=database_now())


@shared_task(name="dynamo_site.tasks.forget_old")
def forget_old() -> dict[str, int]:
    """Remove what is older than the settings say; return how much of what."""
    return old_forget(now=database_now())


@shared_task(name="dynamo_site.tasks.count_statistics")
def count_statistics() -> bool:
    """Sum up the inventory anew, unless that was done within the last minute."""
    return statistics_refresh(older_than_seconds=60)
