"""What beat wakes for the site itself."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from dynamo_site.services.answers import answers_purge
from inventory.services.statistics import statistics_refresh


@shared_task(name="dynamo_site.tasks.purge_answers")
def purge_answers() -> int:
    """Forget answers of the API that nobody can ask for again; return how many."""
    return answers_purge(now=timezone.now())


@shared_task(name="dynamo_site.tasks.count_statistics")
def count_statistics() -> bool:
    """Sum up the inventory anew, unless that was done within the last minute."""
    return statistics_refresh(older_than_seconds=60)
