"""A fresh copy of the project in which demos are run, and what tests see of it from outside."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dynamo_site.demo.sample import TIER2, TIER3, SampleSize, data_files, sample_datasets

ROOT = Path(__file__).resolve().parents[2]
#: The tests' own settings stand in the environment; a demo must start as from a user's shell.
_TESTS_OWN = {"DYNAMO_VAR_DIR", "DATABASE_URL", "CELERY_BROKER_URL", "DJANGO_SECRET_KEY", "DJANGO_SETTINGS_MODULE"}
#: A shell has commands in its background ignore Ctrl-C, and what they start inherits that: also this test run, and its demos.
HEARS_INTERRUPTS = ("env", "--default-signal=INT")
#: Seconds between two evaluations of a policy in these demos.
PERIOD = "3"
_OUTER_MAKE = {"MAKEFLAGS", "MAKELEVEL"}


def clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name not in _TESTS_OWN | _OUTER_MAKE}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"waited {seconds} s for: {what}"
        time.sleep(0.05)


@dataclass(frozen=True, slots=True)
class DemoTree:
    """A clone of the repository with a virtual environment that is ready."""

    root: Path

    @property
    def var(self) -> Path:
        return self.root / "var"

    @property
    def storage(self) -> Path:
        return self.var / "storage"

    @property
    def tier3(self) -> Path:
        return self.storage / "T3_US_MIT"

    def make(self, *arguments: str, seconds: float = 600) -> subprocess.CompletedProcess[str]:
        """Run make to its end, with both outputs in ``stdout``."""
        return subprocess.run(
            ["make", *arguments],
            cwd=self.root,
            env=clean_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
            check=False,
        )

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start a command as a terminal would: in a process group of its own, with its output in ``out.txt``."""
        environment = clean_environment() | variables
        with (self.root / "out.txt").open("w") as out:
            return subprocess.Popen(
                (*HEARS_INTERRUPTS, *command),
                cwd=self.root,
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
                process_group=0,
            )

    def clear(self) -> None:
        """Bring the clone back to where it was before its first demo."""
        shutil.rmtree(self.var, ignore_errors=True)
        (self.root / "out.txt").unlink(missing_ok=True)

    def output(self) -> str:
        return (self.root / "out.txt").read_text()

    def files(self) -> dict[str, bytes]:
        """Return site/LFN -> content of every file at the sites of the partition, markers and trash left out."""
        found = (path for site in (TIER2, TIER3) for path in data_files(self.storage / site))
        return {str(path.relative_to(self.storage)): path.read_bytes() for path in found}

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return rows of the demo's database, read from outside."""
        with closing(sqlite3.connect(f"file:{self.var / 'dynamo.sqlite3'}?mode=ro", uri=True, timeout=30)) as connection:
            return list(connection.execute(sql, parameters))

    def processes(self) -> list[tuple[int, str]]:
        """Return id and command of every process that works in this tree or has its folder among its arguments."""
        return list(_processes_of(self.root))

    def pid_of(self, what: str) -> int | None:
        """Return the id of the process of the demo whose command holds *what*."""
        return next((pid for pid, command in self.processes() if what in command), None)


def made_files(size: SampleSize) -> dict[str, bytes]:
    """Return site/LFN -> content of what the demo makes; the generator always makes the same."""
    return {
        site + file.lfn: file.content()
        for dataset in sample_datasets(size)
        for site in dataset.sites
        for block in dataset.blocks
        for file in block.files
    }


def planned_files(tree: DemoTree, size: SampleSize) -> set[str]:
    """Return site/LFN of all files that the plans of the demo's cycles delete."""
    blocks = {block.name: block for dataset in sample_datasets(size) for block in dataset.blocks}
    items = tree.rows(
        "SELECT site_name, block_name FROM policies_planitem item JOIN policies_plan plan ON plan.id = item.plan_id"
        " WHERE action = 'DELETE' AND plan.kind = 'CYCLE'"
    )
    return {site + file.lfn for site, block in items for file in blocks[block].files}


def inventory_files(tree: DemoTree) -> set[str]:
    """Return site/LFN of all files that the inventory says are at the sites of the partition, all in complete replicas."""
    rows = tree.rows(
        "SELECT site.name || file.lfn FROM inventory_blockreplica replica"
        " JOIN inventory_site site ON site.id = replica.site_id JOIN inventory_file file ON file.block_id = replica.block_id"
        " WHERE site.name IN (?, ?)",
        TIER2,
        TIER3,
    )
    return {name for (name,) in rows}


def tier3_occupancy(tree: DemoTree) -> float:
    """Return the part of the Tier-3's quota that its files fill, by what lies in its folder."""
    [(quota,)] = tree.rows(
        "SELECT quota.size_bytes FROM policies_quota quota JOIN inventory_site site ON site.id = quota.site_id"
        " WHERE site.name = ?",
        "T3_US_MIT",
    )
    sizes = []
    for path in data_files(tree.tier3):
        with suppress(FileNotFoundError):  # deleted since it was listed
            sizes.append(path.stat().st_size)
    return sum(sizes) / quota


def clone(folder: Path) -> DemoTree:
    """Clone the repository to *folder* and give the clone this interpreter's virtual environment."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True, env=clean_environment())
    (folder / ".venv").symlink_to(sys.prefix)
    return DemoTree(folder)


def interrupt(process: subprocess.Popen[str], *, seconds: float = 30) -> int:
    """Press Ctrl-C: SIGINT to the whole foreground process group; return the exit code."""
    os.killpg(process.pid, signal.SIGINT)
    return process.wait(seconds)


def end(process: subprocess.Popen[str], tree: DemoTree) -> None:
    """End what a failed test may have left."""
    if process.poll() is None:
        process.kill()
        process.wait(10)
    end_all(tree)


def end_all(tree: DemoTree) -> None:
    """Kill every process of *tree* and wait until none is left."""
    for pid, _command in tree.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: tree.processes() == [], seconds=60, what="the end of all processes of the demo")


def _processes_of(root: Path) -> Iterator[tuple[int, str]]:
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            folder = (entry / "cwd").readlink()
        except OSError:
            continue
        if command and (folder == root or root in folder.parents or str(root) in command):
            yield int(entry.name), command


def command_of(*arguments: str) -> Sequence[str]:
    """Return the command of a demo on any free port whose beat does everything every few seconds."""
    return (".venv/bin/python", "-m", "dynamo_site.demo", "--port", str(free_port()), "--period", PERIOD, *arguments)


def is_done(tree: DemoTree) -> bool:
    """Tell whether a plan of the demo has been carried out to its end."""
    try:
        return tree.rows("SELECT count(*) FROM policies_plan WHERE state = 'DONE'")[0][0] > 0
    except sqlite3.OperationalError:
        return False
