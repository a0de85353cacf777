"""The one vocabulary in which every storage back end answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from operations.choices import FileOutcome, RestoreOutcome
from operations.storage.listing import Entry, ListingError, Sight, SightKind

ShouldStop = Callable[[], bool]


class FileResult(NamedTuple):
    """What the storage said of one file (a tuple, because ten thousand are made for one lease).

    - ``is_untouched``: the storage was certainly not changed for it (the file is as it was before the call);
    - ``is_in_trash``: it is gone from its place and lies in the trash, put there by this call or by an earlier one;
    - ``version``: what the storage calls the file in its trash, where that is no path.
    """

    lfn: str
    outcome: FileOutcome
    message: str = ""
    is_untouched: bool = False
    is_in_trash: bool = False
    version: str = ""


class RestoreResult(NamedTuple):
    """What became of one file that was to come back from the trash."""

    lfn: str
    outcome: RestoreOutcome
    message: str = ""


@dataclass(frozen=True, slots=True)
class TrashedFile:
    """A file on its way to the trash or in it.

    ``folder`` (below the trash of its site) and ``name`` follow from the deletion and the logical name alone, so that a second
    attempt finds what a first one moved. ``checksum`` is empty or algorithm:value.
    """

    lfn: str
    folder: str
    name: str
    size_bytes: int
    checksum: str = ""
    version: str = ""


class Gateway(Protocol):
    """A way to the storage of one site.

    Every method takes at most ``MAX_FILES_PER_CALL`` files and returns one result for each file that was tried, in the order
    given. ``should_stop`` is asked before each request to the storage; once it says yes nothing more is tried, and the files
    that were not tried have no result. No request waits longer than ``REQUEST_TIMEOUT_SECONDS``.
    """

    @property
    def can_trash(self) -> bool:
        """Tell whether files can be put aside here instead of being deleted."""
        ...

    def delete(self, lfns: Sequence[str], *, should_stop: ShouldStop) -> list[FileResult]:
        """Delete files; folders that became empty below the site's root are removed where that is safe."""
        ...

    def trash(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[FileResult]:
        """Move files to the trash. What an earlier call moved there is deleted, not absent."""
        ...

    def restore(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[RestoreResult]:
        """Move files from the trash back to their places, if size and checksum are right and the place is free."""
        ...

    def purge(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[FileResult]:
        """Delete files in the trash for good, then their folders there."""
        ...

    @property
    def shows_links(self) -> bool:
        """Tell whether no link can hide in a list: the storage has none, or shows which they are."""
        ...

    def list_folder(self, folder: tuple[str, ...], *, should_stop: ShouldStop) -> Iterator[list[Entry]]:
        """Yield the entries of a folder below the root (empty: the root itself) in pages, Dynamo's own in the root left out.

        Raises ``ListingError`` where it cannot be listed to its end, or is another site's. One that is gone is empty.
        """
        ...

    def look(self, lfns: Sequence[str], *, should_stop: ShouldStop) -> list[Sight]:
        """Look at files one by one, changing nothing; those that were not looked at any more have no sight."""
        ...

    def by_path(self) -> Gateway:
        """Return a way to the same storage that takes paths below the root in place of logical names."""
        ...


@dataclass(frozen=True, slots=True)
class RefusingGateway:
    """The gateway of a site whose storage cannot be reached by any means that is known: touches nothing and says why.

    ``outcome`` is RETRYABLE where the cause lies with this host and not with the site.
    """

    reason: str
    outcome: FileOutcome = FileOutcome.REFUSED

    @property
    def can_trash(self) -> bool:
        return False

    def delete(self, lfns: Sequence[str], *, should_stop: ShouldStop) -> list[FileResult]:
        """Refuse all files with the reason."""
        return [FileResult(lfn, self.outcome, self.reason, is_untouched=True) for lfn in lfns]

    def trash(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[FileResult]:
        """Refuse all files with the reason."""
        return self.delete([file.lfn for file in files], should_stop=should_stop)

    def restore(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[RestoreResult]:
        """Refuse all files with the reason."""
        return [RestoreResult(file.lfn, RestoreOutcome(self.outcome), self.reason) for file in files]

    def purge(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[FileResult]:
        """Refuse all files with the reason."""
        return self.delete([file.lfn for file in files], should_stop=should_stop)

    @property
    def shows_links(self) -> bool:
        return False

    def list_folder(self, folder: tuple[str, ...], *, should_stop: ShouldStop) -> Iterator[list[Entry]]:
        """Refuse with the reason. Raises ``ListingError``."""
        raise ListingError(self.outcome, self.reason)

    def look(self, lfns: Sequence[str], *, should_stop: ShouldStop) -> list[Sight]:
        """Say of no file whether it is there."""
        return [Sight(lfn, SightKind.UNCLEAR, message=self.reason) for lfn in lfns]

    def by_path(self) -> Gateway:
        """Return itself: it refuses paths as it refuses names."""
        return self


def refused(lfn: str, message: str) -> FileResult:
    """Return the result of a file that was refused before the storage was asked to change anything."""
    return FileResult(lfn, FileOutcome.REFUSED, message, is_untouched=True)


def moved_before(lfn: str) -> FileResult:
    """Return the result of a file that lies in the trash already, untouched by this call."""
    message = "moved to the trash by an earlier attempt"
    return FileResult(lfn, FileOutcome.DELETED, message, is_untouched=True, is_in_trash=True)
