"""Portions of a document on their way into the database: several at once, each at another stage.

While the database writes one portion, the rows of the next are made up in memory, and what the database knows of the one after
that has been read already: of two processors both are busy. This may be seen only in the time that it takes. So a portion is
compared with the database early only if it names no dataset of those that are not written yet; and names of files, which any
portion may share with any other, are unique in the database: a portion that fails for that is made up once more, when all
before it are written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec
from django.db import connection
from msgspec import UNSET

from inventory.ingest.batch import Batch
from inventory.ingest.datasets import take_dataset
from inventory.ingest.documents import Item
from inventory.ingest.facts import Facts, facts_of
from inventory.ingest.flush import FileIsKnown, check_references, flush, keys_of, make_up
from inventory.ingest.gone import Place, deleted_since
from inventory.ingest.lane import Lane
from inventory.ingest.looking import Known, look
from inventory.ingest.places import Places
from inventory.ingest.records import (
    AttrsRecord,
    DatasetHead,
    DatasetRecord,
    DatasetReplicaHead,
    DatasetReplicaRecord,
    GroupRecord,
    SiteRecord,
    Text,
    dataset_name,
    decode_record,
)
from inventory.ingest.rejects import BadRecord
from inventory.ingest.replicas import take_replica
from inventory.ingest.rows import Counts
from inventory.ingest.sieve import sieve
from inventory.ingest.verbatim import Verbatim
from inventory.ingest.writing import Upsert

#: Names of rejected datasets that are kept, so that what builds on them is told why.
_REJECTED_NAMES_KEPT = 10_000

_NAMING = DatasetHead | DatasetReplicaHead | AttrsRecord


@dataclass(slots=True)
class Looked:
    """What the database knew of a portion's records before its rows were made up; ``keys`` are for what it did not know.

    ``verbatim`` is set where the records were not looked into yet.
    """

    known: Mapping[str, Known]
    facts: Mapping[int, tuple[Any, ...]]
    gone: Mapping[Place, datetime]
    keys: Mapping[Upsert, Sequence[int]]
    verbatim: Verbatim | None = None


@dataclass(slots=True, eq=False)
class Portion:
    """Records that are written together. ``entries`` are all that were read, a ``BadRecord`` where one could not be decoded.

    ``end`` is the number of records of the document up to its last one. When it is done ``rejected`` has those that were not
    taken, by their place in ``entries``, and ``counts`` what became of the others.
    """

    entries: list[tuple[Item, Any]]
    meta_now: datetime | None
    end: int
    rejected: dict[int, BadRecord] = field(default_factory=dict)
    counts: Counts = field(default_factory=Counts)
    names: frozenset[str] = frozenset()
    own: list[int] = field(default_factory=list)
    looked: Future[Looked] | None = None
    batch: Batch | None = None
    written: Future[None] | None = None
    num_asked: int = 0
    num_passed: int = 0

    def __post_init__(self) -> None:
        self.own = [n for n, (_, record) in enumerate(self.entries) if not isinstance(record, dict)]
        self._reject_undecoded()
        self.names = frozenset(dataset_name(record) for record in self.records() if isinstance(record, _NAMING))

    def records(self) -> list[Any]:
        """Return the records that the inventory itself takes and that are not known to be there already."""
        return [self.entries[place][1] for place in self.own]

    @property
    def repeats(self) -> bool | None:
        """Tell whether it mostly said what was there; None if it named neither datasets nor replicas."""
        return 2 * self.num_passed >= self.num_asked if self.num_asked else None

    @property
    def has_text(self) -> bool:
        """Tell whether some of its records were not looked into yet."""
        return any(isinstance(record, Text) for record in self.records())

    @property
    def has_data(self) -> bool:
        """Tell whether some of its records are of datasets or replicas themselves, not facts of them."""
        return any(isinstance(record, DatasetHead | DatasetReplicaHead) for record in self.records())

    def sift(self, passed: Sequence[bool]) -> None:
        """Leave out those of its records that say what is there."""
        asked = [is_there for record, is_there in zip(self.records(), passed, strict=True) if not isinstance(record, AttrsRecord)]
        self.num_asked = self.num_asked or len(asked)
        self.num_passed += sum(asked)
        self.own = [place for place, is_there in zip(self.own, passed, strict=True) if not is_there]

    def begin_again(self) -> None:
        """Forget which were rejected, and decode those that are left as text: what is wrong with these is seen only now."""
        for place in self.own:
            item, record = self.entries[place]
            if isinstance(record, Text):
                self.entries[place] = item, decoded(item)
        self._reject_undecoded()

    def _reject_undecoded(self) -> None:
        self.rejected = {place: bad for place, (_, bad) in enumerate(self.entries) if isinstance(bad, BadRecord)}
        self.own = [place for place in self.own if place not in self.rejected]


def decoded(item: Item) -> Any:
    """Return the record, or what is wrong with it."""
    if item.problem is not None:
        return BadRecord([item.problem])
    body = msgspec.json.encode(item.body) if isinstance(item.body, Text) else item.body
    try:
        return decode_record(item.section, body)
    except BadRecord as bad:
        return bad.with_traceback(None)  # which would keep what led here in memory


class Taker:
    """Takes portions in their order and tells *on_done* of each when it is written; `settle` waits for the last.

    *begin_feed* is called before the first record of facts is taken. *rejected_datasets*, name and number of the record, is
    added to.
    """

    def __init__(
        self,
        *,
        lane: Lane,
        places: Places,
        facts: Facts,
        now: datetime,
        brings_back: bool,
        rejected_datasets: dict[str, int],
        begin_feed: Callable[[], None],
        on_done: Callable[[Portion], None],
    ) -> None:
        self._lane = lane
        self._places = places
        self._facts = facts
        self._now = now
        self._brings_back = brings_back
        self._begin_feed = begin_feed
        self._on_done = on_done
        self._rejected_datasets = rejected_datasets
        self._waiting: Portion | None = None
        self._writing: Portion | None = None

    def take(self, portion: Portion) -> None:
        """Begin with *portion*, and go on with those before it."""
        # Sites and groups are written as they come, in the order of the records; SQLite works in this very thread.
        if connection.vendor != "postgresql" or any(isinstance(r, SiteRecord | GroupRecord) for r in portion.records()):
            self.settle()
            self._lane.do(self._fill_surely, portion)
            self._done(portion)
            return
        if self._waiting is not None and not portion.names.isdisjoint(self._waiting.names):
            self.settle()
        portion.looked = self._begin_look(portion)
        before, self._waiting = self._waiting, portion
        if before is not None:
            self._write(before)

    def settle(self) -> None:
        """Return when all portions that were begun are written."""
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._write(waiting)
        self._finish()

    def _write(self, portion: Portion) -> None:
        """Make up the rows of *portion* from what was found, and let them be written when those before it are."""
        if portion.looked is None:
            raise RuntimeError("a portion was to be written before it was looked at")
        looked = portion.looked.result()
        if looked.verbatim is not None:
            looked.verbatim.take()
            looked.known = looked.verbatim.known
            portion.sift(looked.verbatim.same(portion.counts))
            if portion.has_data:
                portion.begin_again()
                looked = self._lane.do(self._look, portion)
        if looked.verbatim is None:
            portion.sift(sieve(portion.records(), looked.known, places=self._places, counts=portion.counts))
        self._fill(portion, looked, looks_for_files=False)
        self._finish()
        if portion.batch is not None:
            portion.written = self._lane.begin(self._flush, portion.batch)
        self._writing = portion

    def _finish(self) -> None:
        portion, self._writing = self._writing, None
        if portion is None:
            return
        try:
            if portion.written is not None:
                portion.written.result()
        except FileIsKnown:
            portion.written = None
            self._lane.do(self._fill_surely, portion)
            if self._waiting is not None:
                self._waiting.looked = self._begin_look(self._waiting)
        self._done(portion)

    def _done(self, portion: Portion) -> None:
        if portion.batch is not None:
            portion.counts.merge(portion.batch.counts)
            room = _REJECTED_NAMES_KEPT - len(self._rejected_datasets)
            new = {name: n for name, n in portion.batch.rejected_datasets.items() if name not in self._rejected_datasets}
            self._rejected_datasets.update(islice(new.items(), max(room, 0)))
        self._on_done(portion)

    def _begin_look(self, portion: Portion) -> Future[Looked]:
        if portion.has_text:
            return self._lane.begin(self._look_at_texts, Verbatim(portion.records(), self._places))
        return self._lane.begin(self._look, portion)

    def _look_at_texts(self, verbatim: Verbatim) -> Looked:
        verbatim.ask()
        return Looked({}, _facts_of(verbatim.records, verbatim.pks), {}, {}, verbatim)

    def _look(self, portion: Portion) -> Looked:
        records = portion.records()
        known = look([r for r in records if isinstance(r, _NAMING)], self._places)
        naming = [record for record in records if isinstance(record, DatasetRecord | DatasetReplicaRecord)]
        keys = keys_of([record for record in naming if dataset_name(record) not in known])
        facts = _facts_of(records, {name: one.row.pk for name, one in known.items()})
        return Looked(known, facts, self._gone(records, portion.meta_now), keys)

    def _gone(self, records: Sequence[Any], meta_now: datetime | None) -> Mapping[Place, datetime]:
        if meta_now is None or self._brings_back:
            return {}
        return deleted_since({record.dataset for record in records if isinstance(record, DatasetReplicaRecord)}, meta_now)

    def _fill_surely(self, portion: Portion) -> None:
        """Make up the rows with all that the database knows by now, and write them; in the lane."""
        portion.begin_again()
        self._fill(portion, None, looks_for_files=True)
        if portion.batch is not None:
            self._flush(portion.batch)

    def _fill(self, portion: Portion, looked: Looked | None, *, looks_for_files: bool) -> None:
        if not portion.own:
            portion.batch = None
            return
        records = portion.records()
        gone = self._gone(records, portion.meta_now) if looked is None else looked.gone
        batch = Batch(self._places, Counts(), self._now, dict(self._rejected_datasets), looks_for_files, gone)
        known = None if looked is None else {name: one.row for name, one in looked.known.items()}
        if known is None or _asks_more(records, known):
            self._lane.do(batch.load, records, known)
        else:
            batch.load(records, known)
        for place in portion.own:
            item, record = portion.entries[place]
            try:
                self._apply(batch, record)
            except BadRecord as bad:
                if isinstance(record, DatasetRecord):
                    batch.rejected_datasets.setdefault(record.name, item.number)
                portion.rejected[place] = bad.with_traceback(None)
        if looked is not None and looked.keys and looked.known.keys().isdisjoint(map(dataset_name, records)):
            make_up(batch, looked.keys)
        # The facts of a dataset that gets its key only when it is written wait for that.
        if looked is not None and all(batch.datasets[record.dataset].pk is not None for record in batch.attrs):
            self._facts.make_up(batch, looked.facts)
        portion.batch = batch

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

    def _flush(self, batch: Batch) -> None:
        flush(batch)
        if batch.attrs:
            self._facts.write(batch)
        check_references()


def _name(record: Any) -> str:
    return str(record.name if isinstance(record, DatasetRecord) else record.dataset)


def _facts_of(records: Sequence[Any], pks: Mapping[str, int | None]) -> Mapping[int, tuple[Any, ...]]:
    """Return the facts of those datasets of which *records* tell some, by the keys of *pks*."""
    told = {record.dataset for record in records if isinstance(record, AttrsRecord)}
    return facts_of([pk for name in told & pks.keys() if (pk := pks[name]) is not None])


def _asks_more(records: Sequence[Any], known: Mapping[str, Any]) -> bool:
    """Tell whether rows are to be read beside those of the datasets: only then a batch needs the database to be loaded."""
    return any(_asks(record, is_known=dataset_name(record) in known) for record in records)


def _asks(record: Any, *, is_known: bool) -> bool:
    if isinstance(record, AttrsRecord):
        return is_known and not (record.locked_blocks is UNSET and record.enforcer_protected_replicas is UNSET)
    if isinstance(record, DatasetReplicaRecord) and any(part.files is not UNSET for part in record.blockreplicas):
        return True
    return is_known
