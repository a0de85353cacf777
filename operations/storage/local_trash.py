"""The trash of a local folder: files are renamed below ``.dynamo-trash`` and back, each step relative to an open directory."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence

from operations.choices import FileOutcome, RestoreOutcome
from operations.storage.checksums import content_problem
from operations.storage.errors import message_of, outcome_of
from operations.storage.paths import Placement
from operations.storage.results import FileResult, RestoreResult, ShouldStop, TrashedFile, moved_before
from operations.storage.trash_names import trash_folder

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW
_CHUNK_BYTES = 8 << 20
#: Answers of file systems without hard links.
_NO_LINKS = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK})


class TrashFolders:
    """The folders of deletions in the trash of an opened root, made when they are first needed and kept open."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._open: dict[str, int] = {}
        #: Folders in which something may lie: those that were not made by this call.
        self._old: set[str] = set()

    def take(self, folder: int, name: str, file: TrashedFile) -> FileResult:
        """Move a file from an open folder to its place in the trash."""
        try:
            target = self._made(file.folder)
            if file.folder in self._old and _mode(target, file.name) is not None:
                message = "is in the trash already, from an earlier attempt, and is in its place again: look at both"
                return FileResult(file.lfn, FileOutcome.UNKNOWN, message, is_untouched=True)
        except OSError as error:
            outcome, message = outcome_of(error), f"no folder in the trash: {message_of(error)}"
            return FileResult(file.lfn, outcome, message, is_untouched=True)
        try:
            os.rename(name, file.name, src_dir_fd=folder, dst_dir_fd=target)
        except FileNotFoundError:
            # Seen a moment ago: another attempt at the same deletion may have moved it. The next one finds it.
            return FileResult(file.lfn, FileOutcome.RETRYABLE, "vanished while it was moved to the trash")
        except OSError as error:
            # A rename is done or not; a file system over a network may have done it and lost the answer.
            outcome = FileOutcome.REFUSED if error.errno == errno.EXDEV else outcome_of(error)
            return FileResult(file.lfn, outcome, message_of(error), is_untouched=outcome == FileOutcome.REFUSED)
        if _is_no_file(target, file.name):
            return self._put_back(folder, name, target, file)
        return FileResult(file.lfn, FileOutcome.DELETED, is_in_trash=True)

    def _put_back(self, folder: int, name: str, target: int, file: TrashedFile) -> FileResult:
        """Undo the move of what took the place of a file after it was looked at: a rename takes folders, too, with all in it."""
        try:
            os.rename(file.name, name, src_dir_fd=target, dst_dir_fd=folder)
        except OSError as error:
            message = f"took the place of a file and was moved to the trash; it is not back: {message_of(error)}"
            return FileResult(file.lfn, FileOutcome.UNKNOWN, message)
        return FileResult(file.lfn, FileOutcome.REFUSED, "is no regular file any more, only files are deleted", is_untouched=True)

    def missing(self, file: TrashedFile, message: str) -> FileResult:
        """Say what it means that a file is not in its place: in the trash, or absent."""
        try:
            kind = _mode(self._found(file.folder), file.name)
        except FileNotFoundError:
            kind = None
        except OSError as error:
            return FileResult(file.lfn, outcome_of(error), f"the trash: {message_of(error)}", is_untouched=True)
        if kind is None:
            return FileResult(file.lfn, FileOutcome.ABSENT, message, is_untouched=True)
        return moved_before(file.lfn)

    def unlink(self, file: TrashedFile) -> None:
        """Delete a file in the trash. Raises ``OSError``."""
        os.unlink(file.name, dir_fd=self._found(file.folder))

    def close(self) -> None:
        """Close the folders that were opened."""
        for folder in self._open.values():
            os.close(folder)
        self._open.clear()

    def _made(self, folder: str) -> int:
        if folder not in self._open:
            opened, is_new = open_below(self._root, trash_folder(folder), make=True)
            self._open[folder] = opened
            if not is_new:
                self._old.add(folder)
        return self._open[folder]

    def _found(self, folder: str) -> int:
        if folder not in self._open:
            self._open[folder] = open_below(self._root, trash_folder(folder))[0]
            self._old.add(folder)
        return self._open[folder]


def open_below(root: int, parts: Sequence[str], *, make: bool = False) -> tuple[int, bool]:
    """Open a folder below an open one, following no link and staying on its file system; tell whether the last was made now.

    Raises ``OSError``.
    """
    device = os.fstat(root).st_dev
    current, is_new = os.dup(root), False
    try:
        for name in parts:
            is_new = False
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, dir_fd=current)
                    is_new = True
            below = os.open(name, _FOLDER, dir_fd=current)
            os.close(current)
            current = below
            _demand_device(current, device, name)
    except BaseException:
        os.close(current)
        raise
    return current, is_new


def _demand_device(folder: int, device: int, name: str) -> None:
    if os.fstat(folder).st_dev != device:
        raise OSError(errno.EXDEV, f"another file system is mounted at folder {name!r}")


def restore_files(
    root: int,
    files: Sequence[TrashedFile],
    placements: Mapping[str, Placement],
    *,
    is_proven: bool,
    should_stop: ShouldStop,
) -> list[RestoreResult]:
    """Move files back; nothing is overwritten, whoever writes there at the same moment: a hard link is made, then one removed."""
    results = []
    for file in files:
        placement = placements[file.lfn]
        if placement.problem:
            results.append(RestoreResult(file.lfn, RestoreOutcome.REFUSED, placement.problem))
            continue
        if should_stop():
            break
        try:
            results.append(_restore_one(root, file, placement, is_proven=is_proven, should_stop=should_stop))
        except OSError as error:
            results.append(RestoreResult(file.lfn, RestoreOutcome(outcome_of(error)), message_of(error)))
    return results


def purge_files(root: int, files: Sequence[TrashedFile], *, is_proven: bool, should_stop: ShouldStop) -> list[FileResult]:
    """Delete files in the trash, then the folders that this made empty."""
    results: list[FileResult] = []
    folders = TrashFolders(root)
    try:
        for file in files:
            if should_stop():
                break
            results.append(_purge_one(folders, file, is_proven=is_proven))
    finally:
        folders.close()
    for folder in sorted({file.folder for file in files}):
        _remove_empty(root, folder)
    return results


def _restore_one(
    root: int, file: TrashedFile, placement: Placement, *, is_proven: bool, should_stop: ShouldStop
) -> RestoreResult:
    with contextlib.ExitStack() as stack:
        source, kept = _folder_and_mode(stack, root, trash_folder(file.folder), file.name)
        if kept is None:
            return _not_in_trash(stack, root, file, placement, is_proven=is_proven, should_stop=should_stop)
        content = _content(source, file.name)
        if wrong := content_problem(content, size_bytes=file.size_bytes, checksum=file.checksum, between=should_stop):
            return RestoreResult(file.lfn, RestoreOutcome.DAMAGED, f"{wrong}; it stays in the trash")
        target, _ = open_below(root, placement.parts[:-1], make=True)
        stack.callback(os.close, target)
        name = placement.parts[-1]
        try:
            os.link(file.name, name, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
        except FileExistsError:
            if not _is_same(source, file.name, target, name):
                return RestoreResult(file.lfn, RestoreOutcome.TAKEN, "something lies in its place; it stays in the trash")
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if _mode(target, name) is not None:
                return RestoreResult(file.lfn, RestoreOutcome.TAKEN, "something lies in its place; it stays in the trash")
            os.rename(file.name, name, src_dir_fd=source, dst_dir_fd=target)
            return RestoreResult(file.lfn, RestoreOutcome.RESTORED)
        os.unlink(file.name, dir_fd=source)
        return RestoreResult(file.lfn, RestoreOutcome.RESTORED)


def _not_in_trash(
    stack: contextlib.ExitStack,
    root: int,
    file: TrashedFile,
    placement: Placement,
    *,
    is_proven: bool,
    should_stop: ShouldStop,
) -> RestoreResult:
    """Say what became of a file that the trash does not have: an earlier attempt restored it, or nobody knows."""
    folder, kind = _folder_and_mode(stack, root, placement.parts[:-1], placement.parts[-1])
    if kind is None:
        if not is_proven:
            message = "not in the trash, and nothing shows that the folder is the site's storage: is it mounted?"
            return RestoreResult(file.lfn, RestoreOutcome.RETRYABLE, message)
        return RestoreResult(file.lfn, RestoreOutcome.LOST, "neither in the trash nor in its place")
    content = _content(folder, placement.parts[-1])
    wrong = content_problem(content, size_bytes=file.size_bytes, checksum=file.checksum, between=should_stop)
    if wrong:
        return RestoreResult(file.lfn, RestoreOutcome.LOST, f"not in the trash, and what lies in its place {wrong}")
    return RestoreResult(file.lfn, RestoreOutcome.RESTORED, "was in its place already")


def _folder_and_mode(stack: contextlib.ExitStack, root: int, parts: Sequence[str], name: str) -> tuple[int, int | None]:
    """Return an opened folder and the mode of what has a name in it, None where the folder or the name is missing."""
    try:
        folder, _ = open_below(root, parts)
    except FileNotFoundError:
        return root, None
    stack.callback(os.close, folder)
    return folder, _mode(folder, name)


def _purge_one(folders: TrashFolders, file: TrashedFile, *, is_proven: bool) -> FileResult:
    try:
        folders.unlink(file)
    except FileNotFoundError:
        if is_proven:
            return FileResult(file.lfn, FileOutcome.ABSENT, "not in the trash any more", is_untouched=True)
        message = "not in the trash, and nothing shows that the folder is the site's storage: is it mounted?"
        return FileResult(file.lfn, FileOutcome.RETRYABLE, message, is_untouched=True)
    except OSError as error:
        return FileResult(file.lfn, outcome_of(error), message_of(error))
    return FileResult(file.lfn, FileOutcome.DELETED)


def _remove_empty(root: int, folder: str) -> None:
    """Remove a deletion's folder and that of its day if nothing is in them; one that stays does no harm."""
    parts = trash_folder(folder)
    for depth in range(len(parts), 1, -1):
        try:
            parent, _ = open_below(root, parts[: depth - 1])
        except OSError:
            return
        try:
            os.rmdir(parts[depth - 1], dir_fd=parent)
        except FileNotFoundError:
            continue
        except OSError:
            return
        finally:
            os.close(parent)


def _is_no_file(folder: int, name: str) -> bool:
    """Tell whether a name in a folder shows itself to be something else than a regular file."""
    with contextlib.suppress(OSError):
        return not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    return False


def _mode(folder: int, name: str) -> int | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
    except FileNotFoundError:
        return None


def _is_same(one: int, name: str, other: int, other_name: str) -> bool:
    """Tell whether two names are one file: an earlier attempt was killed between its two steps."""
    first = os.stat(name, dir_fd=one, follow_symlinks=False)
    second = os.stat(other_name, dir_fd=other, follow_symlinks=False)
    return stat.S_ISREG(second.st_mode) and os.path.samestat(first, second)


def _content(folder: int, name: str) -> Iterator[bytes]:
    # NONBLOCK: a pipe of that name must not hang the worker.
    opened = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    try:
        while piece := os.read(opened, _CHUNK_BYTES):
            yield piece
    finally:
        os.close(opened)
