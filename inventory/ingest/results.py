"""What a load did: counts, the first rejects, and a file of bad records that can be mended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

import msgspec

from inventory.ingest.documents import Item
from inventory.ingest.rejects import BadRecord, Reject
from inventory.ingest.rows import Counts

#: Rejects that are kept to be shown; all are counted.
REJECTS_KEPT = 100


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a load is: records taken, and bytes of the stored source (``length`` None if unknown)."""

    num_records: int
    position: int
    length: int | None


@dataclass(slots=True)
class LoadResult:
    """What a load did, or would do."""

    num_records: int = 0
    counts: Counts = field(default_factory=Counts)
    rejects: list[Reject] = field(default_factory=list)
    num_rejects: int = 0
    feed_measured_at: datetime | None = None
    feeds: list[str] = field(default_factory=list)
    older_feeds: list[str] = field(default_factory=list)

    def reject(self, item: Item, bad: BadRecord) -> None:
        """Count a record that was not taken, and keep what was wrong as long as there is room."""
        self.num_rejects += 1
        for problem in bad.problems:
            if len(self.rejects) < REJECTS_KEPT:
                path = ".".join(part for part in (item.path, problem.path) if part)
                self.rejects.append(Reject(item.number, path, problem.found, problem.expected, problem.help))


def keep_bad(bad_records: IO[bytes], item: Item) -> None:
    """Write the record as a line of its own, in a form that can be mended and injected."""
    if item.body is None:
        return
    if item.section in {"", item.path}:
        body = item.body if isinstance(item.body, bytes) else msgspec.json.encode({item.section: item.body})
    else:
        body = msgspec.json.encode({item.section: [item.body]})
    bad_records.write(body.rstrip(b"\n") + b"\n")


def keep_meta(bad_records: IO[bytes], meta: dict[str, Any]) -> None:
    """Write the line that comes first, so that the facts of bad records stay those of their document."""
    bad_records.write(msgspec.json.encode({"meta": meta}) + b"\n")
