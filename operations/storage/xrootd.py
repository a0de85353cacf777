"""XRootD (``root://``), through XRootD's own client: requests overlap, each has its time limit, each answer its number.

A server follows links that lie in its export; what an export must be like is in docs/storages.md.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from threading import Semaphore
from typing import Any
from urllib.parse import quote

from XRootD import client
from XRootD.client.flags import AccessMode, DirListFlags, MkDirFlags, OpenFlags, StatInfoFlags

from inventory.endpoints import redacted
from inventory.selectors.sites import LfnRule
from operations.choices import FileOutcome
from operations.storage.answers import Answer, Kind, MayGo, Path, Seen, StorageError
from operations.storage.credentials import Access, credentials_of
from operations.storage.endpoints import xrootd_root
from operations.storage.listing import Entry, in_pages, in_seconds
from operations.storage.overlapping import overlapping
from operations.storage.remote import RemoteGateway

#: Requests that are under way at the same time: measured, 32 are 2.7 times as fast as one, 100 hardly faster.
_WIDTH = 32
_CHUNK_BYTES = 8 << 20
#: From so many files of one folder on, it is listed instead of asking for each: one request in place of many ...
_LIST_FROM = 16
#: ... if its own size, which says roughly how much is in it, is at most this for each file: some 40 bytes a name are common.
_FOLDER_BYTES_PER_FILE = 256

# XRootD's client looks each 15 s which requests are over time, so that one with a limit of 30 s could take 45: longer than a
# call to a storage may. Before its first use; XRD_TIMEOUTRESOLUTION in the environment goes first.
client.EnvPutInt("TimeoutResolution", 1)

# Numbers of the protocol. Source: XProtocol.hh, XErrorCode.
_NOT_FOUND = 3011
#: Bad or too long argument, not authorised, not supported, a folder, exists already, read-only, not authenticated.
_REFUSED = frozenset({3000, 3002, 3010, 3013, 3016, 3018, 3025, 3030})
#: Locked, input/output error, no memory, no space, no server, in progress, quota, overloaded, timed out.
_RETRYABLE = frozenset({3003, 3007, 3008, 3009, 3014, 3020, 3021, 3024, 3034, 3035})
#: A status that is fine, but of which some data servers did not take part.
_PARTIAL = 2
_FIRST_OF_CLIENT, _FIRST_OF_SERVER = 101, 400


def xrootd_gateway(site_name: str, endpoint_url: str, rules: tuple[LfnRule, ...], access: Access) -> RemoteGateway:
    """``root://host[:port]/path``; the secret ``x509_proxy`` of the site, or what XRootD's client finds in the environment."""
    root = xrootd_root(endpoint_url)
    proxy = credentials_of(site_name, access.secrets).path("x509_proxy")
    parameters = f"xrd.gsiusrpxy={quote(proxy)}" if proxy else ""
    return RemoteGateway(
        site_name, redacted(endpoint_url), rules, XRootDStore(root.address, root.path, parameters, access.timeout_seconds)
    )


class XRootDStore:
    """The primitives at ``root://host:port`` below a path; ``parameters`` go with the address, for credentials of the site."""

    removes_blindly = False
    can_prune = True
    shows_links = False
    #: What follows it is no part of the path for a server, and there is no way to write it so that it is one.
    unnameable = ("?",)

    def __init__(self, address: str, root: str, parameters: str, timeout_seconds: float) -> None:
        self._files = client.FileSystem(f"{address}{'/?' + parameters if parameters else ''}")
        self._timeout = max(1, round(timeout_seconds))
        self._address = address
        self._parameters = parameters
        self._root = root.rstrip("/")

    def look(self, paths: Sequence[Path], may_go: MayGo) -> dict[Path, Seen]:
        """List folders of which several files are asked for, unless much else is in them, and ask for each of the others."""
        by_folder: dict[Path, list[Path]] = defaultdict(list)
        for path in paths:
            by_folder[path[:-1]].append(path)
        folders = [folder for folder, some in by_folder.items() if len(some) >= _LIST_FROM]
        listed = overlapping(folders, lambda folder: self._listed(folder, by_folder[folder]), may_go)
        seen = {path: one for some in listed.values() for path, one in some.items()}
        return seen | self._asked([path for path in paths if path not in seen], may_go)

    def _listed(self, folder: Path, paths: Sequence[Path]) -> dict[Path, Seen]:
        """Return those of *paths* that the list of their folder shows; of the others it says nothing."""
        status, info = self._files.stat(self._at(folder), self._timeout)
        if not status.ok or not 0 < info.size <= _FOLDER_BYTES_PER_FILE * len(paths):
            return {}
        status, listed = self._files.dirlist(self._at(folder), DirListFlags.STAT, self._timeout)
        if not status.ok or listed is None:
            return {}
        found = {one.name: one.statinfo for one in listed if one.statinfo is not None}
        return {path: _seen(status, found[path[-1]]) for path in paths if path[-1] in found}

    def _asked(self, paths: Sequence[Path], may_go: MayGo) -> dict[Path, Seen]:
        answers = self._overlapping(paths, may_go, lambda path, done: self._files.stat(self._at(path), self._timeout, done))
        return {path: _seen(status, info) for path, (status, info) in answers.items()}

    def entries(self, folder: Path) -> Iterator[list[Entry]]:
        """Ask for the whole folder, which the client holds in memory; a list that servers did not take part in is none."""
        status, listed = self._files.dirlist(self._at(folder), DirListFlags.STAT, self._timeout)
        if not status.ok:
            raise StorageError(answer_of(status))
        if status.code == _PARTIAL or listed is None:
            raise StorageError(Answer(FileOutcome.RETRYABLE, "some of the servers did not take part in the list"))
        yield from in_pages(_entry(one.name, one.statinfo) for one in listed)

    def remove(self, paths: Sequence[Path], may_go: MayGo) -> dict[Path, Answer]:
        """Remove files; the server refuses folders in which something is."""
        answers = self._overlapping(paths, may_go, lambda path, done: self._files.rm(self._at(path), self._timeout, done))
        return {path: answer_of(status) for path, (status, _) in answers.items()}

    def move(self, pairs: Sequence[tuple[Path, Path]], may_go: MayGo) -> dict[Path, Answer]:
        """Rename files; the server would overwrite, so the new paths must have been looked at."""
        targets = dict(pairs)
        answers = self._overlapping(
            list(targets), may_go, lambda path, done: self._files.mv(self._at(path), self._at(targets[path]), self._timeout, done)
        )
        return {path: answer_of(status) for path, (status, _) in answers.items()}

    def is_half_moved(self, path: Path, target: Path) -> bool:
        """Say no: a file is renamed or it is not."""
        return False

    def make_folder(self, path: Path) -> bool:
        """Make a folder, with those above it; looked at first, because the server says of an old one that it was made."""
        seen = self.look([path], lambda: True)[path]
        if seen.kind == Kind.FOLDER:
            return False
        if seen.problem is not None:
            raise StorageError(seen.problem)
        mode = AccessMode.UR | AccessMode.UW | AccessMode.UX | AccessMode.GR | AccessMode.GX | AccessMode.OR | AccessMode.OX
        status, _ = self._files.mkdir(self._at(path), MkDirFlags.MAKEPATH, mode, self._timeout)
        if not status.ok:
            raise StorageError(answer_of(status))
        return True

    def remove_folder(self, path: Path) -> bool:
        """Remove a folder; the server refuses if something is in it."""
        status, _ = self._files.rmdir(self._at(path), self._timeout)
        return bool(status.ok)

    def read(self, path: Path) -> Iterator[bytes]:
        """Read in pieces of 8 MB, each with its time limit."""
        with client.File() as file:
            status, _ = file.open(self._url(path), OpenFlags.READ, timeout=self._timeout)
            if not status.ok:
                raise StorageError(answer_of(status))
            offset = 0
            while True:
                status, piece = file.read(offset, _CHUNK_BYTES, timeout=self._timeout)
                if not status.ok:
                    raise StorageError(answer_of(status))
                if not piece:
                    return
                yield piece
                offset += len(piece)

    def write(self, path: Path, content: bytes) -> None:
        """Write a new file."""
        mode = AccessMode.UR | AccessMode.UW | AccessMode.GR | AccessMode.OR
        with client.File() as file:
            status, _ = file.open(self._url(path), OpenFlags.NEW, mode, timeout=self._timeout)
            if status.ok:
                status, _ = file.write(content, timeout=self._timeout)
            if not status.ok:
                raise StorageError(answer_of(status))

    def _at(self, path: Path) -> str:
        return f"{self._root}/{'/'.join(path)}"

    def _url(self, path: Path) -> str:
        return f"{self._address}/{self._at(path)}{'?' + self._parameters if self._parameters else ''}"

    def _overlapping(
        self, paths: Sequence[Path], may_go: MayGo, begin: Callable[[Path, Callable[..., None]], Any]
    ) -> dict[Path, tuple[Any, Any]]:
        """Begin a request for each path, at most ``_WIDTH`` at a time, and wait for all that were begun."""
        answers: dict[Path, tuple[Any, Any]] = {}
        free = Semaphore(_WIDTH)
        begun = 0

        def done_for(path: Path) -> Callable[..., None]:
            def done(status: Any, response: Any, _hosts: Any) -> None:
                answers[path] = (status, response)
                free.release()

            return done

        for path in paths:
            # The client answers every request within its time limit; twice that is for a client that does not.
            if not may_go() or not free.acquire(timeout=2 * self._timeout):
                break
            status = begin(path, done_for(path))
            begun += 1
            if not status.ok:
                answers[path] = (status, None)
                free.release()
        for _ in range(_WIDTH):
            if not free.acquire(timeout=2 * self._timeout):
                break
        return {path: answers.get(path, (None, None)) for path in paths[:begun]}


def answer_of(status: Any) -> Answer:
    """Translate the status of a request; ``None`` stands for one that was never answered."""
    if status is None:
        return Answer(FileOutcome.RETRYABLE, "no answer")
    if status.ok:
        return Answer(FileOutcome.DELETED)
    message = " ".join(status.message.split()).removeprefix("[ERROR] ")[:500]
    number = status.errno
    if status.code >= _FIRST_OF_SERVER and number == _NOT_FOUND:
        return Answer(FileOutcome.ABSENT, message, is_untouched=True)
    if status.code >= _FIRST_OF_SERVER and number in _REFUSED:
        return Answer(FileOutcome.REFUSED, message, is_untouched=True)
    if number in _RETRYABLE or _FIRST_OF_CLIENT <= status.code < _FIRST_OF_SERVER:
        return Answer(FileOutcome.RETRYABLE, message)
    return Answer(FileOutcome.UNKNOWN, message)


def _seen(status: Any, info: Any) -> Seen:
    answer = answer_of(status)
    if answer.outcome == FileOutcome.ABSENT:
        return Seen(Kind.MISSING)
    if answer.outcome != FileOutcome.DELETED:
        return Seen(Kind.UNCLEAR, problem=answer)
    if info.flags & StatInfoFlags.IS_DIR:
        return Seen(Kind.FOLDER)
    if info.flags & StatInfoFlags.OTHER:
        return Seen(
            Kind.UNCLEAR, problem=Answer(FileOutcome.REFUSED, "is no regular file, only files are deleted", is_untouched=True)
        )
    return Seen(Kind.FILE, info.size, modified_at=in_seconds(info.modtime))


def _entry(name: str, info: Any) -> Entry:
    if not name or name in {".", ".."} or "/" in name:
        raise StorageError(Answer(FileOutcome.UNKNOWN, f"the list names {name!r}, which is not in the folder"))
    if info is None:
        return Entry(name, problem="the server does not say what it is")
    if info.flags & StatInfoFlags.IS_DIR:
        return Entry(name, is_folder=True)
    if info.flags & StatInfoFlags.OTHER:
        return Entry(name, problem="is no regular file")
    return Entry(name, size_bytes=info.size, modified_at=in_seconds(info.modtime))
