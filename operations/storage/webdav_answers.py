"""Multi-status answers of WebDAV: read whole, or as they come, without anything in them that could make them larger."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from urllib.parse import unquote, urlsplit
from xml.etree.ElementTree import Element, ParseError, XMLPullParser, fromstring

from operations.choices import FileOutcome
from operations.storage.answers import Answer, Kind, Seen, StorageError
from operations.storage.listing import Entry, of_http_date

_DAV = "{DAV:}"
_DECLARATIONS = ("<!DOCTYPE", "<!ENTITY")
_LONGEST_DECLARATION = max(map(len, _DECLARATIONS))


def unclear(message: str) -> Seen:
    return Seen(Kind.UNCLEAR, problem=Answer(FileOutcome.UNKNOWN, message, is_untouched=True))


def responses_of(content: bytes) -> Iterator[tuple[str, Seen]]:
    """Yield (path, decoded, what lies there) of a multi-status answer. Raises ``StorageError`` for what is none."""
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content:
        message = "an answer to PROPFIND that declares a document type, which could make it arbitrarily large"
        raise StorageError(Answer(FileOutcome.UNKNOWN, message, is_untouched=True))
    try:
        text = content.decode()
        root = fromstring(text)  # noqa: S314 - without declarations nothing expands
    except (ParseError, ValueError) as error:
        raise StorageError(Answer(FileOutcome.UNKNOWN, f"an answer to PROPFIND that is no XML: {error}"[:500])) from error
    for response in root.iter(f"{_DAV}response"):
        yield _path_of(response), _one_of(response)


def _path_of(response: Element) -> str:
    return unquote(urlsplit(response.findtext(f"{_DAV}href") or "").path)


def _one_of(response: Element) -> Seen:
    kind = response.find(f".//{_DAV}resourcetype")
    if kind is None:
        return unclear("the server does not say whether it is a folder")
    if kind.find(f"{_DAV}collection") is not None:
        return Seen(Kind.FOLDER)
    length = response.findtext(f".//{_DAV}getcontentlength") or ""
    modified_at = of_http_date(response.findtext(f".//{_DAV}getlastmodified") or "")
    return Seen(Kind.FILE, int(length) if length.isdecimal() else -1, modified_at=modified_at)


def responses_in(pieces: Iterable[bytes]) -> Iterator[tuple[str, Seen]]:
    """Yield the same of an answer that comes in pieces, each as soon as it is whole.

    Raises ``StorageError`` for what is none, and where it breaks off.
    """
    decoder, parser = getincrementaldecoder("utf-8")(), XMLPullParser(["start", "end"])
    last: str = ""
    top: Element | None = None
    try:
        for piece in _ended(pieces):
            text = decoder.decode(piece or b"", final=piece is None)
            if any(word in last + text for word in _DECLARATIONS):
                raise StorageError(Answer(FileOutcome.UNKNOWN, "an answer to PROPFIND that declares a document type"))
            last = (last + text)[-_LONGEST_DECLARATION:]
            parser.feed(text)
            if piece is None:
                parser.close()
            for event, element in parser.read_events():
                top = element if top is None else top
                if event == "end" and element.tag == f"{_DAV}response":
                    yield _path_of(element), _one_of(element)
                    top.clear()
    except (ParseError, ValueError) as error:
        raise StorageError(
            Answer(FileOutcome.RETRYABLE, f"an answer to PROPFIND that is no XML to its end: {error}"[:500])
        ) from error
    if top is None or top.tag != f"{_DAV}multistatus":
        raise StorageError(Answer(FileOutcome.UNKNOWN, "an answer to PROPFIND that is no multi-status"))


def _ended(pieces: Iterable[bytes]) -> Iterator[bytes | None]:
    yield from pieces
    yield None


def entries_of(responses: Iterable[tuple[str, Seen]], folder: str) -> Iterator[Entry]:
    """Yield what is in a folder, by its path with a slash at its end. Raises ``StorageError`` for what is not in it."""
    is_named = False
    for path, seen in responses:
        if f"{path.rstrip('/')}/" == folder:
            is_named = True
            if seen.kind != Kind.FOLDER:
                raise StorageError(Answer(FileOutcome.UNKNOWN, "is no folder"))
            continue
        name = path.removeprefix(folder).rstrip("/")
        if not path.startswith(folder) or not name or name in {".", ".."} or "/" in name:
            raise StorageError(Answer(FileOutcome.UNKNOWN, f"the list names {path[:200]!r}, which is not in the folder"))
        yield _entry(name, seen)
    if not is_named:
        raise StorageError(Answer(FileOutcome.UNKNOWN, "the list does not name the folder itself"))


def _entry(name: str, seen: Seen) -> Entry:
    if seen.problem is not None:
        return Entry(name, problem=seen.problem.message)
    return Entry(name, seen.kind == Kind.FOLDER, seen.size_bytes, seen.modified_at)
