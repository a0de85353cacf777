"""Sections ``attrs``: usage facts, locks and enforced replicas of datasets; all of them together are complete feeds.

A document carries the feeds that its ``meta.feeds`` names, without that all but measured attributes; others stay as they are,
with their facts. A feed is the facts as they were at one moment. What a newer feed does not name is unknown no longer: it is 0,
never or no, so what older feeds said is cleared. Documents with the same moment belong to one feed and add to one another; a
document older than the feed that is there changes no fact.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum, auto
from itertools import islice
from typing import Any

from msgspec import UNSET

from inventory.choices import FactFeedName
from inventory.ingest.attributes import attributes_problem
from inventory.ingest.batch import Batch
from inventory.ingest.reading import rows_of
from inventory.ingest.records import AttrsRecord, moment
from inventory.ingest.rejects import BadRecord, Problem, shown
from inventory.ingest.replicas import known_dataset
from inventory.ingest.rows import Counts
from inventory.ingest.sections import Lacks
from inventory.ingest.writing import Upsert
from inventory.models import DatasetFacts, EnforcedReplica, FactFeed, Lock

#: column of DatasetFacts -> field of the record, feed that measures it
_COLUMNS = {
    "num_accesses": ("num_access", FactFeedName.POPULARITY),
    "last_access_at": ("last_access", FactFeedName.POPULARITY),
    "usage_rank": ("usage_rank", FactFeedName.POPULARITY),
    "demand_rank": ("demand_rank", FactFeedName.POPULARITY),
    "tape_copy_requested": ("tape_copy_requested", FactFeedName.TAPE_REQUESTS),
    "unhandled_copy_exists": ("unhandled_copy_exists", FactFeedName.UNHANDLED_COPIES),
    "unknown_in_all_dbs": ("unknown_in_all_dbs", FactFeedName.GLOBAL_CATALOGUES),
    "on_protected_site": ("on_protected_site", FactFeedName.PROTECTED_SITES),
    "is_latest_production_release": ("latest_production_release", FactFeedName.RELEASES),
    "attributes": ("attributes", FactFeedName.ATTRIBUTES),
}
#: What a document carries that names no feeds: all but the one that only who measures it has.
_WITHOUT_BEING_NAMED = frozenset(FactFeedName.values) - {FactFeedName.ATTRIBUTES}
_FEED_OF_FIELD = dict(_COLUMNS.values()) | {"enforcer_protected_replicas": FactFeedName.ENFORCER}
_FACTS = Upsert(DatasetFacts, ("dataset_id", *_COLUMNS), ("dataset_id",), tuple(_COLUMNS))
_ENFORCED = Upsert(EnforcedReplica, ("dataset_replica_id",), ("dataset_replica_id",), ())
_KEYS_PER_QUERY = 5000
_INJECTED = "inject"
_CHANGE_LOCK = "inventory.change_lock"


class FeedAge(Enum):
    """How the document's feed compares with the one that is there; ABSENT where the document does not carry it."""

    NEWER = auto()
    SAME = auto()
    OLDER = auto()
    ABSENT = auto()


class Facts:
    """The facts of one document: takes them batch by batch, then clears what a newer feed no longer names.

    Who injects *lacks* nothing for facts; for locks, which the document takes and releases, the right to those of others.
    """

    def __init__(self, counts: Counts, *, source: str, lacks: Lacks) -> None:
        self._counts = counts
        self._lacks = lacks
        self._lacking_for_locks = ""
        self._source = source[: FactFeed._meta.get_field("source").max_length]
        self._ages: dict[str, FeedAge] = {}
        self._absent: list[tuple[str, str]] = []
        self._rules: list[tuple[str, bool, bool]] = []
        self._named = array("q")
        self._enforced = array("q")
        self._owner = _INJECTED

    @property
    def older_feeds(self) -> list[str]:
        """Return the feeds of which the inventory has newer facts than this document."""
        return sorted(name for name, age in self._ages.items() if age is FeedAge.OLDER)

    def begin(self, measured_at: datetime, *, feeds: Collection[str] | None, source: str | None) -> None:
        """Compare the document's moment with the feeds that it carries (None: see above); called before any record is taken.

        *source* names who measured; without it that is the document.
        """
        self._source = self._source if source is None else source
        self._lacking_for_locks = self._lacks(_CHANGE_LOCK, Lock())
        known = dict(FactFeed.objects.order_by("name").values_list("name", "measured_at"))
        for name in FactFeedName.values:
            if name not in (_WITHOUT_BEING_NAMED if feeds is None else feeds):
                self._ages[name] = FeedAge.ABSENT
                continue
            before = known.get(name)
            newer = before is None or measured_at > before
            self._ages[name] = FeedAge.NEWER if newer else FeedAge.SAME if measured_at == before else FeedAge.OLDER
        # Looked up once: a million look-ups by an enumeration's member take as long as all else that is done with facts.
        self._absent = [(name, feed) for name, feed in _FEED_OF_FIELD.items() if self._ages[feed] is FeedAge.ABSENT]
        self._rules = [
            (name, self._ages[feed] in {FeedAge.OLDER, FeedAge.ABSENT}, self._ages[feed] is FeedAge.SAME)
            for name, feed in _COLUMNS.values()
        ]

    def check(self, batch: Batch, record: AttrsRecord) -> None:
        """Hand the record to the batch; raises ``BadRecord`` if it names what is not there."""
        problems: list[Problem] = []
        known_dataset(batch, record.dataset, problems)
        for name, feed in self._absent:
            if getattr(record, name) is not UNSET:
                help_ = f"name the feed {feed} in meta.feeds if this document has all of it, or leave the field out"
                problems.append(Problem(name, "a fact of another feed", "only facts of the feeds in meta.feeds", help_))
        if wrong := attributes_problem(record.attributes):
            problems.append(wrong)
        if record.locked_blocks is not UNSET:
            if self._lacking_for_locks:
                help_ = "leave the field out, and lock what is yours by itself"
                problems.append(Problem("locked_blocks", "locks", f"none: {self._lacking_for_locks}", help_))
            for site, blocks in record.locked_blocks.items():
                batch.places.site_id(site, f"locked_blocks.{site}", problems)
                for index, block in enumerate(blocks or ()):
                    if (record.dataset, block) not in batch.blocks:
                        path = f"locked_blocks.{site}[{index}]"
                        problems.append(Problem(path, shown(block), f"a block of {record.dataset}"))
        if record.enforcer_protected_replicas is not UNSET:
            for index, site in enumerate(record.enforcer_protected_replicas):
                path = f"enforcer_protected_replicas[{index}]"
                site_id = batch.places.site_id(site, path, problems)
                if site_id and (record.dataset, site_id) not in batch.replicas:
                    problems.append(Problem(path, shown(site), "a site that has a replica of the dataset"))
        if problems:
            raise BadRecord(problems)
        batch.attrs.append(record)

    def make_up(self, batch: Batch, present: Mapping[int, tuple[Any, ...]]) -> None:
        """Do of `write` what asks nothing of the database; *present* is what `facts_of` has found."""
        batch.facts = self._rows(batch, present)

    def write(self, batch: Batch) -> None:
        """Write and count what the batch's records say; its datasets and replicas are in the database by now."""
        self._write_facts(batch)
        self._write_locks(batch)
        if self._ages[FactFeedName.ENFORCER] in {FeedAge.NEWER, FeedAge.SAME}:
            self._write_enforced(batch)

    @property
    def taken_feeds(self) -> list[str]:
        """Return the feeds that this document is, or belongs to."""
        return sorted(name for name, age in self._ages.items() if age in {FeedAge.NEWER, FeedAge.SAME})

    def finish(self, measured_at: datetime) -> None:
        """Clear what a newer feed does not name, and note when the feeds were measured; never moves a feed backwards."""
        stale = [name for name, (_, feed) in _COLUMNS.items() if self._ages[feed] is FeedAge.NEWER]
        if stale:
            self._clear(stale)
        if self._ages[FactFeedName.ENFORCER] is FeedAge.NEWER:
            named = set(self._enforced)
            for some in _chunks(EnforcedReplica.objects.order_by("pk").values_list("pk", flat=True).iterator(chunk_size=5000)):
                gone = [pk for pk in some if pk not in named]
                EnforcedReplica.objects.filter(pk__in=gone).delete()
                self._counts.add("enforced replicas", "removed", len(gone))
        for name, age in self._ages.items():
            if age is FeedAge.NEWER:
                FactFeed.objects.update_or_create(name=name, defaults={"measured_at": measured_at, "source": self._source})

    def _write_facts(self, batch: Batch) -> None:
        named = [pk for record in batch.attrs if (pk := batch.datasets[record.dataset].pk) is not None]
        self._named.extend(named)
        _FACTS.write(self._rows(batch, facts_of(named)) if batch.facts is None else batch.facts)

    def _rows(self, batch: Batch, present: Mapping[int, tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Return the rows that are to be written where those of *present* are there, by the key of their dataset; count all."""
        rows = []
        for record in batch.attrs:
            pk = batch.datasets[record.dataset].pk
            before = present.get(pk) if pk is not None else None
            values = self._values(record, before)
            if values != before:
                rows.append((pk, *values))
            batch.counts.add("facts", "created" if before is None else "changed" if values != before else "unchanged")
        return rows

    def _values(self, record: AttrsRecord, before: tuple[Any, ...] | None) -> tuple[Any, ...]:
        values = []
        for place, (name, is_kept, is_kept_if_not_given) in enumerate(self._rules):
            given = getattr(record, name)
            if is_kept or (given is UNSET and is_kept_if_not_given):
                values.append(before[place] if before is not None else None)
            elif given is UNSET or given is None:
                values.append(None)
            else:
                values.append(_last_access(given) if name == "last_access" else given)
        return tuple(values)

    def _write_locks(self, batch: Batch) -> None:
        """Replace the injected locks of the datasets whose records have ``locked_blocks``; all other locks stay."""
        wanted = {r.dataset: set(_patterns(r.locked_blocks)) for r in batch.attrs if r.locked_blocks is not UNSET}
        present: dict[str, dict[tuple[str, str], int]] = {name: {} for name in wanted}
        for some in _chunks(sorted(wanted)):
            locks = Lock.objects.filter(source=_INJECTED, released_at__isnull=True, dataset_pattern__in=some).order_by("pk")
            for pk, name, site, block in locks.values_list("pk", "dataset_pattern", "site_pattern", "block_pattern"):
                present[name][site, block] = pk
        new = [(name, site, block) for name, pairs in wanted.items() for site, block in sorted(pairs - present[name].keys())]
        gone = [pk for name, pairs in wanted.items() for pair, pk in present[name].items() if pair not in pairs]
        Lock.objects.bulk_create(
            [
                Lock(dataset_pattern=name, block_pattern=block, site_pattern=site, owner=self._owner, source=_INJECTED)
                for name, site, block in new
            ],
            batch_size=1000,
        )
        for some in _chunks(gone):
            Lock.objects.filter(pk__in=some).update(released_at=batch.now)
        batch.counts.add("locks", "created", len(new))
        batch.counts.add("locks", "removed", len(gone))
        batch.counts.add("locks", "unchanged", sum(map(len, present.values())) - len(gone))

    def _write_enforced(self, batch: Batch) -> None:
        wanted = []
        for record in batch.attrs:
            if record.enforcer_protected_replicas is not UNSET:
                for site in record.enforcer_protected_replicas:
                    wanted.append(batch.replicas[record.dataset, batch.places.site_id(site, "", [])].pk)
        present: set[int] = set()
        for some in _chunks(wanted):
            present.update(EnforcedReplica.objects.filter(pk__in=some).values_list("pk", flat=True))
        new = sorted({pk for pk in wanted if pk is not None} - present)
        _ENFORCED.write([(pk,) for pk in new])
        self._enforced.extend(pk for pk in wanted if pk is not None)
        batch.counts.add("enforced replicas", "created", len(new))
        batch.counts.add("enforced replicas", "unchanged", len(present))

    def _clear(self, columns: Sequence[str]) -> None:
        """Clear the facts of datasets that the feed does not name; their rows stay, without values."""
        named = set(self._named)
        keys = DatasetFacts.objects.order_by("pk").values_list("pk", *columns).iterator(chunk_size=5000)
        for some in _chunks(pk for pk, *values in keys if pk not in named and any(value is not None for value in values)):
            DatasetFacts.objects.filter(pk__in=some).update(**dict.fromkeys(columns))
            self._counts.add("facts", "changed", len(some))


def facts_of(pks: Iterable[int]) -> dict[int, tuple[Any, ...]]:
    """Return the facts of these datasets, by the key of each that has some."""
    return {pk: tuple(facts) for pk, *facts in rows_of(DatasetFacts, ("dataset_id", *_COLUMNS), key="dataset_id", values=pks)}


def _last_access(seconds: float) -> datetime | None:
    """Return the moment; 0 is how feeds write never, which is what a feed says of a dataset that it does not name."""
    return moment(seconds) if seconds > 0 else None


def _patterns(locked_blocks: Mapping[str, list[str] | None]) -> Iterator[tuple[str, str]]:
    for site, blocks in locked_blocks.items():
        yield from ((site, block) for block in (["*"] if blocks is None else blocks))


def _chunks(values: Any) -> Iterator[list[Any]]:
    rest = iter(values)
    while some := list(islice(rest, _KEYS_PER_QUERY)):
        yield some
