"""One call at an opened local folder: each file is taken relative to an open directory, so no link or rename leads outside."""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from operations.choices import FileOutcome
from operations.storage.errors import message_of, outcome_of
from operations.storage.local_listing import plain_files
from operations.storage.local_trash import TrashFolders
from operations.storage.markers import MARKER_NAME, leave_marker, marker_owner
from operations.storage.paths import Placement
from operations.storage.results import FileResult, ShouldStop, TrashedFile, refused

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: Files between two lists of their folder: so old may be what is known of a file when it is removed.
_FILES_PER_LIST = 100


class Remover(Protocol):
    """The two operations that change an open folder; the system's, or what a test puts in their place.

    Not fsspec's: those take paths, which a rename of a folder above can lead elsewhere, and cost twice as much.
    """

    def unlink(self, path: str, *, dir_fd: int) -> None: ...

    def rmdir(self, path: str, *, dir_fd: int) -> None: ...


class Storage(Protocol):
    """The local folder of a site."""

    @property
    def site_name(self) -> str: ...

    @property
    def root(self) -> Path: ...

    @property
    def files(self) -> Remover: ...

    def of_another(self, owner: str | None) -> str: ...


class Blocked(Exception):
    """The folder of a file cannot be entered: what that means for each file in it."""

    def __init__(self, outcome: FileOutcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message


class Way(Protocol):
    """What is done with a file that is there, and what it means that one is not."""

    def take(self, folder: int, placement: Placement) -> FileResult: ...

    def missing(self, placement: Placement, message: str) -> FileResult: ...

    def close(self) -> None: ...


class Call:
    """One ``delete`` or ``trash`` in an opened root."""

    def __init__(self, gateway: Storage, root: int, should_stop: ShouldStop) -> None:
        self._gateway = gateway
        self.root = root
        self._device = os.fstat(root).st_dev
        self._should_stop = should_stop
        self._owner = marker_owner(root)
        self._is_proven = self._owner == gateway.site_name

    def run(self, placements: Sequence[Placement], way: Way) -> list[FileResult]:
        if self._owner not in {None, "", self._gateway.site_name}:
            reason = self._gateway.of_another(self._owner)
            return [refused(p.lfn, reason) for p in placements]
        results: list[FileResult] = []
        by_folder: dict[tuple[str, ...], list[Placement]] = defaultdict(list)
        for placement in placements:
            by_folder[placement.parts[:-1]].append(placement)
        for parents, some in sorted(by_folder.items()):
            results.extend(self._take_in_folder(parents, some, way))
        if self._is_proven:
            return results
        return [self._doubted(result) if result.outcome == FileOutcome.ABSENT else result for result in results]

    def _doubted(self, result: FileResult) -> FileResult:
        message = (
            f"not there, but nothing shows that {self._gateway.root} is the storage of {self._gateway.site_name} and is mounted; "
            f"if it is, put a file {MARKER_NAME} with the site's name into it"
        )
        return result._replace(outcome=FileOutcome.RETRYABLE, message=message)

    def _take_in_folder(self, parents: tuple[str, ...], placements: list[Placement], way: Way) -> list[FileResult]:
        results: list[FileResult] = []
        with self.opened(parents) as (folders, blocked):
            for start in range(0, len(placements), _FILES_PER_LIST):
                some = placements[start : start + _FILES_PER_LIST]
                taken = self._take_blocked(some, blocked, way) if blocked else self._take_listed(folders[-1], some, way)
                results += taken
                if len(taken) < len(some):
                    break
            self._remove_empty(folders, parents)
        return results

    def _take_listed(self, folder: int, placements: list[Placement], way: Way) -> list[FileResult]:
        """Take files of an open folder until all are or the caller says stop, after one list of it."""
        results: list[FileResult] = []
        plain = plain_files(folder, [placement.parts[-1] for placement in placements])
        for placement in placements:
            if self._should_stop():
                break
            if self._is_proven and placement.parts[-1] in plain:  # nearly all
                results.append(way.take(folder, placement))
            else:
                results.append(self._take_one(folder, placement, way, is_plain=placement.parts[-1] in plain))
        return results

    def _take_blocked(self, placements: list[Placement], blocked: Blocked, way: Way) -> list[FileResult]:
        """Return what it means for files, until the caller says stop, that their folder cannot be entered."""
        results: list[FileResult] = []
        for placement in placements:
            if self._should_stop():
                break
            if blocked.outcome == FileOutcome.ABSENT:
                results.append(way.missing(placement, blocked.message))
            else:
                results.append(FileResult(placement.lfn, blocked.outcome, blocked.message, is_untouched=True))
        return results

    @contextmanager
    def opened(self, parents: tuple[str, ...]) -> Iterator[tuple[list[int], Blocked | None]]:
        """Open each folder from the root down, following no link; yield those opened and what stopped the descent."""
        with ExitStack() as stack:
            folders = [self.root]
            blocked: Blocked | None = None
            for name in parents:
                try:
                    folder = os.open(name, FOLDER | os.O_NOFOLLOW, dir_fd=folders[-1])
                except OSError as error:
                    blocked = _why_blocked(name, folders[-1], error)
                    break
                stack.callback(os.close, folder)
                blocked = self._foreign(name, folder)
                if blocked:
                    break
                folders.append(folder)
            yield folders, blocked

    def _foreign(self, name: str, folder: int) -> Blocked | None:
        """Return why a folder below the root is not the site's own: another file system, or another site's storage."""
        if os.fstat(folder).st_dev != self._device:
            return Blocked(FileOutcome.REFUSED, f"another file system is mounted at folder {name!r}")
        owner = marker_owner(folder)
        if owner is not None:
            return Blocked(FileOutcome.REFUSED, f"folder {name!r} is marked as the storage of {owner or 'a site'}")
        return None

    def _take_one(self, folder: int, placement: Placement, way: Way, *, is_plain: bool) -> FileResult:
        """Take a file, unless a look shows that it is none; *is_plain*: a list of the folder has just shown that it is one."""
        if not is_plain:
            try:
                kind = os.stat(placement.parts[-1], dir_fd=folder, follow_symlinks=False).st_mode
            except FileNotFoundError:
                return way.missing(placement, "already absent")
            except OSError as error:
                return FileResult(placement.lfn, outcome_of(error), message_of(error), is_untouched=True)
            if not stat.S_ISREG(kind):
                return refused(placement.lfn, f"is {_KINDS.get(stat.S_IFMT(kind), 'no regular file')}, only files are deleted")
        if not self._is_proven:
            self._leave_marker()
        return way.take(folder, placement)

    @property
    def files(self) -> Remover:
        """Return what removes files and folders."""
        return self._gateway.files

    def _leave_marker(self) -> None:
        """Mark the root as the site's, now that a file of the site was seen in it."""
        self._is_proven = True
        leave_marker(self.root, self._gateway.site_name)

    def _remove_empty(self, folders: list[int], parents: tuple[str, ...]) -> None:
        """Remove the folders of the chain that are empty, deepest first, never the root; stop at the first that stays."""
        for depth in range(len(folders) - 1, 0, -1):
            try:
                self.files.rmdir(parents[depth - 1], dir_fd=folders[depth - 1])
            except FileNotFoundError:
                continue  # another worker removed it
            except OSError:
                return  # not empty, or it may not be removed: a folder that stays does no harm


class Deleting:
    """Removes files."""

    def __init__(self, call: Call) -> None:
        self._files = call.files

    def take(self, folder: int, placement: Placement) -> FileResult:
        try:
            self._files.unlink(placement.parts[-1], dir_fd=folder)
        except FileNotFoundError:
            # Somebody else removed it between the two steps; it was there a moment ago, so the folder is mounted.
            return FileResult(placement.lfn, FileOutcome.ABSENT, "already absent")
        except OSError as error:
            outcome = outcome_of(error)
            return FileResult(placement.lfn, outcome, message_of(error), is_untouched=outcome == FileOutcome.REFUSED)
        return FileResult(placement.lfn, FileOutcome.DELETED)

    def missing(self, placement: Placement, message: str) -> FileResult:
        return FileResult(placement.lfn, FileOutcome.ABSENT, message, is_untouched=True)

    def close(self) -> None:
        """Nothing is kept open."""


class Trashing:
    """Renames files into the folders of their deletions; what an earlier attempt moved there is found, not absent."""

    def __init__(self, call: Call, files: dict[str, TrashedFile]) -> None:
        self._files = files
        self._folders = TrashFolders(call.root)

    def take(self, folder: int, placement: Placement) -> FileResult:
        return self._folders.take(folder, placement.parts[-1], self._files[placement.lfn])

    def missing(self, placement: Placement, message: str) -> FileResult:
        return self._folders.missing(self._files[placement.lfn], message)

    def close(self) -> None:
        self._folders.close()


def _why_blocked(name: str, parent: int, error: OSError) -> Blocked:
    if isinstance(error, FileNotFoundError):
        return Blocked(FileOutcome.ABSENT, "already absent, with its folder")
    try:
        kind = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except OSError as second:
        return Blocked(outcome_of(second), f"folder {name!r}: {message_of(second)}")
    if stat.S_ISLNK(kind):
        return Blocked(FileOutcome.REFUSED, f"folder {name!r} is a symbolic link")
    if not stat.S_ISDIR(kind):
        return Blocked(FileOutcome.UNKNOWN, f"{name!r} should be a folder and is none")
    return Blocked(outcome_of(error), f"folder {name!r}: {message_of(error)}")


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
