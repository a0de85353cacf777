"""How much of campaigns' lists may go at a site today, and which items their campaigns do not want to go any more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q, Sum

from campaigns.selectors.execution import ListedItem, Standing, items_dropped_out
from operations.choices import DeletionState
from operations.models import Attempt, Deletion


def portions_left(standing: Iterable[Standing], site_name: str, *, now: datetime) -> dict[int, int]:
    """Return, by plan, how many bytes may still be begun at the site on this day (UTC); plans without a limit are absent.

    What is being deleted counts like what was, and of what failed the bytes that went all the same; the item that reaches the
    limit is the last, and may go beyond it.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    left: dict[int, int] = {}
    for one in standing:
        if one.site_bytes_per_day is None:
            continue
        today = Q(state=DeletionState.ACTING) | Q(state=DeletionState.DONE, finished_at__gte=midnight)
        rows = Deletion.objects.filter(plan_id=one.plan_id, site_name=site_name)
        begun = rows.filter(today).aggregate(size=Sum("size_bytes"))["size"] or 0
        # By the index of the attempts that failed, which are few: the queue may be long.
        failed = Attempt.objects.filter(recorded_at__gte=midnight, files_failed__gt=0, files_deleted__gt=0).values("deletion_id")
        in_parts = rows.exclude(today).filter(pk__in=failed).aggregate(size=Sum("bytes_deleted"))["size"] or 0
        left[one.plan_id] = one.site_bytes_per_day - begun - in_parts
    return left


def dropped_out_of_campaigns(rows: Iterable[Deletion]) -> dict[int, str]:
    """Return the deletions that their campaign does not want any more, and why."""
    rows = list(rows)
    if not rows:
        return {}
    items = [ListedItem(row.plan_id, row.plan_item_id, row.dataset_name) for row in rows]
    reasons = items_dropped_out(items)
    return {row.pk: reasons[row.plan_item_id] for row in rows if row.plan_item_id in reasons}
