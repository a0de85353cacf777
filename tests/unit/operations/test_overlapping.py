"""Requests that are made at the same time: the caller is asked while it waits for them, and none is begun once it says no."""

from __future__ import annotations

from threading import Event

import pytest

from operations.storage import overlapping as module
from operations.storage.overlapping import WIDTH, overlapping


@pytest.mark.parametrize("number", [1, WIDTH + 2])
def test_whether_to_go_on_is_asked_while_requests_are_waited_for(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.setattr(module, "_ASK_EVERY", 0.01)
    paths = [(f"{index}",) for index in range(number)]
    ended, asked = Event(), 0

    def may_go() -> bool:
        nonlocal asked
        asked += 1
        if asked > 3 * number:
            ended.set()
        return True

    # Each ends only after many more questions than those before each request: without them this waits in vain.
    assert overlapping(paths, lambda path: ended.wait(20), may_go) == dict.fromkeys(paths, True)


def test_none_is_begun_after_a_no_and_those_under_way_come_to_their_end() -> None:
    paths = [(f"{index}",) for index in range(20)]
    answers = iter([True, True, True])
    done = overlapping(paths, lambda path: path, lambda: next(answers, False))
    assert done == {path: path for path in paths[:3]}
