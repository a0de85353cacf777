"""Keeps a few processes running, and leaves none behind.

Every process gets a session of its own: Ctrl-C in the terminal reaches the supervisor alone, which then stops the others in
order; and what a process has started itself can be ended with it. On Linux the kernel also ends the processes when the
supervisor is killed with -9.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

#: Seconds between SIGTERM and SIGKILL.
GRACE_SECONDS = 10.0
#: A process that exits by itself sooner than this has not started properly.
QUICK_SECONDS = 8.0
MAX_QUICK_EXITS = 4
POLL_SECONDS = 0.2
MAX_LOG_BYTES = 10_000_000
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_PR_SET_PDEATHSIG = 1


class ProcessGaveUpError(Exception):
    """A process exits again and again right after its start; ``log`` says why."""

    def __init__(self, name: str, exit_code: int, log: Path) -> None:
        self.name, self.exit_code, self.log = name, exit_code, log
        super().__init__(f"{name} exits with {exit_code} right after each start")


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """What to run, and where its output goes."""

    name: str
    command: tuple[str, ...]
    log: Path


@dataclass(slots=True)
class _Running:
    spec: ProcessSpec
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_again_at: float = 0.0
    quick_exits: int = 0


class Supervisor:
    """Starts processes, restarts those that end, stops all of them. Use as a context manager: leaving it stops everything."""

    def __init__(self, specs: Sequence[ProcessSpec], *, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        self._running = [_Running(spec) for spec in specs]
        self._environment = dict(environment)
        self._say = say

    def __enter__(self) -> Supervisor:
        for running in self._running:
            self._start(running)
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def pids(self) -> dict[str, int]:
        """Return the process ids by name, of those that run now."""
        return {r.spec.name: r.process.pid for r in self._running if r.process is not None and r.process.poll() is None}

    def poll(self) -> None:
        """Restart what has ended. Raises ``ProcessGaveUpError`` when a process does not get past its start."""
        now = time.monotonic()
        for running in self._running:
            if running.process is not None:
                exit_code = running.process.poll()
                if exit_code is not None:
                    self._ended(running, exit_code, now)
            elif now >= running.start_again_at:
                self._start(running)

    def stop(self) -> None:
        """End every process and what it started: SIGTERM, and SIGKILL for what is still there after ``GRACE_SECONDS``."""
        alive = [r.process for r in self._running if r.process is not None]
        for process in alive:
            _signal_group(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + GRACE_SECONDS
        for process in alive:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                continue
        for process in alive:
            _signal_group(process.pid, signal.SIGKILL)
            process.wait()
        for running in self._running:
            running.process = None

    def _start(self, running: _Running) -> None:
        spec = running.spec
        spec.log.parent.mkdir(parents=True, exist_ok=True)
        if spec.log.exists() and spec.log.stat().st_size > MAX_LOG_BYTES:
            spec.log.replace(spec.log.with_suffix(".log.1"))
        with spec.log.open("ab") as log:
            running.process = subprocess.Popen(  # noqa: S603 - the commands are this package's own
                spec.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
                preexec_fn=_die_with_parent(os.getpid()),  # noqa: PLW1509 - the supervisor has no thread when it forks
            )
        running.started_at = time.monotonic()

    def _ended(self, running: _Running, exit_code: int, now: float) -> None:
        process, running.process = running.process, None
        if process is not None:
            _signal_group(process.pid, signal.SIGKILL)
        name = running.spec.name
        if exit_code >= 0 and now - running.started_at < QUICK_SECONDS:
            running.quick_exits += 1
            if running.quick_exits >= MAX_QUICK_EXITS:
                raise ProcessGaveUpError(name, exit_code, running.spec.log)
        else:
            running.quick_exits = 0
        delay = float(2**running.quick_exits)
        how = f"exited with {exit_code}" if exit_code >= 0 else f"was killed by signal {-exit_code}"
        self._say(f"{name} {how}; it is started again")
        running.start_again_at = now + delay


class StopRequest:
    """Notes SIGINT, SIGTERM and SIGHUP, so that a loop can end in order; ``restore`` puts the former handlers back."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._former = {number: signal.signal(number, self._note) for number in STOP_SIGNALS}
        self._make = _MakeParent.current()

    def __bool__(self) -> bool:
        if self.signal is None and self._make is not None and self._make.was_interrupted():
            self.signal = signal.SIGINT
        return self.signal is not None

    def restore(self) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.signal = number


@dataclass(frozen=True, slots=True)
class _MakeParent:
    """The ``make`` that started this process.

    make hands SIGTERM on to its children, but not SIGINT: it counts on the terminal to have sent it to them, and waits. A
    SIGINT sent to make alone can be seen from below: make then no longer has a handler for it.
    """

    pid: int

    @classmethod
    def current(cls) -> _MakeParent | None:
        pid = os.getppid() if "MAKELEVEL" in os.environ else 0
        while pid > 1:
            fields = _process_status(pid)
            if fields.get("Name") in ("make", "gmake"):
                parent = cls(pid)
                return parent if parent._catches_interrupt() else None
            pid = int(fields.get("PPid", "0"))  # a shell may be in between
        return None

    def was_interrupted(self) -> bool:
        return not self._catches_interrupt()

    def _catches_interrupt(self) -> bool:
        return bool(int(_process_status(self.pid).get("SigCgt", "0"), 16) & 1 << signal.SIGINT - 1)


def _process_status(pid: int) -> dict[str, str]:
    """Return the fields of ``/proc/PID/status``; none when the process is gone, or on a system without ``/proc``."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}


def stop_with_parent() -> None:
    """Have the kernel send SIGTERM to this process when its parent ends, however that ends (Linux; elsewhere nothing)."""
    if sys.platform == "linux":
        parent = os.getppid()
        _set_parent_death_signal(signal.SIGTERM)
        if os.getppid() != parent:
            raise SystemExit(128 + signal.SIGTERM)


def _die_with_parent(parent: int) -> Callable[[], None] | None:
    """Return what a new process runs before its program: from then on it is killed when ``parent`` ends (Linux)."""
    if sys.platform != "linux":
        return None

    def in_child() -> None:
        _set_parent_death_signal(signal.SIGKILL)
        if os.getppid() != parent:  # it ended between fork and here
            os._exit(1)

    return in_child


def _set_parent_death_signal(number: int) -> None:
    if _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")


_libc = ctypes.CDLL(None, use_errno=True)


def _signal_group(leader: int, number: int) -> None:
    try:
        os.killpg(leader, number)
    except ProcessLookupError:
        return
