"""Local folders (``file://``): every step is taken relative to an open directory, so no link or rename leads outside.

A folder that is not mounted looks like one from which everything has been deleted. "Already absent" is therefore believed
only with a proof that the folder is the site's storage: the marker file ``.dynamo-storage`` in it, or a file of the same
call that was there. The marker is left before the first deletion in a folder; it names the site, so a folder that two
sites share by mistake is noticed too (the deletion at one would take the other's copy).
"""

from __future__ import annotations

import os
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from inventory.selectors.sites import LfnRule
from operations.choices import FileOutcome, RestoreOutcome
from operations.constants import MAX_FILES_PER_CALL
from operations.storage.errors import message_of, outcome_of
from operations.storage.listing import Entry, ListingError, Sight, SightKind, demand_folder
from operations.storage.local_listing import list_opened, look_opened, plain_files
from operations.storage.local_trash import TrashFolders, purge_files, restore_files
from operations.storage.markers import MARKER_NAME, leave_marker, marker_owner
from operations.storage.paths import RESERVED_PREFIX, Placement, place
from operations.storage.results import FileResult, RestoreResult, ShouldStop, TrashedFile, refused

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: Files between two lists of their folder: so old may be what is known of a file when it is removed.
_FILES_PER_LIST = 100


class Remover(Protocol):
    """The two operations that change an open folder; the system's, or what a test puts in their place.

    Not fsspec's: those take paths, which a rename of a folder above can lead elsewhere, and cost twice as much.
    """

    def unlink(self, path: str, *, dir_fd: int) -> None: ...

    def rmdir(self, path: str, *, dir_fd: int) -> None: ...


@dataclass(frozen=True, slots=True)
class LocalFolderGateway:
    """The storage of a site in a local folder: ``root`` is absolute and not ``/``; it may be a link, nothing below it may."""

    site_name: str
    root: Path
    rules: tuple[LfnRule, ...] = ()
    files: Remover = os

    @property
    def can_trash(self) -> bool:
        return True

    def delete(self, lfns: Sequence[str], *, should_stop: ShouldStop) -> list[FileResult]:
        """Delete files, then the folders below the root that this made empty (see ``Gateway``)."""
        return self._take(lfns, should_stop, _Deleting)

    def trash(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[FileResult]:
        """Move files to the trash by renaming them, then remove the folders that this made empty (see ``Gateway``)."""
        by_name = {file.lfn: file for file in files}
        return self._take(list(by_name), should_stop, lambda call: _Trashing(call, by_name))

    def restore(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[RestoreResult]:
        """Move files from the trash back to their places (see ``Gateway``)."""
        _check_number(files)
        placements = {p.lfn: p for p in place([file.lfn for file in files], self.rules)}
        try:
            root, is_proven = self._opened_root()
        except _Blocked as blocked:
            return [RestoreResult(file.lfn, RestoreOutcome(blocked.outcome), blocked.message) for file in files]
        try:
            return restore_files(root, files, placements, is_proven=is_proven, should_stop=should_stop)
        finally:
            os.close(root)

    def purge(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[FileResult]:
        """Delete files in the trash for good, then their folders (see ``Gateway``)."""
        _check_number(files)
        try:
            root, is_proven = self._opened_root()
        except _Blocked as blocked:
            return [FileResult(file.lfn, blocked.outcome, blocked.message, is_untouched=True) for file in files]
        try:
            return purge_files(root, files, is_proven=is_proven, should_stop=should_stop)
        finally:
            os.close(root)

    @property
    def shows_links(self) -> bool:
        return True

    def by_path(self) -> LocalFolderGateway:
        """Return the same folder without rules: names are paths (see ``Gateway``)."""
        return replace(self, rules=())

    def list_folder(self, folder: tuple[str, ...], *, should_stop: ShouldStop) -> Iterator[list[Entry]]:
        """Yield the entries of a folder in pages, following no link (see ``Gateway``)."""
        demand_folder(folder)
        try:
            root, is_proven = self._opened_root()
        except _Blocked as blocked:
            raise ListingError(blocked.outcome, blocked.message) from blocked
        try:
            opener = _Call(self, root, should_stop).opened
            for page in list_opened(opener, folder, self.root, is_proven=is_proven):
                yield [entry for entry in page if folder or not entry.name.lower().startswith(RESERVED_PREFIX)]
        finally:
            os.close(root)

    def look(self, lfns: Sequence[str], *, should_stop: ShouldStop) -> list[Sight]:
        """Look at files one by one (see ``Gateway``)."""
        _check_number(lfns)
        placements = place(lfns, self.rules)
        sights = [Sight(p.lfn, SightKind.UNCLEAR, message=p.problem) for p in placements if p.problem]
        good = [p for p in placements if not p.problem]
        try:
            root, is_proven = self._opened_root()
        except _Blocked as blocked:
            return sights + [Sight(p.lfn, SightKind.UNCLEAR, message=blocked.message) for p in good]
        try:
            call = _Call(self, root, should_stop)
            return sights + look_opened(call.opened, good, is_proven=is_proven, should_stop=should_stop)
        finally:
            os.close(root)

    def _take(self, lfns: Sequence[str], should_stop: ShouldStop, way: Callable[[_Call], _Way]) -> list[FileResult]:
        _check_number(lfns)
        placements = place(lfns, self.rules)
        good = [p for p in placements if not p.problem]
        results = {p.lfn: refused(p.lfn, p.problem) for p in placements if p.problem}
        if good and not should_stop():
            results |= {result.lfn: result for result in self._take_placed(good, should_stop, way)}
        return [results[lfn] for lfn in dict.fromkeys(lfns) if lfn in results]

    def _take_placed(
        self, placements: Sequence[Placement], should_stop: ShouldStop, way: Callable[[_Call], _Way]
    ) -> list[FileResult]:
        try:
            root = os.open(self.root, _FOLDER)
        except OSError as error:
            blocked = self._root_failed(error)
            return [FileResult(p.lfn, blocked.outcome, blocked.message, is_untouched=True) for p in placements]
        try:
            call = _Call(self, root, should_stop)
            taking = way(call)
            try:
                return call.run(placements, taking)
            finally:
                taking.close()
        finally:
            os.close(root)

    def _opened_root(self) -> tuple[int, bool]:
        """Return the opened root and whether it is proven to be the site's. Raises ``_Blocked`` if it is another's or missing."""
        try:
            root = os.open(self.root, _FOLDER)
        except OSError as error:
            raise self._root_failed(error) from error
        owner = marker_owner(root)
        if owner not in {None, "", self.site_name}:
            os.close(root)
            raise _Blocked(FileOutcome.REFUSED, self.of_another(owner))
        return root, owner == self.site_name

    def of_another(self, owner: str | None) -> str:
        return (
            f"folder {self.root} is marked as the storage of {owner}; two sites must not share a folder (see {MARKER_NAME} in it)"
        )

    def _root_failed(self, error: OSError) -> _Blocked:
        """Return the answer for the whole call: what a missing folder held is not known to be gone."""
        if isinstance(error, FileNotFoundError | NotADirectoryError):
            return _Blocked(FileOutcome.RETRYABLE, f"storage folder {self.root} of {self.site_name} is missing: is it mounted?")
        return _Blocked(
            outcome_of(error), f"storage folder {self.root} of {self.site_name} cannot be opened: {message_of(error)}"
        )


class _Blocked(Exception):
    """The folder of a file cannot be entered: what that means for each file in it."""

    def __init__(self, outcome: FileOutcome, message: str) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.message = message


class _Way(Protocol):
    """What is done with a file that is there, and what it means that one is not."""

    def take(self, folder: int, placement: Placement) -> FileResult: ...

    def missing(self, placement: Placement, message: str) -> FileResult: ...

    def close(self) -> None: ...


class _Call:
    """One ``delete`` or ``trash`` in an opened root."""

    def __init__(self, gateway: LocalFolderGateway, root: int, should_stop: ShouldStop) -> None:
        self._gateway = gateway
        self.root = root
        self._device = os.fstat(root).st_dev
        self._should_stop = should_stop
        self._owner = marker_owner(root)
        self._is_proven = self._owner == gateway.site_name

    def run(self, placements: Sequence[Placement], way: _Way) -> list[FileResult]:
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

    def _take_in_folder(self, parents: tuple[str, ...], placements: list[Placement], way: _Way) -> list[FileResult]:
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

    def _take_listed(self, folder: int, placements: list[Placement], way: _Way) -> list[FileResult]:
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

    def _take_blocked(self, placements: list[Placement], blocked: _Blocked, way: _Way) -> list[FileResult]:
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
    def opened(self, parents: tuple[str, ...]) -> Iterator[tuple[list[int], _Blocked | None]]:
        """Open each folder from the root down, following no link; yield those opened and what stopped the descent."""
        with ExitStack() as stack:
            folders = [self.root]
            blocked: _Blocked | None = None
            for name in parents:
                try:
                    folder = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folders[-1])
                except OSError as error:
                    blocked = _why_blocked(name, folders[-1], error)
                    break
                stack.callback(os.close, folder)
                blocked = self._foreign(name, folder)
                if blocked:
                    break
                folders.append(folder)
            yield folders, blocked

    def _foreign(self, name: str, folder: int) -> _Blocked | None:
        """Return why a folder below the root is not the site's own: another file system, or another site's storage."""
        if os.fstat(folder).st_dev != self._device:
            return _Blocked(FileOutcome.REFUSED, f"another file system is mounted at folder {name!r}")
        owner = marker_owner(folder)
        if owner is not None:
            return _Blocked(FileOutcome.REFUSED, f"folder {name!r} is marked as the storage of {owner or 'a site'}")
        return None

    def _take_one(self, folder: int, placement: Placement, way: _Way, *, is_plain: bool) -> FileResult:
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


class _Deleting:
    """Removes files."""

    def __init__(self, call: _Call) -> None:
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


class _Trashing:
    """Renames files into the folders of their deletions; what an earlier attempt moved there is found, not absent."""

    def __init__(self, call: _Call, files: dict[str, TrashedFile]) -> None:
        self._files = files
        self._folders = TrashFolders(call.root)

    def take(self, folder: int, placement: Placement) -> FileResult:
        return self._folders.take(folder, placement.parts[-1], self._files[placement.lfn])

    def missing(self, placement: Placement, message: str) -> FileResult:
        return self._folders.missing(self._files[placement.lfn], message)

    def close(self) -> None:
        self._folders.close()


def _check_number(names: Sequence[object]) -> None:
    if len(names) > MAX_FILES_PER_CALL:
        raise ValueError(f"{len(names)} files in one call, at most {MAX_FILES_PER_CALL} are taken")


def _why_blocked(name: str, parent: int, error: OSError) -> _Blocked:
    if isinstance(error, FileNotFoundError):
        return _Blocked(FileOutcome.ABSENT, "already absent, with its folder")
    try:
        kind = os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode
    except OSError as second:
        return _Blocked(outcome_of(second), f"folder {name!r}: {message_of(second)}")
    if stat.S_ISLNK(kind):
        return _Blocked(FileOutcome.REFUSED, f"folder {name!r} is a symbolic link")
    if not stat.S_ISDIR(kind):
        return _Blocked(FileOutcome.UNKNOWN, f"{name!r} should be a folder and is none")
    return _Blocked(outcome_of(error), f"folder {name!r}: {message_of(error)}")


_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
