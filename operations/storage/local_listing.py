"""Lists of a local folder and second looks at its files: each step relative to an open directory, no link is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import groupby, islice
from pathlib import Path
from typing import Protocol

from operations.choices import FileOutcome
from operations.storage.errors import message_of, outcome_of
from operations.storage.listing import Entry, ListingError, Sight, SightKind, as_text, in_pages, in_seconds
from operations.storage.paths import Placement

_MOUNTS = Path("/proc/self/mountinfo")


class Blocked(Protocol):
    """Why a folder cannot be entered."""

    @property
    def outcome(self) -> FileOutcome: ...

    @property
    def message(self) -> str: ...


#: Opens the folders from the root down: those opened, and what stopped the descent.
Opener = Callable[[tuple[str, ...]], AbstractContextManager[tuple[list[int], Blocked | None]]]


def list_opened(opened: Opener, folder: tuple[str, ...], root: Path, *, is_proven: bool) -> Iterator[list[Entry]]:
    """Yield the entries of a folder in pages. Raises ``ListingError`` where it cannot be listed to its end.

    A folder that is gone has no entries, as far as the root is proven to be the site's.
    """
    mounts = _mount_points(root.resolve().joinpath(*folder))
    with opened(folder) as (folders, blocked):
        if blocked is not None:
            if blocked.outcome == FileOutcome.ABSENT and is_proven:
                return
            outcome = FileOutcome.RETRYABLE if blocked.outcome == FileOutcome.ABSENT else blocked.outcome
            raise ListingError(outcome, blocked.message)
        try:
            with os.scandir(folders[-1]) as found:
                device = os.fstat(folders[-1]).st_dev
                entries = (_entry(one, device, mounts) for one in found)
                yield from in_pages(entry for entry in entries if entry is not None)
        except OSError as error:
            raise ListingError(outcome_of(error), message_of(error)) from error


def plain_files(folder: int, names: Sequence[str]) -> frozenset[str]:
    """Return those of *names* that a list of an open folder shows to be regular files.

    A list is a third of the cost of a look at each. It is read no further than four entries for each name, so others than
    these may be regular files, too; none where the folder cannot be listed.
    """
    wanted = set(names)
    try:
        with os.scandir(folder) as found:
            shown = islice(found, 4 * len(wanted))
            return frozenset(one.name for one in shown if one.name in wanted and one.is_file(follow_symlinks=False))
    except OSError:
        return frozenset()


def _entry(one: os.DirEntry[str], device: int, mounts: frozenset[str]) -> Entry | None:
    """Return what a name is; None where it is gone again."""
    name, is_exact = as_text(one.name)
    try:
        status = one.stat(follow_symlinks=False)
    except FileNotFoundError:
        return None  # a deletion or a rename since it was listed
    is_folder, is_file = stat.S_ISDIR(status.st_mode), stat.S_ISREG(status.st_mode)
    problem = "" if is_exact else "its name is no proper text"
    if stat.S_ISLNK(status.st_mode):
        problem = "is a symbolic link"
    elif is_folder and (status.st_dev != device or one.name in mounts):
        problem = "another file system is mounted there"
    elif not is_folder and not is_file:
        problem = "is no regular file"
    return Entry(name, is_folder, status.st_size if is_file else -1, in_seconds(status.st_mtime) if is_file else None, problem)


def _mount_points(folder: Path) -> frozenset[str]:
    """Return the names in a folder at which something is mounted, also the same file system once more."""
    try:
        lines = _MOUNTS.read_text(errors="surrogateescape").splitlines()
    except OSError:
        return frozenset()
    points = (Path(_unescaped(line.split(" ")[4])) for line in lines if line.count(" ") > 4)
    return frozenset(point.name for point in points if point.parent == folder)


def _unescaped(text: str) -> str:
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, char)
    return text


def look_opened(
    opened: Opener, placements: Sequence[Placement], *, is_proven: bool, should_stop: Callable[[], bool]
) -> list[Sight]:
    """Look at files one by one; MISSING is believed where the root is proven, or a file of the same call is there."""
    found: list[Sight] = []
    by_folder = sorted(placements, key=lambda p: p.parts[:-1])
    for parents, group in groupby(by_folder, key=lambda p: p.parts[:-1]):
        with opened(parents) as (folders, blocked):
            for placement in group:
                if should_stop():
                    break
                if blocked is None:
                    found.append(_look_at(folders[-1], placement))
                elif blocked.outcome == FileOutcome.ABSENT:
                    found.append(Sight(placement.lfn, SightKind.MISSING))
                else:
                    found.append(Sight(placement.lfn, SightKind.UNCLEAR, message=blocked.message))
    return believed(found, is_proven=is_proven)


def _look_at(folder: int, placement: Placement) -> Sight:
    try:
        status = os.stat(placement.parts[-1], dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return Sight(placement.lfn, SightKind.MISSING)
    except OSError as error:
        return Sight(placement.lfn, SightKind.UNCLEAR, message=message_of(error))
    if not stat.S_ISREG(status.st_mode):
        return Sight(placement.lfn, SightKind.UNCLEAR, message="is no regular file")
    return Sight(placement.lfn, SightKind.THERE, status.st_size, in_seconds(status.st_mtime))


def believed(sights: list[Sight], *, is_proven: bool) -> list[Sight]:
    """Return *sights*; in a root of which nothing shows that it is the site's, what is missing is not known."""
    if is_proven or any(sight.kind == SightKind.THERE for sight in sights):
        return sights
    doubt = "not there, but nothing shows that the root is the storage of the site and is mounted"
    return [Sight(s.lfn, SightKind.UNCLEAR, message=doubt) if s.kind == SightKind.MISSING else s for s in sights]
