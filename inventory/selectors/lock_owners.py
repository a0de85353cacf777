"""Locks that hold given block replicas, with who answers for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from django.db.models import Count, Max, Sum

from inventory.models import Lock
from inventory.selectors.locks import active_locks, rows_held_by
from inventory.selectors.locks_in_force import NOBODY, locks_in_force
from inventory.selectors.replicas import BlockReplicaRow

#: Number, greatest and sum of the keys of some locks.
LocksMark = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class HoldingLock:
    """A lock and how much of what was asked for it holds; ``made_by``: key of the account that made it."""

    lock_id: int
    text: str
    owner: str
    made_by: int | None
    comment: str
    expires_at: datetime | None
    num_block_replicas: int
    size_bytes: int


def locks_that_hold(replicas: Sequence[BlockReplicaRow], *, now: datetime) -> list[HoldingLock]:
    """Return the locks in force at *now* that hold any of *replicas*, by their keys."""
    frame = pl.DataFrame(
        {
            "dataset": [row.dataset for row in replicas],
            "block": [row.block for row in replicas],
            "site": [row.site for row in replicas],
            "group": [row.group or NOBODY for row in replicas],
            "size": [row.size_bytes for row in replicas],
        },
        schema={"dataset": pl.String, "block": pl.String, "site": pl.String, "group": pl.String, "size": pl.Int64},
    )
    locks = active_locks(now)
    held = frame.filter(rows_held_by(locks, frame))
    if held.is_empty():
        return []
    datasets = set(held["dataset"])
    possible = [lock for lock in locks if "*" in lock.dataset or "?" in lock.dataset or lock.dataset in datasets]
    rows = Lock.objects.in_bulk([lock.key for lock in possible])
    found: list[HoldingLock] = []
    for lock in possible:
        some = held.filter(rows_held_by([lock], held))
        if some.height:
            row = rows[lock.key]
            found.append(
                HoldingLock(
                    lock_id=row.pk,
                    text=str(row),
                    owner=row.owner,
                    made_by=row.created_by_id,
                    comment=row.comment,
                    expires_at=row.expires_at,
                    num_block_replicas=some.height,
                    size_bytes=int(some["size"].sum()),
                )
            )
    return found


def locks_mark(now: datetime) -> LocksMark:
    """Return a mark of the locks in force at *now*: while it is the same, none has come and none has gone."""
    sums = locks_in_force(now).aggregate(number=Count("pk"), newest=Max("pk"), total=Sum("pk"))
    return sums["number"], sums["newest"] or 0, sums["total"] or 0
