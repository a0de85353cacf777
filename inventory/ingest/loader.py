"""One document into the inventory: reads, checks and writes it portion by portion, and keeps account of what happened."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import IO, Any

from msgspec import UNSET

from inventory.exceptions import IngestError
from inventory.ingest.document_meta import DocumentMeta
from inventory.ingest.documents import DocumentReader, Item
from inventory.ingest.facts import Facts
from inventory.ingest.flush import FileIsKnown, refresh_statistics
from inventory.ingest.lane import Lane
from inventory.ingest.late_facts import LateFacts
from inventory.ingest.places import Places
from inventory.ingest.portions import Portion, Taker, decoded
from inventory.ingest.records import (
    RECORD_TYPES,
    AttrsRecord,
    DatasetHead,
    DatasetRecord,
    DatasetReplicaHead,
    DatasetReplicaRecord,
    GroupRecord,
    SiteRecord,
    Text,
)
from inventory.ingest.rejects import BadRecord, Problem
from inventory.ingest.results import LoadResult, Progress, keep_bad, keep_meta
from inventory.ingest.sections import Change, Lacks, registered_sections, section_handler

#: Rows after which the planner's statistics are refreshed for the first time.
_ANALYSE_FROM = 20_000

_OBJECTS_BETWEEN_COLLECTIONS = 300_000

#: Text of records that is held in memory at once, in each of three portions.
_PORTION_BYTES = 8 * 1024 * 1024

#: Text of a file or a block replica, about.
_BYTES_OF_ROW = 100

#: By how much a portion may be too large in order to end with the last record of a dataset.
_STRETCH = 1.5


def known_sections() -> frozenset[str]:
    """Return the sections that somebody takes."""
    return frozenset(RECORD_TYPES) | registered_sections()


class Loader:
    """Takes one document, inside the caller's transaction; who calls decides what rejected records mean.

    ``now`` is the time of what the document gives no time for, and of the facts if it has no ``meta``; *clock* is the real
    time, after which nothing can have been measured. *feeds* and *feed_source* are what the document may also say in its
    ``meta``. Unless it *brings_back*, block replicas that were deleted after ``meta.now`` are refused. Rejected records
    are written to *bad_records*, one JSON line each, in a form that can be mended and injected again. *result* is what was done
    before, to be added to. Records that ask for what who injects *lacks* a right to are rejected.
    """

    def __init__(
        self,
        *,
        source: str,
        now: datetime,
        clock: datetime,
        batch_size: int,
        lacks: Lacks,
        bad_records: IO[bytes] | None = None,
        brings_back: bool = False,
        feeds: Collection[str] | None = None,
        feed_source: str | None = None,
        on_progress: Callable[[Progress], None] | None = None,
        result: LoadResult | None = None,
    ) -> None:
        self.result = LoadResult() if result is None else result
        self._now = now
        self._batch_size = batch_size
        self._lacks = lacks
        self._bad_records = bad_records
        self._brings_back = brings_back
        self._on_progress = on_progress
        self._meta = DocumentMeta(clock=clock, feeds=feeds, source=feed_source)
        self._facts = Facts(self.result.counts, source=source, lacks=lacks)
        self._lane = Lane(harmless=FileIsKnown)
        self._feed_began = False
        self._analysed = 0
        self._rejected_datasets: dict[str, int] = {}
        #: Whether the document mostly says what is there: then its records are compared as they are written.
        self._repeats = False

    def load(self, reader: DocumentReader) -> LoadResult:
        """Take every record of the document. Raises ``IngestError`` where the document cannot be read on."""
        self.take(self.portions(reader), reader)
        return self.finish(reader)

    def take(self, portions: Iterable[Portion], reader: DocumentReader) -> int:
        """Take *portions*, all in one transaction of the caller's; return how many records were read up to the last one's end."""
        end = 0
        with self._lane, _rare_garbage_collection():
            taker = Taker(
                lane=self._lane,
                places=Places(self.result.counts, lacks=self._lacks),
                facts=self._facts,
                now=self._now,
                brings_back=self._brings_back,
                rejected_datasets=self._rejected_datasets,
                begin_feed=self._begin_feed,
                on_done=self._done,
            )
            for portion in portions:
                taker.take(portion)
                reader.leaves_text = self._repeats
                if any(isinstance(record, dict) for _, record in portion.entries):
                    taker.settle()
                    self._hand_out(portion.entries)
                end = portion.end
                if self._on_progress is not None:
                    self._on_progress(Progress(self.result.num_records, reader.position, reader.length))
            taker.settle()
        return end

    def finish(self, reader: DocumentReader) -> LoadResult:
        """Settle the feeds of a document whose records have all been taken."""
        if "attrs" in reader.sections:
            self._begin_feed()
            self._facts.finish(self._measured_at)
            self.result.feed_measured_at = self._measured_at
            self.result.feeds = self._facts.taken_feeds
            self.result.older_feeds = self._facts.older_feeds
        return self.result

    @property
    def _measured_at(self) -> datetime:
        return self._meta.now or self._now

    def portions(self, items: Iterable[Item], *, skip: int = 0, late: LateFacts | None = None) -> Iterator[Portion]:
        """Yield decoded records, about ``batch_size`` rows at a time; in a portion no record repeats another's subject.

        Records of one dataset that follow one another stay together if they can: portions that share a dataset wait for one
        another (see `Taker`), and a document that has all of a dataset on one line would share one at each cut.
        The first *skip* records were taken and counted before. Facts wait in *late*, if that is given, also those among the
        first.
        """
        entries: list[tuple[Item, Any]] = []
        subjects: set[tuple[str, ...]] = set()
        rows = num_bytes = number = 0
        are_places = False
        for item in items:
            if item.section == "meta" and item.problem is None:
                self._meta.take(item)
                continue
            number += 1
            is_taken = number <= skip
            if is_taken and (late is None or item.section != "attrs"):
                continue
            record = item.body if isinstance(item.body, Text) else decoded(item)
            if isinstance(record, AttrsRecord):
                self._meta.facts_begin()
                if late is not None:  # counted when they are taken
                    late.add(item)
                    self.result.num_records -= 1 if is_taken else 0
                    continue
            if is_taken:
                continue
            self.result.num_records += 1
            subject = _subject(record)
            is_place = isinstance(record, SiteRecord | GroupRecord)
            fullness = max(rows / self._batch_size, num_bytes / _PORTION_BYTES)
            is_full = fullness >= _STRETCH or (fullness >= 1 and not _goes_on(record, subjects))
            # Sites and groups at the head of a document go by themselves: what goes with them cannot be taken the quick way.
            is_body = are_places and not is_place
            if entries and (is_full or is_body or subject in subjects or _grows_under(record, subjects)):
                yield Portion(entries, self._meta.now, number - 1)
                entries, subjects, rows, num_bytes = [], set(), 0, 0
            are_places = is_place and (are_places or not entries)
            entries.append((item, record))
            subjects.update({subject, subject[:2]})
            rows += 1 + item.num_bytes // _BYTES_OF_ROW if isinstance(record, Text) else _num_rows(record)
            num_bytes += item.num_bytes
        if entries:
            yield Portion(entries, self._meta.now, number)

    def _begin_feed(self) -> None:
        if not self._feed_began:
            self._feed_began = True
            meta = self._meta
            self._lane.do(self._facts.begin, self._measured_at, feeds=meta.feeds, source=meta.source)

    def _done(self, portion: Portion) -> None:
        """Account for a portion that is written, and for its records that were not taken, in their order."""
        self.result.counts.merge(portion.counts)
        self._repeats = self._repeats if portion.repeats is None else portion.repeats
        for place in sorted(portion.rejected):
            self._reject(portion.entries[place][0], portion.rejected[place])
        # Each time the load has grown fourfold: no autovacuum sees rows of an open transaction, and plans for empty tables
        # read full ones from end to end.
        if self.result.counts.changes >= max(4 * self._analysed, _ANALYSE_FROM):
            self._analysed = self.result.counts.changes
            self._lane.begin(refresh_statistics)

    def _hand_out(self, entries: list[tuple[Item, Any]]) -> None:
        """Let other applications take the records of their sections; nothing else is under way."""
        others: dict[str, list[tuple[Item, Any]]] = {}
        for item, record in entries:
            if isinstance(record, dict):
                others.setdefault(item.section, []).append((item, record))
        for section, records in others.items():
            handler = section_handler(section)
            if handler is None:
                raise IngestError(f"nobody takes the section {section!r} any more")
            outcomes = self._lane.do(handler, [record for _, record in records], now=self._now, lacks=self._lacks)
            for (item, _), outcome in zip(records, outcomes, strict=True):
                if isinstance(outcome, Problem):
                    self._reject(item, BadRecord([outcome]))
                else:
                    self.result.counts.add(section, Change(outcome).value)

    def _reject(self, item: Item, bad: BadRecord) -> None:
        self.result.reject(item, bad)
        if self._bad_records is not None:
            if self.result.num_rejects == 1:
                keep_meta(self._bad_records, self._meta.as_json(self._measured_at))
            keep_bad(self._bad_records, item)


@contextmanager
def _rare_garbage_collection() -> Iterator[None]:
    """Look for cycles among a million objects now and then only: there are hardly any, and looking takes a third of the time."""
    before = gc.get_threshold()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


#: Kinds of records that name a dataset.
_OF_DATASETS = ("dataset", "replica", "attrs")


def _subject(record: Any) -> tuple[str, ...]:
    match record:
        case DatasetHead():
            return "dataset", record.name
        case DatasetReplicaHead():
            return "replica", record.dataset, record.site
        case AttrsRecord():
            return "attrs", record.dataset
        case SiteRecord() | GroupRecord():
            return type(record).__name__, record.name
    return "other", str(id(record))


def _goes_on(record: Any, subjects: set[tuple[str, ...]]) -> bool:
    """Tell whether the record is about a dataset that others of the same portion are about."""
    kind, *name = _subject(record)[:2]
    return kind in _OF_DATASETS and any((other, *name) in subjects for other in _OF_DATASETS)


def _grows_under(record: Any, subjects: set[tuple[str, ...]]) -> bool:
    """Tell whether the record may change blocks that replicas of the same batch were compared with."""
    return isinstance(record, DatasetHead) and ("replica", record.name) in subjects


def _num_rows(record: Any) -> int:
    parts: list[Any]
    match record:
        case DatasetRecord():
            parts = record.blocks
        case DatasetReplicaRecord():
            parts = record.blockreplicas
        case _:
            return 1
    return 1 + len(parts) + sum([len(part.files) for part in parts if part.files is not UNSET])
