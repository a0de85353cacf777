"""What is being deleted at this moment, asked of the layer above, so that a new lock can say what it comes too late for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction

from inventory.selectors.locks_in_force import NOBODY


@dataclass(frozen=True, slots=True)
class UnderWay:
    """A block replica that a worker is deleting: files of it may be gone by now. ``group`` is None for nobody."""

    dataset: str
    block: str
    site: str
    group: str | None

    def __str__(self) -> str:
        return f"{self.dataset}#{self.block} at {self.site}"


#: Returns what is being deleted, and keeps further deletions from being begun until the caller's transaction ends.
Look = Callable[[], Sequence[UnderWay]]

_looks: list[Look] = []


def register_look(look: Look) -> None:
    """Ask *look* whenever a lock begins to hold; called once, when the application that deletes is ready."""
    if look not in _looks:
        _looks.append(look)


def too_late_for(lock_ids: Sequence[int], *, now: datetime) -> tuple[UnderWay, ...]:
    """Return what these locks hold but a worker is deleting already: it comes to its end, the lock holds only what is left.

    Call it after the locks are written and before the transaction does anything else: no deletion begins between the
    answer and the commit, so what is not in the answer is held. Raises ``TransactionManagementError`` without a transaction.
    """
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError("what a lock comes too late for is known only inside its transaction")
    found = [one for look in _looks for one in look()]
    if not found:
        return ()
    return _held(lock_ids, found, now=now)


def _held(lock_ids: Sequence[int], found: Sequence[UnderWay], *, now: datetime) -> tuple[UnderWay, ...]:
    # Only where something is being deleted now: Polars is a quarter of a second of the start of each command.
    import polars as pl  # noqa: PLC0415 - see above

    from inventory.selectors.locks import active_locks, rows_held_by  # noqa: PLC0415 - see above

    wanted = set(lock_ids)
    frame = pl.DataFrame(
        {
            "dataset": [one.dataset for one in found],
            "block": [one.block for one in found],
            "site": [one.site for one in found],
            "group": [one.group or NOBODY for one in found],
        },
        schema=dict.fromkeys(("dataset", "block", "site", "group"), pl.String),
    )
    held = rows_held_by([lock for lock in active_locks(now) if lock.key in wanted], frame).to_list()
    return tuple(one for one, is_held in zip(found, held, strict=True) if is_held)
