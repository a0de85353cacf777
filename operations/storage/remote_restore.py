"""Bringing files back from the trash of a storage behind a server: looked at, read and moved, many at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from time import monotonic

from operations.choices import FileOutcome, RestoreOutcome
from operations.storage.answers import Answer, Kind, MayGo, Path, Seen, StorageError, Store
from operations.storage.checksums import content_problem
from operations.storage.overlapping import overlapping
from operations.storage.paths import Placement
from operations.storage.results import RestoreResult, TrashedFile
from operations.storage.trash_names import trash_path

#: So many are read before they are moved: what was read and is not moved has to be read again.
_TOGETHER = 32
#: For so many seconds after the call was told to stop, moves of what was read are still begun.
_MOVE_SECONDS = 5.0


class Restoring:
    """The files of one call. ``doubt``: why what is missing is not known to be lost, empty where it is."""

    def __init__(self, store: Store, may_go: MayGo, files: Mapping[str, TrashedFile], *, doubt: str) -> None:
        self._store = store
        self._may_go = may_go
        self._files = files
        self._doubt = doubt

    def run(self, placed: Sequence[Placement]) -> list[RestoreResult]:
        """Return what became of each file that was tried; the caller has looked at the root."""
        sources = {p.lfn: trash_path(self._files[p.lfn].folder, self._files[p.lfn].name) for p in placed}
        kept = self._store.look(list(sources.values()), self._may_go)
        there = self._store.look([p.parts for p in placed], self._may_go)
        looked_at = [p for p in placed if sources[p.lfn] in kept and p.parts in there]
        results: list[RestoreResult] = []
        for start in range(0, len(looked_at), _TOGETHER):
            if not self._may_go():
                break
            some = looked_at[start : start + _TOGETHER]
            results += self._restored([(p, sources[p.lfn], kept[sources[p.lfn]], there[p.parts]) for p in some])
        return results

    def _restored(self, looked_at: Sequence[tuple[Placement, Path, Seen, Seen]]) -> list[RestoreResult]:
        """Read files of the trash, then move those that are whole."""
        results: list[RestoreResult] = []
        unread: dict[Path, tuple[Placement, Path]] = {}
        for p, path, source, target in looked_at:
            if not self._may_go():
                break
            known = self._known_without_reading(p, path, source, target)
            if known is not None:
                results.append(known)
            else:
                unread[path if source.kind == Kind.FILE else p.parts] = (p, path)

        def read(looked_at: Path) -> RestoreResult | None:
            p, path = unread[looked_at]
            return self._wrong_content(p, looked_at, is_in_trash=looked_at == path)

        wrong = overlapping(list(unread), read, self._may_go)
        results += [result for result in wrong.values() if result is not None]
        return results + self._moved_back([unread[path] for path, result in wrong.items() if result is None])

    def _known_without_reading(self, p: Placement, path: Path, source: Seen, target: Seen) -> RestoreResult | None:
        """Return what becomes of a file as far as looking at both places tells."""
        problem = source.problem or target.problem
        if problem is not None:
            return RestoreResult(p.lfn, RestoreOutcome(problem.outcome), problem.message)
        if target.kind != Kind.MISSING and source.kind == Kind.FILE:
            if target.kind == Kind.FILE and (done := self._restored_on(p, path)):
                return done
            return RestoreResult(p.lfn, RestoreOutcome.TAKEN, f"{target.kind.value} lies in its place; it stays in the trash")
        if source.kind != Kind.FILE and target.kind == Kind.MISSING:
            if self._doubt:
                return RestoreResult(p.lfn, RestoreOutcome.RETRYABLE, self._doubt)
            return RestoreResult(p.lfn, RestoreOutcome.LOST, "neither in the trash nor in its place")
        return None

    def _wrong_content(self, p: Placement, looked_at: Path, *, is_in_trash: bool) -> RestoreResult | None:
        """Read a file in the trash, or in its place; return what becomes of it unless it is whole and to be moved back."""
        file = self._files[p.lfn]
        try:
            wrong = content_problem(self._store.read(looked_at), size_bytes=file.size_bytes, checksum=file.checksum)
        except StorageError as error:
            return _not_restored(p, error.answer)
        if wrong and is_in_trash:
            return RestoreResult(p.lfn, RestoreOutcome.DAMAGED, f"{wrong}; it stays in the trash")
        if wrong:
            return RestoreResult(p.lfn, RestoreOutcome.LOST, f"not in the trash, and what lies in its place {wrong}")
        return None if is_in_trash else RestoreResult(p.lfn, RestoreOutcome.RESTORED, "was in its place already")

    def _moved_back(self, whole: Sequence[tuple[Placement, Path]]) -> list[RestoreResult]:
        """Move what was read and is whole; what is not begun any more has no result."""
        may_go = self._a_little_longer()
        folders = sorted({p.parts[:-1] for p, _ in whole} - {()})
        problems: dict[Path, Answer | None] = {(): None, **overlapping(folders, self._folder_problem, may_go)}
        results = [_not_restored(p, problem) for p, _ in whole if (problem := problems.get(p.parts[:-1]))]
        placed = {path: p for p, path in whole if p.parts[:-1] in problems and not problems[p.parts[:-1]]}
        answers = self._store.move([(path, p.parts) for path, p in placed.items()], may_go)
        for path, answer in answers.items():
            is_back = answer.outcome == FileOutcome.DELETED
            results.append(
                RestoreResult(placed[path].lfn, RestoreOutcome.RESTORED) if is_back else _not_restored(placed[path], answer)
            )
        return results

    def _a_little_longer(self) -> MayGo:
        """Return what lets moves begin for some seconds more, also when reading took all the time that the call had."""
        until = monotonic() + _MOVE_SECONDS
        return lambda: self._may_go() or monotonic() < until

    def _folder_problem(self, folder: Path) -> Answer | None:
        """Make a folder if it is not there; return why that failed."""
        try:
            self._store.make_folder(folder)
        except StorageError as error:
            return error.answer
        return None

    def _restored_on(self, p: Placement, path: Path) -> RestoreResult | None:
        """Finish the move back of a file whose copy is in its place already, None where what lies there is another file."""
        try:
            if not self._store.is_half_moved(path, p.parts):
                return None
        except StorageError as error:
            return RestoreResult(p.lfn, RestoreOutcome.RETRYABLE, error.answer.message)
        answer = self._store.remove([path], lambda: True)[path]
        if answer.outcome in {FileOutcome.DELETED, FileOutcome.ABSENT}:
            return RestoreResult(p.lfn, RestoreOutcome.RESTORED)
        return RestoreResult(p.lfn, RestoreOutcome(answer.outcome), answer.message)


def _not_restored(p: Placement, answer: Answer) -> RestoreResult:
    """Return what it means for a file that was there a moment ago that reading or moving it failed."""
    outcome = RestoreOutcome.RETRYABLE if answer.outcome == FileOutcome.ABSENT else RestoreOutcome(answer.outcome)
    return RestoreResult(p.lfn, outcome, answer.message)
