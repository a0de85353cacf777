"""One document into the inventory: reads, checks and writes it batch by batch, and keeps account of what happened."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from typing import IO, Any, TypeVar

import msgspec
from django.db import connection

from inventory.choices import FactFeedName
from inventory.exceptions import IngestError
from inventory.ingest.batch import Batch
from inventory.ingest.datasets import take_dataset
from inventory.ingest.documents import DocumentReader, Item
from inventory.ingest.facts import Facts
from inventory.ingest.flush import FileIsKnown, flush, refresh_statistics
from inventory.ingest.gone import Place, deleted_since
from inventory.ingest.places import Places
from inventory.ingest.records import (
    RECORD_TYPES,
    AttrsRecord,
    DatasetRecord,
    DatasetReplicaRecord,
    GroupRecord,
    MetaRecord,
    SiteRecord,
    decode_record,
    moment,
)
from inventory.ingest.rejects import BadRecord, Problem, Reject, shown
from inventory.ingest.replicas import take_replica
from inventory.ingest.rows import Counts
from inventory.ingest.sections import Change, registered_sections, section_handler
from inventory.ingest.sieve import sieve

#: Rejects that are kept to be shown; all are counted.
REJECTS_KEPT = 100

#: Rows after which the planner's statistics are refreshed for the first time.
_ANALYSE_FROM = 20_000

#: How far the clock of who measured may be ahead.
_CLOCK_SKEW = timedelta(minutes=5)

_Said = TypeVar("_Said")

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
    feeds: list[str] = field(default_factory=list)
    older_feeds: list[str] = field(default_factory=list)


def known_sections() -> frozenset[str]:
    """Return the sections that somebody takes."""
    return frozenset(RECORD_TYPES) | registered_sections()


class Loader:
    """Takes one document, inside the caller's transaction; who calls decides what rejected records mean.

    ``now`` is the time of what the document gives no time for, and of the facts if it has no ``meta``; *clock* is the real
    time, after which nothing can have been measured. *feeds* and *feed_source* are what the document may also say in its
    ``meta``. Unless it *brings_back*, block replicas that were deleted after ``meta.now`` are refused. Rejected records
    are written to *bad_records*, one JSON line each, in a form that can be mended and injected again.
    """

    def __init__(
        self,
        *,
        source: str,
        now: datetime,
        clock: datetime,
        batch_size: int,
        bad_records: IO[bytes] | None = None,
        brings_back: bool = False,
        feeds: Collection[str] | None = None,
        feed_source: str | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.result = LoadResult()
        self._now = now
        self._batch_size = batch_size
        self._bad_records = bad_records
        self._on_progress = on_progress
        self._places = Places(self.result.counts)
        self._facts = Facts(self.result.counts, source=source)
        self._latest = clock + _CLOCK_SKEW
        self._meta_now: datetime | None = None
        self._feeds: tuple[str, ...] | None = None if feeds is None else tuple(sorted(set(feeds)))
        self._feed_source = feed_source
        self._brings_back = brings_back
        self._feed_began = False
        self._rejected_datasets: dict[str, int] = {}

    def load(self, reader: DocumentReader) -> LoadResult:
        """Take every record of the document. Raises ``IngestError`` where the document cannot be read on."""
        analysed = 0
        for batch in self._batches(reader):
            self._take(batch)
            # Each time the load has grown fourfold: no autovacuum sees rows of an open transaction, and plans for empty tables
            # read full ones from end to end.
            if self.result.counts.changes >= max(4 * analysed, _ANALYSE_FROM):
                analysed = self.result.counts.changes
                refresh_statistics()
            if self._on_progress is not None:
                self._on_progress(Progress(self.result.num_records, reader.position, reader.length))
        if "attrs" in reader.sections:
            self._begin_feed()
            self._facts.finish(self._measured_at)
            self.result.feed_measured_at = self._measured_at
            self.result.feeds = self._facts.taken_feeds
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
        """Note what the document says of itself. What is wrong ends the load: it would hold for all facts of the document."""
        try:
            meta = decode_record("meta", item.body)
        except BadRecord as bad:
            wrong = bad.problems[0]
            path = f"meta.{wrong.path}" if wrong.path else "meta"
            raise IngestError(f"record {item.number}: {path}: found {wrong.found}, expected {wrong.expected}") from bad
        if not isinstance(meta, MetaRecord):
            raise TypeError(f"meta was decoded as {type(meta).__name__}")
        self._take_moment(item.number, meta.now)
        if meta.feeds is not None:
            unknown = sorted(set(meta.feeds) - set(FactFeedName.values))
            if unknown:
                known = ", ".join(FactFeedName.values)
                raise IngestError(f"record {item.number}: meta.feeds: found {shown(unknown[0])}, expected some of {known}")
            self._feeds = self._only_once(item.number, "meta.feeds", self._feeds, tuple(sorted(set(meta.feeds))))
        if meta.source is not None:
            self._feed_source = self._only_once(item.number, "meta.source", self._feed_source, meta.source)

    def _take_moment(self, number: int, seconds: float | None) -> None:
        if seconds is None:
            return
        now = moment(seconds)
        if now > self._latest:
            raise IngestError(
                f"record {number}: meta.now: found {now.isoformat()}, which lies in the future; expected the moment at which the "
                f"facts were measured, at most {_CLOCK_SKEW.seconds // 60} minutes after this machine's clock: see what set it"
            )
        if self._meta_now not in {None, now} or (self._feed_began and self._meta_now is None):
            raise IngestError(
                f"record {number}: meta.now: found {now.isoformat()} after {self._measured_at.isoformat()}: facts of "
                "several moments go into several documents, each with meta in front of its attrs"
            )
        self._meta_now = now

    def _only_once(self, number: int, path: str, before: _Said | None, given: _Said) -> _Said:
        if before not in {None, given} or (self._feed_began and before is None):
            raise IngestError(
                f"record {number}: {path}: found {given!r} after {'attrs' if before is None else repr(before)}: "
                "what a document carries is said once, in front of its attrs"
            )
        return given

    def _begin_feed(self) -> None:
        if not self._feed_began:
            self._feed_began = True
            self._facts.begin(self._measured_at, feeds=self._feeds, source=self._feed_source)

    def _take(self, records: list[tuple[Item, Any]]) -> None:
        own = [(item, record) for item, record in records if not isinstance(record, dict)]
        # Sites and groups are written as they come: a batch that has any is filled once, so it must know its files.
        is_sure = connection.vendor != "postgresql" or any(isinstance(record, SiteRecord | GroupRecord) for _, record in own)
        if not is_sure:
            passed = sieve([record for _, record in own], places=self._places, counts=self.result.counts)
            own = [one for one, is_there in zip(own, passed, strict=True) if not is_there]
        batch, rejected = self._filled(own, looks_for_files=is_sure)
        try:
            flush(batch)
        except FileIsKnown:
            batch, rejected = self._filled(own, looks_for_files=True)
            flush(batch)
        self.result.counts.merge(batch.counts)
        self._rejected_datasets = dict(islice(batch.rejected_datasets.items(), _REJECTED_NAMES_KEPT))
        for item, bad in rejected:
            self._reject(item, bad)
        if batch.attrs:
            self._facts.write(batch)
        others: dict[str, list[tuple[Item, Any]]] = {}
        for item, record in records:
            if isinstance(record, dict):
                others.setdefault(item.section, []).append((item, record))
        for section, bodies in others.items():
            self._hand_out(section, bodies)

    def _filled(self, records: list[tuple[Item, Any]], *, looks_for_files: bool) -> tuple[Batch, list[tuple[Item, BadRecord]]]:
        """Return a batch with what the records come to, and those of them that were not taken."""
        gone: dict[Place, datetime] = {}
        if self._meta_now is not None and not self._brings_back:
            names = {record.dataset for _, record in records if isinstance(record, DatasetReplicaRecord)}
            gone = deleted_since(names, self._meta_now)
        batch = Batch(self._places, Counts(), self._now, dict(self._rejected_datasets), looks_for_files, gone)
        batch.load([record for _, record in records])
        rejected: list[tuple[Item, BadRecord]] = []
        for item, record in records:
            try:
                self._apply(batch, record)
            except BadRecord as bad:
                if isinstance(record, DatasetRecord):
                    batch.rejected_datasets.setdefault(record.name, item.number)
                rejected.append((item, bad))
        return batch, rejected

    def _apply(self, batch: Batch, record: Any) -> None:
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
            meta: dict[str, Any] = {"now": self._measured_at.timestamp()}
            meta |= {} if self._feeds is None else {"feeds": self._feeds}
            meta |= {} if self._feed_source is None else {"source": self._feed_source}
            bad_records.write(msgspec.json.encode({"meta": meta}) + b"\n")
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
