"""The one vocabulary in which every storage back end answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from operations.choices import FileOutcome


@dataclass(frozen=True, slots=True)
class FileResult:
    """What the storage said of one file.

    ``is_untouched``: the storage was certainly not changed for it (the file is as it was before the call).
    """

    lfn: str
    outcome: FileOutcome
    message: str = ""
    is_untouched: bool = False


class Gateway(Protocol):
    """A way to the storage of one site."""

    def delete(self, lfns: Sequence[str], *, should_stop: Callable[[], bool]) -> list[FileResult]:
        """Delete at most ``MAX_FILES_PER_CALL`` files; return one result for each file that was tried, in the order given.

        ``should_stop`` is asked before each request to the storage; once it says yes nothing more is tried, and the files
        that were not tried have no result. Folders that became empty below the site's root are removed.
        """
        ...


@dataclass(frozen=True, slots=True)
class RefusingGateway:
    """The gateway of a site whose storage cannot be reached by any means that is known: refuses every file, touches nothing."""

    reason: str

    def delete(self, lfns: Sequence[str], *, should_stop: Callable[[], bool]) -> list[FileResult]:
        """Refuse all files with the reason."""
        return [refused(lfn, self.reason) for lfn in lfns]


def refused(lfn: str, message: str) -> FileResult:
    """Return the result of a file that was refused before the storage was asked to change anything."""
    return FileResult(lfn, FileOutcome.REFUSED, message, is_untouched=True)
