"""What each partition has at each site, with what of it lies in the trash and takes room until it is purged."""

from __future__ import annotations

from dataclasses import dataclass

from dynamo_site.panels import trash_of_partitions
from operations.selectors.trash import trash_shares
from policies.selectors.forecast import forecast_text
from policies.selectors.storage import StorageRow, storage_rows


@dataclass(frozen=True, slots=True)
class StoredRow:
    """The latest reading of a partition at a site, and its bytes in the trash there."""

    row: StorageRow
    trash_bytes: int

    @property
    def free_bytes(self) -> int | None:
        """Return what used and trash leave of the quota: None without a limit, negative where it is over."""
        return None if self.row.free_bytes is None else self.row.free_bytes - self.trash_bytes

    @property
    def text(self) -> str:
        """Return when protected data reach the quota, in words."""
        return forecast_text(self.row.forecast)


@dataclass(frozen=True, slots=True)
class Stored:
    """Rows, the most urgent first; ``other_trash``: site and bytes of what came from lists that are not of one partition."""

    rows: tuple[StoredRow, ...]
    other_trash: tuple[tuple[str, int], ...]


def stored(*, partition: str = "", site: str = "") -> Stored:
    """Return the latest readings of all or of the named partition or site."""
    trash = trash_of_partitions(trash_shares())
    rows = storage_rows(partition=partition, site=site)
    others = sorted((name, size) for (key, name), size in trash.items() if key is None and (not site or name == site))
    return Stored(tuple(StoredRow(row, trash.get((row.partition_id, row.site), 0)) for row in rows), tuple(others))
