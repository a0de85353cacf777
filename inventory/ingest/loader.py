"""One document into the inventory: reads, checks and writes it batch by batch, and keeps account of what happened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

import msgspec

from inventory.exceptions import IngestError
from inventory.ingest.batch import Batch
from inventory.ingest.datasets import take_dataset
from inventory.ingest.documents import DocumentReader, Item
from inventory.ingest.facts import Facts
from inventory.ingest.flush import flush, refresh_statistics
from inventory.ingest.places import Places
from inventory.ingest.records import (
    LAST_MOMENT,
    RECORD_TYPES,
    AttrsRecord,
    DatasetRecord,
    DatasetReplicaRecord,
    GroupRecord,
    SiteRecord,
    decode_record,
    moment,
)
from inventory.ingest.rejects import BadRecord, Problem, Reject, shown
from inventory.ingest.replicas import take_replica
from inventory.ingest.rows import Counts
from inventory.ingest.sections import Change, registered_sections, section_handler

#: Rejects that are kept to be shown; all are counted.
REJECTS_KEPT = 100

#: Rows after which the planner's statistics are refreshed for the first time.
_ANALYSE_FROM = 20_000

#: Names of rejected datasets that are kept, so that what builds on them is told why.
_REJECTED_NAMES_KEPT = 10_000


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
    older_feeds: list[str] = field(default_factory=list)


def known_sections() -> frozenset[str]:
    """Return the sections that somebody takes."""
    return frozenset(RECORD_TYPES) | registered_sections()


class Loader:
    """Takes one document, inside the caller's transaction; who calls decides what rejected records mean.

    ``now`` is the time of what the document gives no time for, and of the facts if it has no ``meta``. Rejected records
    are written to *bad_records*, one JSON line each, in a form that can be mended and injected again.
    """

    def __init__(
        self,
        *,
        source: str,
        now: datetime,
        batch_size: int,
        bad_records: IO[bytes] | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.result = LoadResult()
        self._now = now
        self._batch_size = batch_size
        self._bad_records = bad_records
        self._on_progress = on_progress
        self._places = Places(self.result.counts)
        self._facts = Facts(self.result.counts, source=source)
        self._meta_now: datetime | None = None
        self._feed_began = False
        self._rejected_datasets: dict[str, int] = {}

    def load(self, reader: DocumentReader) -> LoadResult:
        """Take every record of the document. Raises ``IngestError`` where the document cannot be read on."""
        analysed = 0
        for batch in self._batches(reader):
            self._take(batch)
            # Each time the load has doubled: no autovacuum sees rows of an open transaction, and plans for empty tables
            # read full ones from end to end.
            if self.result.counts.changes >= max(2 * analysed, _ANALYSE_FROM):
                analysed = self.result.counts.changes
                refresh_statistics()
            if self._on_progress is not None:
                self._on_progress(Progress(self.result.num_records, reader.position, reader.length))
        if "attrs" in reader.sections:
            self._begin_feed()
            self._facts.finish(self._measured_at)
            self.result.feed_measured_at = self._measured_at
            self.result.older_feeds = self._facts.older_feeds
        return self.result

    @property
    def _measured_at(self) -> datetime:
        return self._meta_now or self._now

    def _batches(self, reader: DocumentReader) -> Iterator[list[tuple[Item, Any]]]:
        """Yield checked records, about ``batch_size`` rows at a time; in a batch no record repeats another's subject."""
        batch: list[tuple[Item, Any]] = []
        subjects: set[tuple[str, ...]] = set()
        rows = 0
        for item in reader:
            record = self._decoded(item)
            if record is None:
                continue
            subject = _subject(record)
            if batch and (rows >= self._batch_size or subject in subjects or _grows_under(record, subjects)):
                yield batch
                batch, subjects, rows = [], set(), 0
            batch.append((item, record))
            subjects.update({subject, subject[:2]})
            rows += _num_rows(record)
        if batch:
            yield batch

    def _decoded(self, item: Item) -> Any:
        """Return the checked record; None for ``meta``, and for what cannot be taken, which is rejected."""
        if item.section == "meta" and item.problem is None:
            self._take_meta(item)
            return None
        self.result.num_records += 1
        try:
            if item.problem is not None:
                raise BadRecord([item.problem])  # noqa: TRY301 - one place rejects
            return decode_record(item.section, item.body)
        except BadRecord as bad:
            self._reject(item, bad)
            return None

    def _take_meta(self, item: Item) -> None:
        """Note the moment of the facts. A wrong one ends the load: all facts of the document would bear a wrong time."""
        try:
            meta = decode_record("meta", item.body)
        except BadRecord as bad:
            raise IngestError(f"record {item.number}: meta: {bad}; expected an object as {{'now': 1767225600}}") from bad
        seconds = meta.get("now") if isinstance(meta, dict) else None
        if seconds is None:
            return
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= LAST_MOMENT:
            raise IngestError(f"record {item.number}: meta.now: found {shown(seconds)}, expected seconds since 1970")
        now = moment(seconds)
        if self._meta_now not in {None, now} or (self._feed_began and self._meta_now is None):
            raise IngestError(
                f"record {item.number}: meta.now: found {now.isoformat()} after {self._measured_at.isoformat()}: facts of "
                "several moments go into several documents, each with meta in front of its attrs"
            )
        self._meta_now = now

    def _begin_feed(self) -> None:
        if not self._feed_began:
            self._feed_began = True
            self._facts.begin(self._measured_at)

    def _take(self, records: list[tuple[Item, Any]]) -> None:
        batch = Batch(self._places, self.result.counts, self._now, self._rejected_datasets)
        batch.load([record for _, record in records])
        others: dict[str, list[tuple[Item, Any]]] = {}
        for item, record in records:
            if isinstance(record, dict):
                others.setdefault(item.section, []).append((item, record))
            else:
                self._apply(batch, item, record)
        flush(batch)
        if batch.attrs:
            self._facts.write(batch)
        for section, bodies in others.items():
            self._hand_out(section, bodies)

    def _apply(self, batch: Batch, item: Item, record: Any) -> None:
        try:
            match record:
                case SiteRecord():
                    self._places.take_site(record)
                case GroupRecord():
                    self._places.take_group(record)
                case DatasetRecord():
                    take_dataset(batch, record)
                case DatasetReplicaRecord():
                    take_replica(batch, record)
                case AttrsRecord():
                    self._begin_feed()
                    self._facts.check(batch, record)
        except BadRecord as bad:
            if isinstance(record, DatasetRecord) and len(self._rejected_datasets) < _REJECTED_NAMES_KEPT:
                self._rejected_datasets.setdefault(record.name, item.number)
            self._reject(item, bad)

    def _hand_out(self, section: str, records: list[tuple[Item, Any]]) -> None:
        handler = section_handler(section)
        if handler is None:
            raise IngestError(f"nobody takes the section {section!r} any more")
        outcomes = handler([record for _, record in records], now=self._now)
        for (item, _), outcome in zip(records, outcomes, strict=True):
            if isinstance(outcome, Problem):
                self._reject(item, BadRecord([outcome]))
            else:
                self.result.counts.add(section, Change(outcome).value)

    def _reject(self, item: Item, bad: BadRecord) -> None:
        self.result.num_rejects += 1
        for problem in bad.problems:
            if len(self.result.rejects) < REJECTS_KEPT:
                path = ".".join(part for part in (item.path, problem.path) if part)
                self.result.rejects.append(Reject(item.number, path, problem.found, problem.expected, problem.help))
        if self._bad_records is not None:
            self._keep_bad(self._bad_records, item)

    def _keep_bad(self, bad_records: IO[bytes], item: Item) -> None:
        """Write the record as a line of its own; the first is a ``meta``, so that its facts stay those of this document."""
        if self.result.num_rejects == 1:
            now = {"meta": {"now": self._measured_at.timestamp()}}
            bad_records.write(msgspec.json.encode(now) + b"\n")
        if item.body is None:
            return
        if item.section in {"", item.path}:
            body = item.body if isinstance(item.body, bytes) else msgspec.json.encode({item.section: item.body})
        else:
            body = msgspec.json.encode({item.section: [item.body]})
        bad_records.write(body.rstrip(b"\n") + b"\n")


def _subject(record: Any) -> tuple[str, ...]:
    match record:
        case DatasetRecord():
            return "dataset", record.name
        case DatasetReplicaRecord():
            return "replica", record.dataset, record.site
        case AttrsRecord():
            return "attrs", record.dataset
        case SiteRecord() | GroupRecord():
            return type(record).__name__, record.name
    return "other", str(id(record))


def _grows_under(record: Any, subjects: set[tuple[str, ...]]) -> bool:
    """Tell whether the record may change blocks that replicas of the same batch were compared with."""
    return isinstance(record, DatasetRecord) and ("replica", record.name) in subjects


def _num_rows(record: Any) -> int:
    match record:
        case DatasetRecord():
            return 1 + sum(1 + (len(block.files) if isinstance(block.files, list) else 0) for block in record.blocks)
        case DatasetReplicaRecord():
            return 1 + sum(1 + (len(part.files) if isinstance(part.files, list) else 0) for part in record.blockreplicas)
    return 1
