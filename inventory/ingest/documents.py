"""Documents read record by record in bounded memory: JSON lines, one JSON object, CSV or TSV; plain, ``.gz`` or ``.xz``.

JSON lines: each line is an object with any of the sections; a line that cannot be read is one bad record, the rest goes on.
One object (or several on end): its large arrays are streamed; sections that come before what they depend on wait in a
temporary file. Here a syntax error ends the reading, because nothing tells where the next record begins.
"""

from __future__ import annotations

import codecs
import gzip
import json
import lzma
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import IO, Any

import ijson
import msgspec

from inventory.exceptions import IngestError
from inventory.ingest.records import texts_of_section
from inventory.ingest.rejects import Problem, closest, visible
from inventory.ingest.streamed import MAX_DEPTH, REPEATED_SECTION, ObjectStream, Spool, half_of_character
from inventory.ingest.tables import DELIMITERS, table_lines

#: Sections in the order in which they build on one another; others come last.
ORDER = {"meta": 0, "site": 1, "group": 1, "dataset": 2, "datasetreplica": 3, "attrs": 4}
LAST = 5

#: Largest record, and largest line, that is taken into memory.
MAX_RECORD_BYTES = 64 * 1024 * 1024

_PEEK_BYTES = 4 * 1024 * 1024
_GZIP = b"\x1f\x8b"
_XZ = b"\xfd7zXZ\x00"
#: How files begin that are something else than JSON, what they are and what helps.
_OTHER_KINDS = {
    codecs.BOM_UTF16_LE: ("text in UTF-16 or UTF-32", "convert it to UTF-8, for instance with iconv"),
    codecs.BOM_UTF16_BE: ("text in UTF-16", "convert it to UTF-8, for instance with iconv"),
    b"PK\x03\x04": ("a zip archive", "unpack it, or pack the document with gzip or xz"),
    b"BZh": ("packed with bzip2", "unpack it, or pack it with gzip or xz"),
    b"\x28\xb5\x2f\xfd": ("packed with zstd", "unpack it, or pack it with gzip or xz"),
}


class Item(msgspec.Struct, frozen=True, gc=False):
    """One record as it was found: ``number`` of its line or object (from 1), ``path`` in it, JSON text or decoded value.

    The body is a ``Text`` where the reader was told to leave some as text, and the rest is right.

    ``problem`` is set where the record could not be told from the text; ``body`` is then what there is of it. ``num_bytes`` is
    how much text was read for it; where several are read at once that is right only for all of them together.
    """

    number: int
    section: str
    path: str
    body: Any
    problem: Problem | None = None
    num_bytes: int = 0


class DocumentReader:
    """The records of one source, in an order in which each comes after what it builds on within its line or object.

    ``sections`` names the sections seen so far, empty ones too; ``position`` and ``length`` are bytes of the source as it
    is stored (``length`` None if unknown), for a progress bar. Reading raises ``IngestError`` where it cannot go on. While
    ``leaves_text`` is set blocks and block replicas are not looked at.
    """

    leaves_text = False

    def __init__(
        self,
        stream: IO[bytes],
        *,
        length: int | None,
        known_sections: frozenset[str],
        max_record_bytes: int,
        delimiter: str | None = None,
    ) -> None:
        self._delimiter = delimiter
        self.sections: set[str] = set()
        self.length = length
        self._stored = _Counted(stream)
        self._known = known_sections | {"meta"}
        self._max_record_bytes = max_record_bytes

    @property
    def position(self) -> int:
        """Return how many bytes of the source were read."""
        return self._stored.position

    def __iter__(self) -> Iterator[Item]:
        try:
            plain = BufferedReader(_decompressed(BufferedReader(self._stored)), buffer_size=_PEEK_BYTES)
            if self._delimiter is not None:
                yield from self._table(plain, self._delimiter)
                return
            start = plain.peek(_PEEK_BYTES)
            if start.startswith(codecs.BOM_UTF8):
                plain.read(len(codecs.BOM_UTF8))
                start = plain.peek(_PEEK_BYTES)
            _refuse_other_kinds(start)
            if not start.strip() and len(start) < _PEEK_BYTES:
                raise IngestError("the document is empty: expected a JSON object with sections, or one per line")
            yield from self._lines(plain) if _is_lines(start) else self._objects(plain)
        except (EOFError, gzip.BadGzipFile, lzma.LZMAError, zlib.error) as error:
            raise IngestError(f"the compressed data are cut off or damaged ({error}): fetch the file again") from error

    def _table(self, plain: BufferedReader[Any], delimiter: str) -> Iterator[Item]:
        for number, section, record, problem in table_lines(plain, delimiter, max_line_bytes=self._max_record_bytes):
            self.sections.add(section)
            yield Item(number, section, f"{section}[0]", record, problem)

    def _lines(self, plain: BufferedReader[Any]) -> Iterator[Item]:
        number = 0
        while line := plain.readline(self._max_record_bytes + 1):
            number += 1
            if len(line) > self._max_record_bytes:
                while not line.endswith(b"\n") and (line := plain.readline(_PEEK_BYTES)):
                    pass
                yield Item(number, "", "", None, self._too_large())
            elif line.strip():
                yield from self._line(number, line)

    def _line(self, number: int, line: bytes) -> Iterator[Item]:
        try:
            document = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
            twice = _repeated_key(line, document)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            yield Item(number, "", "", line, _unreadable(line, error), len(line))
            return
        if twice is not None:
            yield Item(number, twice, twice, line, REPEATED_SECTION, len(line))
            return
        for section in sorted(document, key=lambda name: ORDER.get(name, LAST)):
            if section not in self._known:
                yield Item(number, section, section, document[section], self._unknown_section(section))
                continue
            self.sections.add(section)
            if section == "meta":
                yield Item(number, section, section, document[section])
                continue
            if self.leaves_text and (texts := texts_of_section(section, document[section])):
                num_bytes = memoryview(document[section]).nbytes // len(texts)
                for index, text in enumerate(texts):
                    yield Item(number, section, f"{section}[{index}]", text, None, num_bytes)
                continue
            try:
                bodies = msgspec.json.decode(document[section], type=list[msgspec.Raw])
            except (msgspec.DecodeError, RecursionError) as error:
                problem = Problem("", "something else", "a list of records", str(error))
                yield Item(number, section, section, document[section], problem)
                continue
            for index, body in enumerate(bodies):
                yield Item(number, section, f"{section}[{index}]", body, None, memoryview(body).nbytes)

    def _objects(self, plain: BufferedReader[Any]) -> Iterator[Item]:
        with Spool() as spool:
            try:
                stream = ObjectStream(plain, spool=spool, order=ORDER, last=LAST, max_record_bytes=self._max_record_bytes)
                read = 0
                for number, section, path, body, problem in stream:
                    if section and section not in self._known:
                        if section not in self.sections:
                            yield Item(number, section, section, None, self._unknown_section(section))
                        self.sections.add(section)
                        continue
                    if section:
                        self.sections.add(section)
                    if problem is not None or path:
                        is_record = self.leaves_text and isinstance(body, msgspec.Raw)
                        texts = texts_of_section(section, b"[%b]" % body) if is_record else ()
                        yield Item(number, section, path, texts[0] if texts else body, problem, stream.num_bytes - read)
                        read = stream.num_bytes
            except (ijson.JSONError, UnicodeDecodeError) as error:
                said = error.args[0] if error.args and isinstance(error.args[0], bytes) else str(error).encode()
                text = visible((said.decode(errors="replace").strip().splitlines() or ["no JSON"])[0])
                raise IngestError(
                    f"the document is cut off or no JSON, near byte {self.position} of the source: {text}; "
                    "mend it, or write one object per line, so that bad ones can be skipped"
                ) from error

    def _unknown_section(self, section: str) -> Problem:
        known = sorted(self._known)
        return Problem("", f'a section "{section}"', f"one of {', '.join(known)}", closest(section, known))

    def _too_large(self) -> Problem:
        limit = f"at most {self._max_record_bytes:,} bytes"
        return Problem("", "a line that is longer", limit, "write the dataset in several records, each with some of its blocks")


@contextmanager
def open_document(
    source: str,
    *,
    known_sections: frozenset[str],
    max_record_bytes: int = MAX_RECORD_BYTES,
    stream: IO[bytes] | None = None,
    length: int | None = None,
) -> Iterator[DocumentReader]:
    """Open a file, or standard input for ``-``, or read *stream* of *length* bytes, which *source* only names.

    A name that ends in .csv or .tsv (before .gz or .xz) says that it is a table. Raises ``IngestError`` if it cannot be opened.
    """
    path = Path(source)
    kind = Path(path.stem).suffix if path.suffix in {".gz", ".xz"} else path.suffix
    delimiter = DELIMITERS.get(kind.lower())
    if stream is None and source == "-":
        stream, length = sys.stdin.buffer, None
    if stream is not None:
        yield DocumentReader(
            stream, length=length, known_sections=known_sections, max_record_bytes=max_record_bytes, delimiter=delimiter
        )
        return
    try:
        opened = path.open("rb")
    except OSError as error:
        raise IngestError(f"{source} cannot be opened: {error.strerror}") from error
    with opened:
        length = path.stat().st_size
        yield DocumentReader(
            opened, length=length, known_sections=known_sections, max_record_bytes=max_record_bytes, delimiter=delimiter
        )


class _Counted(RawIOBase):
    """A stream that knows how much of it was read; closing it leaves the stream to whoever opened it."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__()
        self._stream = stream
        self.position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


def _decompressed(stored: BufferedReader) -> BufferedReader | gzip.GzipFile | lzma.LZMAFile:
    start = stored.peek(len(_XZ))
    if start.startswith(_GZIP):
        return gzip.GzipFile(fileobj=stored, mode="rb")
    if start.startswith(_XZ):
        return lzma.LZMAFile(stored, mode="rb")
    return stored


def _is_lines(start: bytes) -> bool:
    """Tell whether the text is JSON lines: its first line is a whole value, or its second one begins an object, too."""
    first, newline, rest = start.lstrip().partition(b"\n")
    if not newline and len(start) >= _PEEK_BYTES:
        return False
    try:
        msgspec.json.decode(first, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError):
        return rest.startswith(b"{")
    return True


def _refuse_other_kinds(start: bytes) -> None:
    for beginning, (what, advice) in _OTHER_KINDS.items():
        if start.startswith(beginning):
            raise IngestError(f"the document is {what}, expected JSON in UTF-8, plain, .gz or .xz: {advice}")


def _repeated_key(line: bytes, document: dict[str, msgspec.Raw]) -> str | None:
    """Return a key that the object of *line* has twice, None if all differ; *document* has the last of each."""
    # With a blank after each comma and colon: of what is longer, a part may have been lost to the same key further on.
    spaced = 2 + sum(len(key) + 6 + memoryview(body).nbytes for key, body in document.items())
    if len(line) <= spaced or len(line.strip()) <= spaced:
        return None
    pairs: list[tuple[str, Any]] = json.loads(line, object_pairs_hook=list, parse_int=str, parse_float=str)
    keys = [key for key, _ in pairs]
    return next((key for key in keys if keys.count(key) > 1), None)


def _unreadable(line: bytes, error: Exception) -> Problem:
    try:
        line.decode()
    except UnicodeDecodeError as wrong:
        found = f"invalid UTF-8 (byte 0x{line[wrong.start]:02x} at position {wrong.start} of the line)"
        return Problem("", found, "text in UTF-8", "convert the file, for instance with iconv")
    if isinstance(error, msgspec.ValidationError):
        return Problem("", "something else", "a JSON object with sections", str(error))
    if isinstance(error, RecursionError):
        return Problem("", "values that are nested too deep", f"at most {MAX_DEPTH} in one another")
    if half := half_of_character(line):
        return Problem("", f"{half}, half of a character", "both halves one after the other, or the character itself")
    return Problem("", "text that is cut off or no JSON", "one JSON object per line", str(error))
