"""The demo as a user runs it, in a fresh clone: one cycle, the long form, crashes, and what is wrong with the machine."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from http.client import HTTPConnection
from pathlib import Path

import pytest

from dynamo_site.demo.sample import LAST_COPY, LOCKED, SampleSize, sample_datasets
from inventory.selectors.wording import size_text
from tests.acceptance.demo_tree import (
    DemoTree,
    clone,
    command_of,
    end,
    free_port,
    interrupt,
    inventory_files,
    made_files,
    planned_files,
    tier3_occupancy,
    wait_until,
)

SIZE = SampleSize()
#: Many files per block, so that a deletion takes long enough to be killed in its middle.
MANY = SampleSize(files_per_block=250, file_size_bytes=40)


@pytest.fixture
def tree(tmp_path: Path) -> DemoTree:
    return clone(tmp_path / "dynamo")


@pytest.fixture
def started(tree: DemoTree) -> Iterator[list[subprocess.Popen[str]]]:
    """Collect the demos that a test starts; whatever of them is left at its end is ended."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        end(process, tree)


def test_one_cycle_deletes_its_plan_and_the_next_one_nothing(tree: DemoTree) -> None:
    made = made_files(SIZE)
    first = tree.make("demo", "ONCE=1")
    assert first.returncode == 0, first.stdout

    gone = planned_files(tree, SIZE)
    assert gone
    assert tree.files() == {name: content for name, content in made.items() if name not in gone}
    assert inventory_files(tree) == set(made) - gone
    assert tier3_occupancy(tree) < 0.85
    assert {name.split("/")[0] for name in gone} == {"T3_US_MIT"}
    for name in (LOCKED, LAST_COPY):
        [dataset] = [dataset for dataset in sample_datasets(SIZE) if dataset.name == name]
        assert not {f"T3_US_MIT{file.lfn}" for block in dataset.blocks for file in block.files} & gone

    deleted = tree.rows("SELECT dataset_name, site_name, sum(size_bytes) FROM policies_planitem GROUP BY 1, 2")
    for dataset, site, size in deleted:
        row = rf"^  {site} +{dataset} +{re.escape(size_text(size))}  default: Dismiss$"
        assert re.search(row, first.stdout, re.MULTILINE), dataset
    for site, before, after in (("T2_US_MIT", r"72\.0", r"72\.0"), ("T3_US_MIT", r"95\.0", r"8[0-4]\.\d")):
        assert re.search(rf"{site} +before +{before} %", first.stdout)
        assert re.search(rf"{site} +after +{after} %", first.stdout)
    assert re.search(rf"{LAST_COPY} .*guardrail last-copies", first.stdout)
    assert re.search(rf"{LOCKED} .*guardrail locked", first.stdout)

    kept = tree.files()
    second = tree.make("demo", "ONCE=1")
    assert second.returncode == 0, second.stdout
    assert "Deleted: nothing." in second.stdout
    assert tree.files() == kept
    assert tree.processes() == []


def test_long_form_does_the_same_by_itself_and_ctrl_c_leaves_no_process(
    tree: DemoTree, started: list[subprocess.Popen[str]]
) -> None:
    port = free_port()
    process = tree.start("make", "demo", f"PORT={port}")
    started.append(process)
    wait_until(lambda: "Dynamo runs at" in tree.output(), seconds=90, what="the welcome")
    token = re.search(r"Authorization: Token (\w+)", tree.output())
    assert token is not None
    assert _get(port, "/admin/login/")[0] == 200
    status, body = _get(port, "/api/v1/inventory/sites/", Authorization=f"Token {token[1]}")
    assert status == 200
    assert {"T2_US_MIT", "T3_US_MIT"} == {site["name"] for site in json.loads(body)["results"]}
    assert _get(port, "/api/v1/inventory/sites/")[0] == 401
    assert (tree.var / "demo/logins.json").stat().st_mode & 0o777 == 0o600

    wait_until(lambda: tier3_occupancy(tree) < 0.85, seconds=120, what="the Tier-3 below 85 %")
    worker = tree.pid_of("celery --app dynamo_site")
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: "was killed by signal 9; it is started again" in tree.output(), seconds=15, what="the restart")

    assert interrupt(process) != 0  # make says that it was interrupted
    assert "Stopped." in tree.output()
    assert tree.processes() == []
    made = made_files(SIZE)
    assert tree.files() == {name: content for name, content in made.items() if name not in planned_files(tree, SIZE)}


def test_processes_end_when_the_supervisor_is_killed(tree: DemoTree, started: list[subprocess.Popen[str]]) -> None:
    process = tree.start(*command_of("--port", str(free_port())))
    started.append(process)
    wait_until(lambda: "Dynamo runs at" in tree.output(), seconds=90, what="the welcome")
    wait_until(lambda: len(tree.processes()) >= 5, seconds=30, what="web with its worker, worker and beat")
    process.kill()
    process.wait(10)
    wait_until(lambda: tree.processes() == [], seconds=15, what="the end of web, worker and beat")


def test_worker_killed_in_the_middle_of_deletions_loses_and_repeats_nothing(
    tree: DemoTree, started: list[subprocess.Popen[str]]
) -> None:
    process = tree.start(*command_of("--port", str(free_port()), "--files-per-block", "250", "--file-size", "40"))
    started.append(process)
    wait_until(lambda: "Dynamo runs at" in tree.output(), seconds=150, what="the welcome")
    kills = 0
    while kills < 3:
        wait_until(lambda: _acting(tree) != set() or _is_done(tree), seconds=180, what="a deletion that is acted on")
        assert not _is_done(tree), f"all was deleted after {kills} kills: make more files"
        before = _acting(tree)
        worker = _worker_of_lease(tree)
        if worker is None:
            continue
        os.kill(worker, signal.SIGKILL)
        # Counted only if the lease that was held is still there: the kill hit an item that was being acted on.
        if before & _acting(tree):
            kills += 1
            wait_until(partial(_was_killed, tree, kills), seconds=20, what="the restart")
    wait_until(lambda: _is_done(tree), seconds=300, what="the end of the plan")

    made, gone = made_files(MANY), planned_files(tree, MANY)
    wait_until(lambda: len(tree.files()) == len(made) - len(gone), seconds=10, what="the last file")
    assert tree.files() == {name: content for name, content in made.items() if name not in gone}
    assert inventory_files(tree) == set(made) - gone
    [(deleted, absent, planned)] = tree.rows(
        "SELECT sum(files_deleted), sum(files_absent), sum(num_files) FROM operations_deletion"
    )
    assert deleted + absent == planned == len(gone)
    died = tree.rows("SELECT count(*) FROM operations_attempt WHERE recorded_at IS NULL OR outcome = ''")[0][0]
    assert died >= kills
    interrupt(process)
    assert tree.processes() == []


@pytest.mark.parametrize("what", ["missing", "replaced by a file"])
def test_storage_that_is_not_there_stops_the_start_and_nothing_is_lost(tree: DemoTree, what: str) -> None:
    assert tree.make("demo", "ONCE=1").returncode == 0
    before = tree.files()
    away = tree.root / "away"
    tree.tier3.rename(away)
    if what == "replaced by a file":
        tree.tier3.write_text("not a folder")
    refused = tree.make("demo", "ONCE=1")
    assert refused.returncode != 0
    assert f"the storage of T3_US_MIT is missing: {tree.tier3} is no folder" in refused.stdout
    assert "Traceback" not in refused.stdout
    if what == "replaced by a file":
        tree.tier3.unlink()
    away.rename(tree.tier3)
    again = tree.make("demo", "ONCE=1")
    assert again.returncode == 0, again.stdout
    assert tree.files() == before


def test_storage_that_refuses_deletions_keeps_the_inventory_and_goes_on_when_it_is_mended(
    tree: DemoTree, started: list[subprocess.Popen[str]]
) -> None:
    process = tree.start(*command_of("--port", str(free_port())))
    started.append(process)
    wait_until(lambda: "Dynamo runs at" in tree.output(), seconds=90, what="the welcome")
    away = tree.root / "away"
    tree.tier3.rename(away)
    tree.tier3.mkdir()  # a mount that is missing: the folder is there, and empty
    made = made_files(SIZE)
    wait_until(
        lambda: tree.rows("SELECT count(*) FROM operations_deletion WHERE num_attempts > 0")[0][0] > 0,
        seconds=120,
        what="an attempt",
    )
    time.sleep(3)
    assert tree.rows("SELECT count(*) FROM operations_deletion WHERE state = 'DONE'") == [(0,)]
    assert inventory_files(tree) == set(made)
    tree.tier3.rmdir()
    away.rename(tree.tier3)
    wait_until(lambda: tier3_occupancy(tree) < 0.85, seconds=180, what="the deletions to go on")
    wait_until(lambda: _is_done(tree), seconds=120, what="the end of the plan")
    gone = planned_files(tree, SIZE)
    assert tree.files() == {name: content for name, content in made.items() if name not in gone}
    assert inventory_files(tree) == set(made) - gone
    interrupt(process)


def test_broker_folder_that_cannot_be_used_is_named(tree: DemoTree) -> None:
    (tree.var / "broker").mkdir(parents=True)
    (tree.var / "broker" / "queue").write_text("in the way")
    refused = tree.make("demo", "ONCE=1")
    assert refused.returncode != 0
    assert f"{tree.var}/broker/queue cannot be written" in refused.stdout
    assert "Traceback" not in refused.stdout
    assert not tree.storage.exists()
    (tree.var / "broker" / "queue").unlink()
    assert tree.make("demo", "ONCE=1").returncode == 0


def test_full_disk_is_named_and_the_start_goes_on_when_there_is_room(tree: DemoTree) -> None:
    tree.var.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(tree.var)], check=False, capture_output=True)
    if mounted.returncode != 0:
        pytest.skip("needs the right to mount a small file system")
    try:
        refused = tree.make("demo", "ONCE=1")
        assert refused.returncode != 0
        assert "No space left on device" in refused.stdout or "disk is full" in refused.stdout, refused.stdout
        assert "Traceback" not in refused.stdout, refused.stdout
        subprocess.run(["mount", "-o", "remount,size=200m", str(tree.var)], check=True)
        again = tree.make("demo", "ONCE=1")
        assert again.returncode == 0, again.stdout
        made = made_files(SIZE)
        assert tree.files() == {name: content for name, content in made.items() if name not in planned_files(tree, SIZE)}
    finally:
        subprocess.run(["umount", str(tree.var)], check=True)


def test_port_in_use_is_named_with_what_to_do(tree: DemoTree) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = tree.make("demo", f"PORT={port}")
    assert refused.returncode != 0
    assert f"port {port} cannot be used" in refused.stdout
    assert f"make demo PORT={port + 1}" in refused.stdout


def test_reset_starts_afresh(tree: DemoTree) -> None:
    assert tree.make("demo", "ONCE=1").returncode == 0
    assert tree.files() != made_files(SIZE)
    assert tree.make("demo-reset").returncode == 0
    assert list(tree.var.iterdir()) == []


def test_interrupted_install_leaves_no_process_and_is_begun_again(tmp_path: Path) -> None:
    tree = clone(tmp_path / "dynamo")
    (tree.root / ".venv").unlink()
    process = tree.start("make", "venv")
    try:
        wait_until(lambda: tree.pid_of("pip install") is not None, seconds=60, what="pip")
        time.sleep(1)
        assert interrupt(process) != 0
        wait_until(lambda: tree.processes() == [], seconds=5, what="the end of the install")
    finally:
        end(process, tree)
    assert (tree.root / ".venv/.installing").exists()
    assert not list((tree.root / ".venv").glob(".installed-*"))
    again = tree.start("make", "venv")
    try:
        wait_until(lambda: "Creating .venv" in tree.output(), seconds=30, what="a new environment")
    finally:
        interrupt(again)
        end(again, tree)


def _get(port: int, path: str, **headers: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _was_killed(tree: DemoTree, times: int) -> bool:
    return tree.output().count("was killed by signal 9") >= times


def _acting(tree: DemoTree) -> set[str]:
    return {str(token) for (token,) in tree.rows("SELECT lease_token FROM operations_deletion WHERE state = 'ACTING'")}


def _worker_of_lease(tree: DemoTree) -> int | None:
    """Return the id of the process that holds a lease, by the name that it works under."""
    workers = tree.rows("SELECT worker FROM operations_deletion WHERE state = 'ACTING'")
    alive = {pid for pid, _command in tree.processes()}
    return next((pid for (name,) in workers if (pid := int(name.split(":")[1])) in alive), None)


def _is_done(tree: DemoTree) -> bool:
    try:
        return tree.rows("SELECT count(*) FROM policies_plan WHERE state = 'DONE'")[0][0] > 0
    except sqlite3.OperationalError:
        return False
