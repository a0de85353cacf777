"""Work of the database beside work in memory: calls that are carried out one after another over the caller's connection."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, ParamSpec, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

_P = ParamSpec("_P")
_R = TypeVar("_R")

#: How long one thread may keep the other from Python (s). The default of 5 ms would be added to each answer of the database, of
#: which a portion waits for some dozens.
_SWITCH_INTERVAL = 0.00002


class Lane:
    """Carries out calls in the order in which they were given, in a thread of its own, inside the caller's transaction.

    From ``with`` to its end only calls in the lane may use the connection. After one that failed none is carried out any more:
    each raises that first error (except those that are *harmless*: they leave the transaction as it was). On SQLite the lane
    is the caller's own thread: the database works in the process, and there is nothing to wait for.
    """

    def __init__(self, *, harmless: type[Exception]) -> None:
        self._connection = connections[DEFAULT_DB_ALIAS]
        self._harmless = harmless
        self._failure: BaseException | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._thread: threading.Thread | None = None
        self._switch_interval = sys.getswitchinterval()

    def __enter__(self) -> Lane:
        if self._connection.vendor == "postgresql":
            self._connection.inc_thread_sharing()
            self._switch_interval = sys.getswitchinterval()
            sys.setswitchinterval(_SWITCH_INTERVAL)
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="injection", initializer=self._adopt)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
            sys.setswitchinterval(self._switch_interval)
            self._connection.dec_thread_sharing()

    def begin(self, call: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> Future[_R]:
        """Let the call be carried out after those before it; its result says when it is over."""
        if self._pool is not None:
            return self._pool.submit(self._carried_out, call, *args, **kwargs)
        done: Future[_R] = Future()
        try:
            done.set_result(call(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - raised where the result is asked for
            done.set_exception(error)
        return done

    def do(self, call: Callable[_P, _R], *args: _P.args, **kwargs: _P.kwargs) -> _R:
        """Carry out the call after those before it, and return its result. A call in the lane may do so, too."""
        if threading.current_thread() is self._thread:
            return call(*args, **kwargs)
        return self.begin(call, *args, **kwargs).result()

    def _adopt(self) -> None:
        """Make the caller's connection that of the lane's thread."""
        self._thread = threading.current_thread()
        connections[DEFAULT_DB_ALIAS] = self._connection

    def _carried_out(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if self._failure is not None:
            raise self._failure
        try:
            return call(*args, **kwargs)
        except self._harmless:
            raise
        except BaseException as error:
            self._failure = error
            raise
