"""Files that explain and compare, removed when they are old: what was decided stays, in the decisions file and the database."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.core.files.storage import default_storage

from policies.choices import CycleState
from policies.models import Comparison, Cycle, QuotaPreview

logger = logging.getLogger(__name__)


def files_forget(*, now: datetime) -> int:
    """Remove what cycles saw and what comparisons changed once it is older than the settings say; return how many files.

    The row forgets the name first: a row that names a file which is gone would be worse than a file that nobody names.
    """
    seen_before = now - timedelta(days=settings.DYNAMO_EVIDENCE_DAYS)
    old = Cycle.objects.exclude(state=CycleState.RUNNING).exclude(evidence_file="").filter(finished_at__lt=seen_before)
    names = []
    for pk, name in old.values_list("pk", "evidence_file"):
        Cycle.objects.filter(pk=pk).update(evidence_file="")
        names.append(name)
    compared_before = now - timedelta(days=settings.DYNAMO_COMPARISON_DAYS)
    stale = Comparison.objects.exclude(state=CycleState.RUNNING).exclude(changes_file="").filter(finished_at__lt=compared_before)
    for pk, name in stale.values_list("pk", "changes_file"):
        Comparison.objects.filter(pk=pk).update(changes_file="")
        names.append(name)
    for name in names:
        default_storage.delete(name)
    if names:
        logger.info("%s old files of cycles and comparisons are removed", len(names), extra={"num_files": len(names)})
    return len(names)


def decisions_forget(*, before: datetime) -> int:
    """Remove the decisions of cycles that were over before that moment; return how many files. Sums, plans and texts stay."""
    old = Cycle.objects.exclude(state=CycleState.RUNNING).exclude(decisions_file="").filter(finished_at__lt=before)
    names = []
    for pk, name in old.order_by("pk").values_list("pk", "decisions_file"):
        Cycle.objects.filter(pk=pk).update(decisions_file="")
        names.append(name)
    for name in names:
        default_storage.delete(name)
    return len(names)


def quota_previews_forget(*, before: datetime) -> int:
    """Remove the previews of quotas that were over before that moment; return how many."""
    return QuotaPreview.objects.exclude(state=CycleState.RUNNING).filter(finished_at__lt=before).delete()[0]
