"""A WebDAV server that does not come to an end: neither a slow answer nor a long one holds a worker."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from operations.choices import FileOutcome
from operations.storage import webdav
from operations.storage.answers import Kind, StorageError
from operations.storage.webdav import WebDavStore

HERE = ("store", "a")
TIMEOUT_SECONDS = 20.0


class Pieces(httpx.SyncByteStream):
    """An answer that comes in pieces, each after so many seconds of the clock that is watched."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, number: int, seconds: float) -> None:
        self.now, self.number, self.seconds, self.read = 0.0, number, seconds, 0
        monkeypatch.setattr(webdav, "monotonic", lambda: self.now)

    def __iter__(self) -> Iterator[bytes]:
        for _ in range(self.number):
            self.now += self.seconds
            self.read += 1
            yield b" "


def store_of(status: int, pieces: Pieces) -> WebDavStore:
    transport = httpx.MockTransport(lambda request: httpx.Response(status, stream=pieces))
    return WebDavStore("http://localhost/site", httpx.Client(transport=transport, timeout=TIMEOUT_SECONDS))


def test_an_answer_that_comes_in_pieces_for_too_long_is_a_time_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = Pieces(monkeypatch, number=1000, seconds=3)
    answer = store_of(204, pieces).remove([HERE], lambda: True)[HERE]
    assert (answer.outcome, answer.is_untouched) == (FileOutcome.RETRYABLE, False)
    assert "did not come to its end" in answer.message
    assert pieces.read == 7


def test_an_answer_within_its_time_is_taken_though_it_comes_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = store_of(204, Pieces(monkeypatch, number=6, seconds=3)).remove([HERE], lambda: True)[HERE]
    assert answer.outcome == FileOutcome.DELETED


def test_an_answer_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webdav, "_MAX_ANSWER_BYTES", 100)
    pieces = Pieces(monkeypatch, number=10_000, seconds=0)
    store = store_of(207, pieces)
    answer = store.move([(HERE, ("trash", "a"))], lambda: True)[HERE]
    assert (answer.outcome, answer.message) == (FileOutcome.UNKNOWN, "the answer is too long")
    seen = store.look([HERE], lambda: True)[HERE]
    assert (seen.kind, seen.problem and seen.problem.message) == (Kind.UNCLEAR, "the answer is too long")
    with pytest.raises(StorageError, match="the answer is too long"):
        store.write(HERE, b"x")
    assert pieces.read == 3 * 101
