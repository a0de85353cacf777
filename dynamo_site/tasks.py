"""What beat wakes for the site itself."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from dynamo_site.services.answers import answers_purge


@shared_task(name="dynamo_site.tasks.purge_answers")
def purge_answers() -> int:
    """Forget answers of the API that nobody can ask for again; return how many."""
    return answers_purge(now=timezone.now())
