"""What a storage shows of itself: entries of folders, and single files as a second look finds them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum

from operations.choices import FileOutcome
from operations.storage.paths import path_problem

#: Entries that a list yields at a time.
PAGE_SIZE = 1000


class ListingError(Exception):
    """A folder cannot be listed, or not to its end: nothing is known of what it holds. ``outcome``: as of a file that failed."""

    def __init__(self, outcome: FileOutcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder.

    ``size_bytes`` is -1 and ``modified_at`` None where the storage does not tell. ``problem``: why it is neither a file nor a
    folder that may be entered (a link, a device, another file system). ``unaskable``: why the storage can be asked nothing by
    this name, though it lists it: what the inventory knows is there, what is dark stays.
    """

    name: str
    is_folder: bool = False
    size_bytes: int = -1
    modified_at: datetime | None = None
    problem: str = ""
    unaskable: str = ""


class SightKind(Enum):
    """What a second look at one file says; MISSING only in a root that is proven to be the site's."""

    THERE = "there"
    MISSING = "not there"
    UNCLEAR = "not known"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look at one file showed; ``message``: why it is not known."""

    lfn: str
    kind: SightKind
    size_bytes: int = -1
    modified_at: datetime | None = None
    message: str = ""


def in_seconds(timestamp: float) -> datetime | None:
    """Return a time in whole seconds, which is what every storage can tell; None for one that no calendar has."""
    try:
        return datetime.fromtimestamp(int(timestamp), tz=UTC)
    except (OverflowError, OSError, ValueError):
        return None


def demand_folder(folder: Sequence[str], *, unnameable: str = "") -> None:
    """Raise ``ListingError`` for a folder that could be another than it says, or above the root of its site (empty: the root)."""
    problem = (path_problem(folder) if folder else "") or unnameable
    if problem:
        raise ListingError(FileOutcome.REFUSED, problem)


def of_http_date(text: str) -> datetime | None:
    """Return the time that an HTTP header or property tells, None for what is none."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def as_text(name: str) -> tuple[str, bool]:
    """Return a name of a file system as text that can be kept, and whether it is the name itself."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return name.encode(errors="surrogateescape").decode(errors="backslashreplace"), False
    return name, True


def in_pages(entries: Iterator[Entry]) -> Iterator[list[Entry]]:
    """Yield entries in lists of ``PAGE_SIZE``."""
    page: list[Entry] = []
    for entry in entries:
        page.append(entry)
        if len(page) == PAGE_SIZE:
            yield page
            page = []
    if page:
        yield page
