"""What is wrong with the machine is named by the demo, loses nothing, and the next start goes on."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import pytest

from dynamo_site.demo.sample import SampleSize
from tests.acceptance.demo_tree import (
    DemoTree,
    clone,
    command_of,
    end,
    interrupt,
    inventory_files,
    is_done,
    made_files,
    planned_files,
    tier3_occupancy,
    wait_until,
)

SIZE = SampleSize()


@pytest.mark.parametrize("what", ["missing", "replaced by a file"])
def test_storage_that_is_not_there_stops_the_start_and_nothing_is_lost(finished: DemoTree, what: str) -> None:
    tree = finished
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
    # Longer than the start takes, so that the storage goes before the first cycle.
    process = tree.start(*command_of("--period", "15"))
    started.append(process)
    wait_until(lambda: "Dynamo runs at" in tree.output(), seconds=300, what="the welcome")
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
    wait_until(lambda: tier3_occupancy(tree) < 0.85, seconds=300, what="the deletions to go on")
    wait_until(lambda: is_done(tree), seconds=300, what="the end of the plan")
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


def test_reset_starts_afresh(finished: DemoTree) -> None:
    tree = finished
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
        wait_until(lambda: tree.processes() == [], seconds=15, what="the end of the install")
    finally:
        end(process, tree)
    assert (tree.root / ".venv/.installing").exists()
    assert not list((tree.root / ".venv").glob(".installed-*"))
    again = tree.start("make", "venv")
    try:
        wait_until(lambda: "Creating .venv" in tree.output(), seconds=60, what="a new environment")
    finally:
        interrupt(again)
        end(again, tree)
