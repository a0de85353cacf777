"""Several requests at the same time, for back ends whose libraries take one at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from operations.storage.answers import MayGo, Path

#: Requests that are under way at the same time: measured with WebDAV, eight are twice as fast as one.
WIDTH = 8
#: Seconds between two questions whether to go on, while nothing but waiting is done.
_ASK_EVERY = 1.0

_T = TypeVar("_T")


def overlapping(paths: Sequence[Path], ask: Callable[[Path], _T], may_go: MayGo) -> dict[Path, _T]:
    """Ask for each path, ``WIDTH`` at a time, and wait for all.

    *may_go* is asked by the caller's thread alone: before each, and each second while it waits, which keeps a lease alive; those
    that are under way come to their end.
    """
    answers: dict[Path, _T] = {}
    if not paths:
        return answers
    with ThreadPoolExecutor(min(WIDTH, len(paths)), thread_name_prefix="storage") as pool:
        under_way: dict[Future[_T], Path] = {}
        for path in paths:
            while len(under_way) >= WIDTH:
                done, _ = wait(under_way, timeout=_ASK_EVERY, return_when=FIRST_COMPLETED)
                answers |= {under_way.pop(future): future.result() for future in done}
                if not done:
                    may_go()
            if not may_go():
                break
            under_way[pool.submit(ask, path)] = path
        while wait(under_way, timeout=_ASK_EVERY).not_done:
            may_go()
        answers |= {path: future.result() for future, path in under_way.items()}
    return answers
