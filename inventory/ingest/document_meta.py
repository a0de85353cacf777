"""What a document says of itself: the moment of its facts, which feeds it carries, who measured them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, TypeVar

from inventory.choices import FactFeedName
from inventory.exceptions import IngestError
from inventory.ingest.documents import Item
from inventory.ingest.records import MetaRecord, decode_record, moment
from inventory.ingest.rejects import BadRecord, shown

#: How far the clock of who measured may be ahead.
_CLOCK_SKEW = timedelta(minutes=5)

_Said = TypeVar("_Said")


class DocumentMeta:
    """What was said so far. ``now`` is None until it is given; *feeds* and *source* may be said beforehand, as in the document.

    What is wrong ends the load with ``IngestError``: it would hold for all facts of the document.
    """

    def __init__(self, *, clock: datetime, feeds: Collection[str] | None, source: str | None) -> None:
        self.now: datetime | None = None
        self.feeds: tuple[str, ...] | None = None if feeds is None else tuple(sorted(set(feeds)))
        self.source = source
        self._latest = clock + _CLOCK_SKEW
        self._has_facts = False

    def facts_begin(self) -> None:
        """Note that a record of facts was read: what was not said before it is said too late."""
        self._has_facts = True

    def take(self, item: Item) -> None:
        """Note what a ``meta`` says."""
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
            self.feeds = self._only_once(item.number, "meta.feeds", self.feeds, tuple(sorted(set(meta.feeds))))
        if meta.source is not None:
            self.source = self._only_once(item.number, "meta.source", self.source, meta.source)

    def as_json(self, measured_at: datetime) -> dict[str, Any]:
        """Return a ``meta`` that makes facts part of the same measurement."""
        meta: dict[str, Any] = {"now": measured_at.timestamp()}
        meta |= {} if self.feeds is None else {"feeds": self.feeds}
        return meta | ({} if self.source is None else {"source": self.source})

    def _take_moment(self, number: int, seconds: float | None) -> None:
        if seconds is None:
            return
        now = moment(seconds)
        if now > self._latest:
            raise IngestError(
                f"record {number}: meta.now: found {now.isoformat()}, which lies in the future; expected the moment at which the "
                f"facts were measured, at most {_CLOCK_SKEW.seconds // 60} minutes after this machine's clock: see what set it"
            )
        if self.now not in {None, now} or (self._has_facts and self.now is None):
            before = "attrs without one" if self.now is None else self.now.isoformat()
            raise IngestError(
                f"record {number}: meta.now: found {now.isoformat()} after {before}: facts of "
                "several moments go into several documents, each with meta in front of its attrs"
            )
        self.now = now

    def _only_once(self, number: int, path: str, before: _Said | None, given: _Said) -> _Said:
        if before not in {None, given} or (self._has_facts and before is None):
            raise IngestError(
                f"record {number}: {path}: found {given!r} after {'attrs' if before is None else repr(before)}: "
                "what a document carries is said once, in front of its attrs"
            )
        return given
