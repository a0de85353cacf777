"""What was deleted after a moment, for those who bring in documents of that time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from operations.choices import DeletionState
from operations.models import Deletion

_NAMES_PER_QUERY = 5_000


def deleted_after(datasets: Collection[str], moment: datetime) -> dict[tuple[str, str, str], datetime]:
    """Return dataset, block and site of the block replicas of *datasets* deleted after *moment*, with when they were.

    Counts what was absent already, too: the inventory has said since that the files are not there.
    """
    done = Deletion.objects.filter(state=DeletionState.DONE, finished_at__gt=moment)
    if not done.exists():
        return {}
    found: dict[tuple[str, str, str], datetime] = {}
    names = sorted(datasets)
    for start in range(0, len(names), _NAMES_PER_QUERY):
        some = done.filter(dataset_name__in=names[start : start + _NAMES_PER_QUERY]).order_by("finished_at")
        for dataset, block, site, at in some.values_list("dataset_name", "block_name", "site_name", "finished_at"):
            if at is not None:
                found[dataset, block, site] = at
    return found
