"""Bringing files back from a server: what was read is moved although the call's time is over, yet no server holds it for long."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import pytest

from operations.choices import FileOutcome, RestoreOutcome
from operations.storage import TrashedFile, remote_restore
from operations.storage.answers import Answer, Kind, Path, Seen, Store
from operations.storage.paths import Placement
from operations.storage.remote_restore import Restoring

NUMBER = 10
PLACED = [Placement(f"/store/{n}", ("store", f"{n}")) for n in range(NUMBER)]
FILES = {p.lfn: TrashedFile(p.lfn, "2026-01-01/120000-17", f"kept-{p.parts[-1]}", size_bytes=1) for p in PLACED}


class Fake:
    """Files that lie in the trash; a move takes so many seconds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        self.now, self.seconds = 0.0, seconds
        self.read_paths: list[Path] = []
        self.moved: list[Path] = []
        monkeypatch.setattr(remote_restore, "monotonic", lambda: self.now)

    def look(self, paths: Sequence[Path], may_go: Callable[[], bool]) -> dict[Path, Seen]:
        return {path: Seen(Kind.FILE, 1) if path[0] == ".dynamo-trash" else Seen(Kind.MISSING) for path in paths}

    def read(self, path: Path) -> Iterator[bytes]:
        self.read_paths.append(path)
        yield b"x"

    def make_folder(self, path: Path) -> bool:
        return False

    def move(self, pairs: Sequence[tuple[Path, Path]], may_go: Callable[[], bool]) -> dict[Path, Answer]:
        answers: dict[Path, Answer] = {}
        for path, target in pairs:
            if not may_go():
                break
            self.now += self.seconds
            self.moved.append(target)
            answers[path] = Answer(FileOutcome.DELETED)
        return answers


def restored(store: Fake, may_go: Callable[[], bool]) -> list[Any]:
    return Restoring(cast(Store, store), may_go, FILES, doubt="").run(PLACED)


def test_what_was_read_is_moved_when_reading_took_all_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Fake(monkeypatch, seconds=0.01)
    results = restored(store, lambda: len(store.read_paths) < 3)
    assert {result.outcome for result in results} == {RestoreOutcome.RESTORED}
    assert 3 <= len(results) == len(store.moved) == len(store.read_paths) < NUMBER


def test_moves_that_take_long_are_not_begun_once_the_call_is_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Fake(monkeypatch, seconds=3)
    results = restored(store, lambda: not store.moved)
    assert (len(store.read_paths), len(store.moved)) == (NUMBER, 2)
    assert {result.lfn for result in results} == {f"/{'/'.join(path)}" for path in store.moved}
