"""What datasets are at this moment, as far as it speaks against deleting them: status, and when they were last read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from inventory.models import Dataset

_NAMES_PER_QUERY = 1000


@dataclass(frozen=True, slots=True)
class DatasetState:
    """``last_access_at``: None where no feed ever named the dataset."""

    status: str
    last_access_at: datetime | None


def dataset_states(names: Collection[str]) -> dict[str, DatasetState]:
    """Return the datasets of these names, read fresh; unknown names are absent."""
    found: dict[str, DatasetState] = {}
    wanted = sorted(names)
    for start in range(0, len(wanted), _NAMES_PER_QUERY):
        some = wanted[start : start + _NAMES_PER_QUERY]
        rows = Dataset.objects.filter(name__in=some).values_list("name", "status", "facts__last_access_at")
        found.update({name: DatasetState(status, at) for name, status, at in rows.order_by("pk")})
    return found
