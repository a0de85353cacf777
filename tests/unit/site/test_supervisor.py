"""The supervisor keeps its processes running and leaves none behind, however it ends itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from dynamo_site.demo.supervisor import ProcessGaveUpError, ProcessSpec, Supervisor

ROOT = Path(__file__).resolve().parents[3]

#: Starts a child of its own in its session, writes both ids, ignores SIGTERM when told to.
PROGRAM = """
import os, signal, subprocess, sys, time
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "120"])
with open(sys.argv[1], "a") as handle:
    handle.write(f"{os.getpid()} {child.pid}\\n")
time.sleep(120)
"""


def spec(tmp_path: Path, name: str, *extra: str) -> ProcessSpec:
    return ProcessSpec(
        name, (sys.executable, "-c", PROGRAM, str(tmp_path / f"{name}.pids"), *extra), tmp_path / "log" / f"{name}.log"
    )


def started(tmp_path: Path, name: str, times: int = 1) -> list[tuple[int, int]]:
    """Wait until the process has been started ``times`` times, and return the ids of each start."""
    path = tmp_path / f"{name}.pids"
    wait_until(lambda: path.exists() and len(path.read_text().splitlines()) >= times)
    return [(int(a), int(b)) for a, b in (line.split() for line in path.read_text().splitlines())]


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "timed out"
        time.sleep(0.05)


def test_leaving_ends_processes_and_their_children(tmp_path: Path) -> None:
    with Supervisor([spec(tmp_path, "one"), spec(tmp_path, "two")], environment=os.environ, say=pytest.fail) as supervisor:
        pids = {pid for name in ("one", "two") for pid in started(tmp_path, name)[0]}
        assert set(supervisor.pids()) == {"one", "two"}
    assert len(pids) == 4
    wait_until(lambda: not any(is_running(pid) for pid in pids))


def test_process_that_ignores_sigterm_is_killed_after_the_grace_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynamo_site.demo.supervisor.GRACE_SECONDS", 0.5)
    with Supervisor([spec(tmp_path, "one", "stubborn")], environment=os.environ, say=pytest.fail):
        [(leader, child)] = started(tmp_path, "one")
    wait_until(lambda: not is_running(leader) and not is_running(child))


def test_killed_process_is_started_again_and_its_orphans_end(tmp_path: Path) -> None:
    said: list[str] = []
    with Supervisor([spec(tmp_path, "worker")], environment=os.environ, say=said.append) as supervisor:
        for times in (1, 2, 3):
            leader, child = started(tmp_path, "worker", times)[-1]
            os.kill(leader, signal.SIGKILL)

            def ended(leader: int = leader, child: int = child) -> bool:
                supervisor.poll()
                return not is_running(leader) and not is_running(child)

            wait_until(ended)

            def again(times: int = times) -> bool:
                supervisor.poll()
                return len((tmp_path / "worker.pids").read_text().splitlines()) > times

            wait_until(again)
    assert said == ["worker was killed by signal 9; it is started again"] * 3


def test_process_that_cannot_start_is_given_up_with_its_log(tmp_path: Path) -> None:
    broken = ProcessSpec("web", (sys.executable, "-c", "import sys; sys.exit('no such setting')"), tmp_path / "web.log")
    said: list[str] = []
    with (
        pytest.raises(ProcessGaveUpError, match="web exits with 1 right after each start") as caught,
        Supervisor([broken], environment=os.environ, say=said.append) as supervisor,
    ):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            supervisor.poll()
            time.sleep(0.05)
    assert caught.value.log == tmp_path / "web.log"
    assert "no such setting" in (tmp_path / "web.log").read_text()
    assert len(said) == 3


SUPERVISE = """
import os, sys, time
from pathlib import Path
from dynamo_site.demo.supervisor import ProcessSpec, StopRequest, Supervisor, stop_with_parent
if "with-parent" in sys.argv:
    stop_with_parent()
stop = StopRequest()
folder = Path(sys.argv[1])
spec = ProcessSpec("one", (sys.executable, "-c", {program!r}, str(folder / "one.pids")), folder / "one.log")
with Supervisor([spec], environment=os.environ, say=print) as supervisor:
    while not stop:
        supervisor.poll()
        time.sleep(0.05)
sys.exit(128 + stop.signal)
"""


def supervising(tmp_path: Path, *extra: str) -> list[str]:
    return [sys.executable, "-c", SUPERVISE.format(program=PROGRAM), str(tmp_path), *extra]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_to_the_supervisor_ends_all(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(supervising(tmp_path), cwd=ROOT)
    [(leader, child)] = started(tmp_path, "one")
    process.send_signal(number)
    assert process.wait(20) == 128 + number
    assert not is_running(leader)
    wait_until(lambda: not is_running(child))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_processes_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    process = subprocess.Popen(supervising(tmp_path), cwd=ROOT)
    [(leader, child)] = started(tmp_path, "one")
    process.kill()
    process.wait(20)
    wait_until(lambda: not is_running(leader))
    os.kill(child, signal.SIGKILL)  # grandchildren are the programs' own care; gunicorn's and celery's end by themselves


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's parent-death signal is Linux's")
def test_supervisor_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = f"import subprocess, sys; subprocess.run({supervising(tmp_path, 'with-parent')!r})"
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT)
    [(leader, child)] = started(tmp_path, "one")
    parent.kill()
    parent.wait(20)
    wait_until(lambda: not is_running(leader) and not is_running(child))


def test_interrupt_sent_to_make_alone_ends_all(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(textwrap.dedent(SUPERVISE.format(program=PROGRAM)))
    (tmp_path / "Makefile").write_text(f"demo:\n\t@PYTHONPATH={ROOT} {sys.executable} {tmp_path}/run.py {tmp_path}\n")
    make = subprocess.Popen(["make", "-C", str(tmp_path), "demo"], stderr=subprocess.DEVNULL)
    [(leader, child)] = started(tmp_path, "one")
    make.send_signal(signal.SIGINT)
    assert make.wait(20) != 0
    assert not is_running(leader)
    wait_until(lambda: not is_running(child))
