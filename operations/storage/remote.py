"""What holds for every storage that is not a local folder: names are checked, absence is proven, nothing is overwritten.

The primitives of each back end are in ``xrootd``, ``webdav`` and ``s3``. As for local folders, "already absent" is believed only
with a proof that the root is the site's storage: the marker ``.dynamo-storage`` with the site's name, or a file of the same
call that was there.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from inventory.selectors.sites import LfnRule
from operations.choices import FileOutcome, RestoreOutcome
from operations.constants import MAX_FILES_PER_CALL
from operations.storage.answers import Answer, Kind, MayGo, Path, Seen, StorageError, Store
from operations.storage.listing import Entry, ListingError, Sight, SightKind, demand_folder
from operations.storage.local_listing import believed
from operations.storage.markers import MARKER_NAME
from operations.storage.overlapping import overlapping
from operations.storage.paths import RESERVED_PREFIX, Placement, place
from operations.storage.remote_restore import Restoring
from operations.storage.results import FileResult, RestoreResult, ShouldStop, TrashedFile, moved_before, refused
from operations.storage.trash_names import trash_folder, trash_path

logger = logging.getLogger(__name__)

_MARKER: Path = (MARKER_NAME,)


@dataclass(frozen=True, slots=True)
class RemoteGateway:
    """The storage of a site behind a server. ``root_text`` names it in messages, without secrets."""

    site_name: str
    root_text: str
    rules: tuple[LfnRule, ...]
    store: Store

    @property
    def can_trash(self) -> bool:
        return True

    def delete(self, lfns: Sequence[str], *, should_stop: ShouldStop) -> list[FileResult]:
        """Delete files, then, where that is safe, the folders below the root that this made empty (see ``Gateway``)."""
        placed, results = self._placed(lfns)
        if placed and not should_stop():
            results |= self._begun(placed, should_stop, lambda call: call.delete(placed))
        return _in_order(lfns, results)

    def trash(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[FileResult]:
        """Move files to the trash (see ``Gateway``)."""
        by_name = {file.lfn: file for file in files}
        placed, results = self._placed([file.lfn for file in files])
        if placed and not should_stop():
            targets = {p.parts: trash_path(by_name[p.lfn].folder, by_name[p.lfn].name) for p in placed}
            folders = {trash_folder(by_name[p.lfn].folder) for p in placed}
            results |= self._begun(placed, should_stop, lambda call: call.trash(placed, targets, folders))
        return _in_order(list(by_name), results)

    def purge(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[FileResult]:
        """Delete files in the trash for good, then their folders (see ``Gateway``)."""
        _check_number(files)
        placed = [Placement(file.lfn, trash_path(file.folder, file.name)) for file in files]
        results: dict[str, FileResult] = {}
        if placed and not should_stop():
            results = self._begun(placed, should_stop, lambda call: call.delete(placed))
            if not should_stop():
                self._remove_trash_folders(placed, should_stop)
        return _in_order([file.lfn for file in files], results)

    def restore(self, files: Sequence[TrashedFile], *, should_stop: ShouldStop) -> list[RestoreResult]:
        """Move files from the trash back to their places (see ``Gateway``)."""
        by_name = {file.lfn: file for file in files}
        placed, problems = self._placed([file.lfn for file in files])
        results = {lfn: RestoreResult(lfn, RestoreOutcome.REFUSED, bad.message) for lfn, bad in problems.items()}
        if placed and not should_stop():
            try:
                call = _Call(self, should_stop)
            except StorageError as error:
                answer = error.answer
                results |= {p.lfn: RestoreResult(p.lfn, RestoreOutcome(answer.outcome), answer.message) for p in placed}
            else:
                results |= {result.lfn: result for result in call.restore(placed, by_name)}
        return [results[lfn] for lfn in by_name if lfn in results]

    @property
    def shows_links(self) -> bool:
        return self.store.shows_links

    def by_path(self) -> RemoteGateway:
        """Return the same storage without rules: names are paths (see ``Gateway``)."""
        return replace(self, rules=())

    def list_folder(self, folder: Path, *, should_stop: ShouldStop) -> Iterator[list[Entry]]:
        """Yield the entries of a folder in pages (see ``Gateway``)."""
        demand_folder(folder, unnameable=self._why_unnameable(folder))
        try:
            call = _Call(self, should_stop)
            for page in self.store.entries(folder):
                if folder and any(entry.name == MARKER_NAME for entry in page):
                    raise ListingError(FileOutcome.REFUSED, "the folder is marked as the storage of a site by itself")
                shown = [entry for entry in page if folder or not entry.name.lower().startswith(RESERVED_PREFIX)]
                yield [self._askable(entry) for entry in shown]
        except StorageError as error:
            outcome, message = error.answer.outcome, error.answer.message
            if outcome != FileOutcome.ABSENT:
                raise ListingError(outcome, message) from error
            if not folder or not call.is_proven:
                doubt = f"{self.root_text} has no such folder, and nothing shows that it is the storage of {self.site_name}"
                raise ListingError(FileOutcome.RETRYABLE, f"{doubt}: {message}") from error

    def look(self, lfns: Sequence[str], *, should_stop: ShouldStop) -> list[Sight]:
        """Look at files, all in a few requests where the storage can (see ``Gateway``)."""
        placed, problems = self._placed(lfns)
        sights = [Sight(lfn, SightKind.UNCLEAR, message=result.message) for lfn, result in problems.items()]
        try:
            call = _Call(self, should_stop)
        except StorageError as error:
            return sights + [Sight(p.lfn, SightKind.UNCLEAR, message=error.answer.message) for p in placed]
        seen = self.store.look([p.parts for p in placed], lambda: not should_stop())
        looked = [_sight(p.lfn, seen[p.parts]) for p in placed if p.parts in seen]
        return sights + believed(looked, is_proven=call.is_proven)

    def _placed(self, lfns: Sequence[str]) -> tuple[list[Placement], dict[str, FileResult]]:
        _check_number(lfns)
        placements = [self._nameable(p) for p in place(lfns, self.rules)]
        return [p for p in placements if not p.problem], {p.lfn: refused(p.lfn, p.problem) for p in placements if p.problem}

    def _nameable(self, p: Placement) -> Placement:
        """Return the placement, or a refused one when the back end would take its path for another."""
        problem = self._why_unnameable(p.parts)
        return Placement(p.lfn, problem=problem) if problem else p

    def _askable(self, entry: Entry) -> Entry:
        """Return the entry of a list, with the reason if nothing can be asked of the back end by its name."""
        problem = self._why_unnameable((entry.name,))
        return replace(entry, unaskable=problem) if problem else entry

    def _why_unnameable(self, path: Path) -> str:
        bad = next((text for text in self.store.unnameable if any(text in part for part in path)), "")
        return f"the path has {bad!r}, which this storage cannot name" if bad else ""

    def _begun(
        self, placed: Sequence[Placement], should_stop: ShouldStop, act: Callable[[_Call], list[FileResult]]
    ) -> dict[str, FileResult]:
        """Look at the root, then act; where the root cannot be looked at, that is the answer for every file."""
        try:
            call = _Call(self, should_stop)
        except StorageError as error:
            outcome, message = error.answer.outcome, error.answer.message
            return {p.lfn: FileResult(p.lfn, outcome, message, is_untouched=True) for p in placed}
        return {result.lfn: result for result in act(call)}

    def _remove_trash_folders(self, placed: Sequence[Placement], should_stop: ShouldStop) -> None:
        for folder in sorted({p.parts[:-1] for p in placed}):
            if should_stop() or not self.store.remove_folder(folder):
                return
            if self.store.can_prune:
                # Else what another worker puts aside into the day at this moment would go with it.
                self.store.remove_folder(folder[:-1])


class _Call:
    """One call at a root that answers and is not another site's. Raises ``StorageError`` otherwise."""

    def __init__(self, gateway: RemoteGateway, should_stop: ShouldStop) -> None:
        self._gateway = gateway
        self._store = gateway.store
        self._may_go: MayGo = lambda: not should_stop()
        owner = self._marker_owner()
        self.is_proven = owner == gateway.site_name
        if owner not in {None, "", gateway.site_name}:
            message = (
                f"{gateway.root_text} is marked as the storage of {owner}; two sites must not share a storage (see {MARKER_NAME})"
            )
            raise StorageError(Answer(FileOutcome.REFUSED, message, is_untouched=True))

    def delete(self, placed: Sequence[Placement]) -> list[FileResult]:
        paths = [p.parts for p in placed]
        seen: dict[Path, Seen] = {}
        if self._store.removes_blindly or not self.is_proven:
            seen = self._store.look(paths, self._may_go)
            self._prove(seen)
            paths = [path for path in paths if path in seen and seen[path].kind == Kind.FILE]
        answers = self._store.remove(paths, self._may_go)
        if any(answer.outcome == FileOutcome.DELETED for answer in answers.values()):
            self.is_proven = True
        self._prune({p.parts[:-1] for p in placed if p.parts in answers and answers[p.parts].outcome == FileOutcome.DELETED})
        results = (self._result(p, seen.get(p.parts), answers.get(p.parts)) for p in placed)
        return [result for result in results if result is not None]

    def trash(self, placed: Sequence[Placement], targets: dict[Path, Path], folders: set[Path]) -> list[FileResult]:
        seen = self._store.look([p.parts for p in placed], self._may_go)
        self._prove(seen)
        missing = [p.parts for p in placed if p.parts in seen and seen[p.parts].kind == Kind.MISSING]
        present = [p.parts for p in placed if p.parts in seen and seen[p.parts].kind == Kind.FILE]
        made: dict[Path, bool] = {}
        if present:
            try:
                made = overlapping(sorted(folders), self._store.make_folder, self._may_go)
            except StorageError as error:
                answer = replace(error.answer, message=f"no folder in the trash: {error.answer.message}")
                if answer.outcome == FileOutcome.ABSENT:
                    answer = replace(answer, outcome=FileOutcome.UNKNOWN)
                failed = {path: replace(answer, is_untouched=True) for path in present}
                return self._trashed(placed, seen, failed, self._look_in_trash(missing, targets))
        # What an earlier attempt moved is there; nothing in the trash is ever overwritten.
        uncertain = missing + [path for path in present if made.get(targets[path][:-1]) is False]
        there = self._look_in_trash(uncertain, targets)
        free = [p for p in present if made.get(targets[p][:-1]) or (p in there and there[p].kind == Kind.MISSING)]
        answers = self._store.move([(path, targets[path]) for path in free], self._may_go)
        answers |= self._move_on([path for path in present if path in there and there[path].kind != Kind.MISSING], targets, there)
        self._prune({path[:-1] for path, answer in answers.items() if answer.outcome == FileOutcome.DELETED})
        return self._trashed(placed, seen, answers, there)

    def _move_on(self, paths: Sequence[Path], targets: dict[Path, Path], there: dict[Path, Seen]) -> dict[Path, Answer]:
        """Say what is to be said of files that are in their places and in the trash; finish moves that were cut short."""
        answers: dict[Path, Answer] = {}
        half: list[Path] = []
        for path in paths:
            if not self._may_go():
                break
            problem = there[path].problem
            try:
                if problem is None and there[path].kind == Kind.FILE and self._store.is_half_moved(path, targets[path]):
                    half.append(path)
                    continue
            except StorageError as error:
                problem = replace(error.answer, is_untouched=True)
            message = "is in the trash already, from an earlier attempt, and is in its place again: look at both"
            answers[path] = problem or Answer(FileOutcome.UNKNOWN, message, is_untouched=True)
        return answers | self._store.remove(half, self._may_go)

    def restore(self, placed: Sequence[Placement], files: dict[str, TrashedFile]) -> list[RestoreResult]:
        return Restoring(self._store, self._may_go, files, doubt="" if self.is_proven else self._doubt()).run(placed)

    def _look_in_trash(self, paths: Sequence[Path], targets: dict[Path, Path]) -> dict[Path, Seen]:
        """Return by their paths what lies at their places in the trash; the folders of the trash may not exist yet."""
        seen = self._store.look([targets[path] for path in paths], self._may_go)
        return {path: seen[targets[path]] for path in paths if targets[path] in seen}

    def _trashed(
        self, placed: Sequence[Placement], seen: dict[Path, Seen], answers: dict[Path, Answer], there: dict[Path, Seen]
    ) -> list[FileResult]:
        results: list[FileResult | None] = []
        for p in placed:
            before, answer, kept = seen.get(p.parts), answers.get(p.parts), there.get(p.parts)
            if answer is not None and answer.outcome == FileOutcome.DELETED:
                results.append(FileResult(p.lfn, FileOutcome.DELETED, is_in_trash=True))
            elif answer is not None and answer.outcome == FileOutcome.ABSENT:
                # Seen a moment ago: another attempt at the same deletion may have moved it. The next one finds it.
                results.append(FileResult(p.lfn, FileOutcome.RETRYABLE, "vanished while it was moved to the trash"))
            elif answer is None and before is not None and before.kind == Kind.MISSING:
                results.append(self._absent_or_trashed(p, kept))
            else:
                results.append(self._result(p, before, answer))
        return [result for result in results if result is not None]

    def _absent_or_trashed(self, p: Placement, kept: Seen | None) -> FileResult | None:
        if kept is None:
            return None  # stopped before the trash was looked into
        if kept.kind == Kind.FILE:
            return moved_before(p.lfn)
        if kept.problem is not None:
            return FileResult(p.lfn, kept.problem.outcome, kept.problem.message, is_untouched=True)
        return self._absent(p.lfn)

    def _result(self, p: Placement, seen: Seen | None, answer: Answer | None) -> FileResult | None:
        if answer is not None:
            if answer.outcome == FileOutcome.ABSENT:
                return self._absent(p.lfn)
            return FileResult(p.lfn, answer.outcome, answer.message, is_untouched=answer.is_untouched)
        if seen is None or seen.kind == Kind.FILE:
            return None
        if seen.problem is not None:
            return FileResult(p.lfn, seen.problem.outcome, seen.problem.message, is_untouched=True)
        if seen.kind == Kind.MISSING:
            return self._absent(p.lfn)
        return refused(p.lfn, f"is {seen.kind.value}, only files are deleted")

    def _absent(self, lfn: str) -> FileResult:
        if self.is_proven:
            return FileResult(lfn, FileOutcome.ABSENT, "already absent", is_untouched=True)
        return FileResult(lfn, FileOutcome.RETRYABLE, self._doubt(), is_untouched=True)

    def _doubt(self) -> str:
        return (
            f"not there, but nothing shows that {self._gateway.root_text} is the storage of {self._gateway.site_name}; "
            f"if it is, put a file {MARKER_NAME} with the site's name into it"
        )

    def _prove(self, seen: dict[Path, Seen]) -> None:
        """Mark the root as the site's once a file of the site was seen in it; a root that takes no marker goes without."""
        if self.is_proven or not any(found.kind == Kind.FILE for found in seen.values()):
            return
        self.is_proven = True
        try:
            self._store.write(_MARKER, self._gateway.site_name.encode())
        except StorageError as error:
            logger.warning("no marker left in the storage of %s: %s", self._gateway.site_name, error.answer.message)

    def _marker_owner(self) -> str | None:
        try:
            text = b"".join(self._store.read(_MARKER))[:256]
        except StorageError as error:
            if error.answer.outcome == FileOutcome.ABSENT:
                return None
            raise
        return text.decode(errors="replace").strip()

    def _prune(self, folders: set[Path]) -> None:
        """Remove folders that are empty now, deepest first, never the root; a folder that stays does no harm."""
        if not self._store.can_prune:
            return
        while folders - {()}:
            depth = max(len(folder) for folder in folders)
            deepest = sorted(folder for folder in folders if len(folder) == depth)
            removed = overlapping(deepest, self._store.remove_folder, self._may_go)
            folders = folders.difference(deepest) | {folder[:-1] for folder, is_gone in removed.items() if is_gone}


def _sight(lfn: str, seen: Seen) -> Sight:
    if seen.kind == Kind.FILE:
        return Sight(lfn, SightKind.THERE, seen.size_bytes, seen.modified_at)
    if seen.kind == Kind.MISSING:
        return Sight(lfn, SightKind.MISSING)
    message = seen.problem.message if seen.problem is not None else f"is {seen.kind.value}"
    return Sight(lfn, SightKind.UNCLEAR, message=message)


def _check_number(names: Sequence[object]) -> None:
    if len(names) > MAX_FILES_PER_CALL:
        raise ValueError(f"{len(names)} files in one call, at most {MAX_FILES_PER_CALL} are taken")


def _in_order(lfns: Sequence[str], results: dict[str, FileResult]) -> list[FileResult]:
    return [results[lfn] for lfn in dict.fromkeys(lfns) if lfn in results]
