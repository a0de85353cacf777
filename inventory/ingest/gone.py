"""What was deleted lately, asked of the layer above, so that an old document does not bring it back unnoticed."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

#: dataset, block and site of a block replica
Place = tuple[str, str, str]

#: Returns when the block replicas of these datasets that were deleted after a moment were deleted.
Record = Callable[[Collection[str], datetime], dict[Place, datetime]]

_records: list[Record] = []


def register_record(record: Record) -> None:
    """Ask *record* about what documents bring; called once, when the application that deletes is ready."""
    if record not in _records:
        _records.append(record)


def deleted_since(datasets: Collection[str], moment: datetime) -> dict[Place, datetime]:
    """Return when the block replicas of *datasets* that were deleted after *moment* were deleted."""
    return {place: at for record in _records for place, at in record(datasets, moment).items()} if datasets else {}
