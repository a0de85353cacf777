"""Facts that one feed sends by themselves: lines of facts become a document that carries this feed and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BufferedReader, RawIOBase
from typing import IO, Any

import msgspec

from inventory.exceptions import InvalidInput
from inventory.models import Injection
from inventory.services.audit import Actor
from inventory.services.feeds import demand_feed, demand_limit, feed_limit_set
from inventory.services.injection_jobs import Wishes, injection_receive

#: Largest line of facts.
_LINE_BYTES = 1 << 20


def feed_receive(
    *,
    name: str,
    stream: IO[bytes],
    measured_at: datetime,
    source: str,
    actor: Actor,
    max_age: timedelta | None = None,
    is_dry_run: bool = False,
) -> Injection:
    """Take *stream*, one JSON object of facts on each line, as the complete feed *name*, measured by *source* at *measured_at*.

    What it does not name is 0, never or no from then on. With *max_age* the feed has this freshness limit from then on, whatever
    becomes of the facts. Small ones are taken at once, others by a worker. Raises ``NotFound`` for a feed that there is none of,
    ``InvalidInput`` for a line that is no JSON object, and for a feed that names no dataset: it would say of all that nobody has
    ever read them; of a new limit what `feed_limit_set` raises, and nothing is taken then. Wrong facts make a failed injection.
    """
    demand_feed(name)
    if max_age is not None:
        demand_limit(name, max_age, actor)
    meta = {"now": measured_at.timestamp(), "feeds": [name], "source": source}
    document = BufferedReader(_Pieces(_lines(stream, msgspec.json.encode({"meta": meta}) + b"\n")))
    injection = injection_receive(stream=document, actor=actor, wishes=Wishes(name=f"feed {name}", is_dry_run=is_dry_run))
    if max_age is not None and not is_dry_run:
        feed_limit_set(name=name, max_age=max_age, actor=actor, reason=f"sent with injection {injection.pk} by {source}")
    return injection


def _lines(facts: IO[bytes], first: bytes) -> Iterator[bytes]:
    yield first
    rest = b""
    number = num_facts = 0
    while piece := facts.read(1 << 16):
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            number += 1
            num_facts += bool(line.strip())
            yield _wrapped(line, number)
        if len(rest) > _LINE_BYTES:
            raise InvalidInput(
                f"line {number + 1} is longer than {_LINE_BYTES:,} bytes: expected the facts of one dataset on each line"
            )
    if not num_facts and not rest.strip():
        raise InvalidInput("the feed names no dataset: expected the facts of one on each line")
    yield _wrapped(rest, number + 1)


def _wrapped(line: bytes, number: int) -> bytes:
    """Return the line as a record of a document; only a whole JSON object passes, so that no line can say anything else."""
    if not line.strip():
        return b""
    try:
        msgspec.json.decode(line, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidInput(
            f'line {number} is no JSON object ({error}): expected facts of one dataset, as {{"dataset": ...}}'
        ) from error
    return b'{"attrs": [' + line.strip() + b"]}\n"


class _Pieces(RawIOBase):
    """Pieces of bytes, to be read like a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._left = self._left or next((piece for piece in self._pieces if piece), b"")
        given, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)
