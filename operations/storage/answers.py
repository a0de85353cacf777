"""What the primitives of a back end say, before it becomes the result of a file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from operations.choices import FileOutcome
from operations.storage.listing import Entry

#: Components of a path below the root of a site.
Path = tuple[str, ...]
#: Tells whether another request may be made; asked before each one.
MayGo = Callable[[], bool]


class Kind(Enum):
    """What lies at a path."""

    FILE = "a file"
    FOLDER = "a folder"
    MISSING = "nothing"
    UNCLEAR = "not known"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at a path showed; ``problem``: why it is not known; ``size_bytes`` is -1 where the storage does not tell,
    ``modified_at`` None (whole seconds).
    """

    kind: Kind
    size_bytes: int = -1
    problem: Answer | None = None
    modified_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request to change something; DELETED means that the file is gone from its path, as was asked."""

    outcome: FileOutcome
    message: str = ""
    is_untouched: bool = False


class StorageError(Exception):
    """A request failed; ``answer`` says what that means for the file."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.message)
        self.answer = answer


class Store(Protocol):
    """The primitives of a back end. Paths have been checked; requests are limited in time and never follow a redirection.

    - ``removes_blindly``: a removal does not tell a file from a folder, or what is missing from what was removed;
    - ``can_prune``: a folder can be removed in a way that fails when something is in it;
    - ``shows_links``: no symbolic link can hide in a list, because the storage has none;
    - ``unnameable``: texts that a path must not have, because the back end would read another path.
    """

    removes_blindly: bool
    can_prune: bool
    shows_links: bool
    unnameable: tuple[str, ...]

    def look(self, paths: Sequence[Path], may_go: MayGo) -> dict[Path, Seen]:
        """Return what lies at each path; what was not looked at any more is absent."""
        ...

    def entries(self, folder: Path) -> Iterator[list[Entry]]:
        """Yield what is in a folder in pages. Raises ``StorageError``, with ABSENT when there is no such folder."""
        ...

    def remove(self, paths: Sequence[Path], may_go: MayGo) -> dict[Path, Answer]:
        """Remove files; what was not tried any more is absent."""
        ...

    def move(self, pairs: Sequence[tuple[Path, Path]], may_go: MayGo) -> dict[Path, Answer]:
        """Move files, by the path they had; their new folders exist, and nothing has been seen at their new paths."""
        ...

    def is_half_moved(self, path: Path, target: Path) -> bool:
        """Tell whether *target* is a whole copy of *path* because a move was cut short before it removed the original.

        Never where a move is one step. Raises ``StorageError``.
        """
        ...

    def make_folder(self, path: Path) -> bool:
        """Make a folder with those above it; tell whether it was made now. Raises ``StorageError``."""
        ...

    def remove_folder(self, path: Path) -> bool:
        """Remove a folder if nothing is in it; tell whether it is gone. Never raises for what the storage answers."""
        ...

    def read(self, path: Path) -> Iterator[bytes]:
        """Yield the content of a file. Raises ``StorageError``, with ABSENT when nothing is there."""
        ...

    def write(self, path: Path, content: bytes) -> None:
        """Write a small file. Raises ``StorageError``."""
        ...
