"""What each partition has at each site, with what of it lies in the trash and takes room until it is purged."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dynamo_site.panels import trash_of_partitions
from operations.selectors.trash import trash_shares
from policies.selectors.forecast import Outlook, forecast_text
from policies.selectors.storage import StorageRow, storage_rows


class Prospect(StrEnum):
    """What a row asks of who looks: the outlook, and whether it is near."""

    OVER = "over"
    SOON = "soon"
    LATER = "later"
    STEADY = "steady"
    UNKNOWN = "unknown"
    NO_QUOTA = "no-quota"

    @property
    def label(self) -> str:
        return _LABELS[self]


_LABELS = {
    Prospect.OVER: "over the quota",
    Prospect.SOON: "full soon",
    Prospect.LATER: "full later",
    Prospect.STEADY: "not at this rate",
    Prospect.UNKNOWN: "unknown",
    Prospect.NO_QUOTA: "no quota",
}
_OF_OUTLOOK = {
    Outlook.REACHED: Prospect.OVER,
    Outlook.GROWING: Prospect.LATER,
    Outlook.STEADY: Prospect.STEADY,
    Outlook.UNKNOWN: Prospect.UNKNOWN,
    Outlook.NO_QUOTA: Prospect.NO_QUOTA,
}


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

    @property
    def prospect(self) -> Prospect:
        """Return what protected data are heading for."""
        found = _OF_OUTLOOK[self.row.forecast.outlook]
        return Prospect.SOON if found is Prospect.LATER and self.row.is_warning else found


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


@dataclass(frozen=True, slots=True)
class PartitionNeed:
    """A partition where storage runs short: at how many sites of how many, and the one that is full first."""

    partition: str
    num_sites: int
    num_over: int
    num_soon: int
    first: StoredRow


def partition_needs(rows: Iterable[StoredRow]) -> list[PartitionNeed]:
    """Return the partitions of which a row is a warning, in the order of their most urgent one; *rows* are in that order."""
    by_name: dict[str, list[StoredRow]] = {}
    for one in rows:
        by_name.setdefault(one.row.partition, []).append(one)
    return [
        PartitionNeed(
            partition=name,
            num_sites=len(found),
            num_over=sum(one.prospect is Prospect.OVER for one in found),
            num_soon=sum(one.prospect is Prospect.SOON for one in found),
            first=found[0],
        )
        for name, found in by_name.items()
        if found[0].row.is_warning
    ]


def rows_found(rows: Sequence[StoredRow], term: str) -> list[StoredRow]:
    """Return the rows whose site or partition has *term* in its name, in any case; with ``*`` or ``?`` in it, fits as a whole."""
    if not term:
        return list(rows)
    parts = ({"*": ".*", "?": "."}.get(letter) or re.escape(letter) for letter in term)
    asked = re.compile("".join(parts), re.IGNORECASE)
    fits = asked.fullmatch if "*" in term or "?" in term else asked.search
    return [one for one in rows if fits(one.row.site) or fits(one.row.partition)]
