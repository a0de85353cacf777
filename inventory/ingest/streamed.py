"""One large JSON object, streamed: its sections' records one by one, and a file for those that come too early."""

from __future__ import annotations

import itertools
import re
import tempfile
from collections.abc import Iterator, Mapping
from typing import IO, Any

import ijson
import msgspec

from inventory.exceptions import IngestError
from inventory.ingest.rejects import Problem

#: number of the object, section, path, value, problem; an empty path says only that the section was seen.
Found = tuple[int, str, str, Any, Problem | None]

#: A section that comes twice in an object: which of the two is meant, nobody can tell.
REPEATED_SECTION = Problem("", "the section for a second time", "each section once")

#: Values in one another: records have four such levels, the rest is for free-form attributes.
MAX_DEPTH = 100

_READ_BYTES = 65536
#: An escape of JSON: a whole pair of surrogates, half of one, or any other.
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_LONGEST_ESCAPE = len(rb"\ud83d\ude00")
_OPENING = frozenset({"start_map", "start_array"})
_CLOSING = frozenset({"end_map", "end_array"})


class Spool:
    """Records that must wait, as JSON lines in a temporary file."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self.num_bytes = 0

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._file.close()

    def add(self, rank: int, found: Found) -> None:
        """Keep a record that has no problem."""
        number, section, path, body, _ = found
        self._file.write(msgspec.json.encode((rank, number, section, path, body)) + b"\n")

    def drain(self) -> Iterator[Found]:
        """Yield what was kept by rank, within a rank as it came, and forget it."""
        decoder = msgspec.json.Decoder(tuple[int, int, str, str, msgspec.Raw])
        ranks = sorted({decoder.decode(line)[0] for line in self._rewound()})
        for wanted in ranks:
            for line in self._rewound():
                rank, number, section, path, body = decoder.decode(line)
                if rank == wanted:
                    self.num_bytes += len(line)
                    yield number, section, path, body.copy(), None
        self._file.seek(0)
        self._file.truncate()

    def _rewound(self) -> IO[bytes]:
        self._file.seek(0)
        return self._file


class _Metered:
    """A stream that stops when a single record takes more than its share."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream = stream
        self._limit = limit
        self._since = 0
        self._characters = _WholeCharacters()
        self.num_bytes = 0

    def record_ended(self) -> None:
        self._since = 0

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, a few more or fewer than *size*, none at the end."""
        while True:
            data = self._read(size)
            passed = self._characters.passed(data)
            if passed or not data:
                return passed

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._since += len(data)
        self.num_bytes += len(data)
        if self._since > self._limit + _READ_BYTES:
            raise IngestError(
                f"a single record is larger than {self._limit:,} bytes: write the dataset in several records, "
                "each with some of its blocks"
            )
        return data


def half_of_character(text: bytes) -> str:
    """Return the first \\u escape that is half of a character, empty if all are whole."""
    return next((match[0].decode() for match in _ESCAPE.finditer(text) if match["half"]), "")


class _WholeCharacters:
    """Finds a \\u escape that is half of a character: ijson makes a question mark of it, and a name would become another."""

    def __init__(self) -> None:
        self._rest = b""

    def passed(self, data: bytes) -> bytes:
        """Return what may be read of a text whose next bytes are *data*, its rest once they are empty. Raises ``IngestError``."""
        text = self._rest + data
        end = len(text) - _LONGEST_ESCAPE if data else len(text)
        done = 0
        for match in _ESCAPE.finditer(text):
            if match.start() >= end:
                break
            if match["half"]:
                raise IngestError(
                    f"{match[0].decode()} is half of a character: write both halves one after the other, or the character itself"
                )
            done = match.end()
        seen = max(done, end, 0)
        self._rest = text[seen:]
        return text[:seen]


class ObjectStream:
    """The records of each top-level object of a stream, a section only after all those that it may build on.

    ``order`` gives the rank of each section, ``last`` that of all others. Reading raises ``ijson.JSONError`` on a syntax
    error or a cut-off text, ``IngestError`` on a record that is too large or on half of a character.
    """

    def __init__(self, stream: IO[bytes], *, spool: Spool, order: Mapping[str, int], last: int, max_record_bytes: int) -> None:
        self._metered = _Metered(stream, max_record_bytes)
        self._events = ijson.basic_parse(self._metered, multiple_values=True, use_float=True, buf_size=_READ_BYTES)
        self._spool = spool
        self._order = order
        self._last = last

    @property
    def num_bytes(self) -> int:
        """Return how many bytes of text were given out: those of the stream, and those that had waited."""
        return self._metered.num_bytes + self._spool.num_bytes

    def __iter__(self) -> Iterator[Found]:
        # The iterator is shared: what _object reads on is not seen here, so that each turn is a new top-level value.
        for number, (event, value) in enumerate(self._events, start=1):
            if event == "start_map":
                yield from self._object(number)
            else:
                self._value(event, value)
                yield number, "", "", None, Problem("", "a value that is no object", "a JSON object with sections")

    def _object(self, number: int) -> Iterator[Found]:
        seen: set[str] = set()
        for event, section in self._events:
            if event == "end_map":
                break
            if section in seen:
                yield number, section, section, None, REPEATED_SECTION
            seen.add(section)
            rank = self._order.get(section, self._last)
            must_wait = any(other not in seen for other, before in self._order.items() if before < rank)
            yield number, section, "", None, None
            for found in self._section(number, section):
                if must_wait and found[4] is None:
                    self._spool.add(rank, found)
                else:
                    yield found
        yield from self._spool.drain()

    def _section(self, number: int, section: str) -> Iterator[Found]:
        event, value = next(self._events)
        if section == "meta":
            yield number, section, section, self._value(event, value), None
            return
        if event != "start_array":
            self._value(event, value)
            yield number, section, section, None, Problem("", "something else", "a list of records")
            return
        for index in itertools.count():
            event, value = next(self._events)
            if event == "end_array":
                return
            # As text again: as Python's values, which wait for the rest of their portion, records take five times the memory.
            body = msgspec.Raw(msgspec.json.encode(self._value(event, value)))
            self._metered.record_ended()
            yield number, section, f"{section}[{index}]", body, None

    def _value(self, event: str, value: Any) -> Any:
        """Return the value that begins with this event, reading on to its end."""
        builder = ijson.ObjectBuilder()
        builder.event(event, value)
        depth = 1 if event in _OPENING else 0
        while depth:
            event, value = next(self._events)
            builder.event(event, value)
            depth += (event in _OPENING) - (event in _CLOSING)
            if depth > MAX_DEPTH:
                raise IngestError(f"values are nested too deep: at most {MAX_DEPTH} may be in one another")
        return builder.value
