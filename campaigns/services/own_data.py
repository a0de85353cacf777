"""Which datasets of a campaign's list concern one person."""

from __future__ import annotations

from datetime import datetime

import polars as pl
from django.core.files.storage import default_storage

from campaigns.models import GroupRepresentative, Revision
from inventory.selectors.locks import active_locks, rows_held_by
from inventory.selectors.locks_in_force import lock_people

#: More names than these are a matter for a pattern.
MOST_DATASETS = 50


def own_datasets(revision: Revision, *, user_id: int, now: datetime) -> list[str]:
    """Return the datasets of the list that groups of the user own or locks of the user hold, the largest first."""
    with default_storage.open(revision.items_file) as file:
        items = pl.read_parquet(file, columns=["dataset", "block", "site", "owner", "size"]).rename({"owner": "group"})
    groups = list(GroupRepresentative.objects.filter(user_id=user_id).order_by("pk").values_list("group__name", flat=True))
    people = lock_people(now)
    locks = [lock for lock in active_locks(now) if people.get(lock.key) == user_id]
    concerned = items.get_column("group").is_in(groups)
    if locks:
        concerned = concerned | rows_held_by(locks, items)
    sums = items.filter(concerned).group_by("dataset").agg(pl.col("size").sum())
    return sums.sort(["size", "dataset"], descending=[True, False]).head(MOST_DATASETS).get_column("dataset").to_list()
