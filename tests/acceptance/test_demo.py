"""The demo as a user runs it, in a fresh clone: one cycle, the long form, and crashes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from functools import partial
from http.client import HTTPConnection

from dynamo_site.demo.sample import LAST_COPY, LOCKED, SampleSize, sample_datasets
from dynamo_site.demo.scanned import LEFT, LOST, SITE
from inventory.selectors.wording import size_text
from tests.acceptance.demo_tree import (
    PERIOD,
    DemoTree,
    command_of,
    free_port,
    interrupt,
    inventory_files,
    is_done,
    made_files,
    planned_files,
    tier3_occupancy,
    wait_until,
)

SIZE = SampleSize()
#: Many files per block, so that a deletion takes long enough to be killed in its middle.
MANY = SampleSize(files_per_block=800, file_size_bytes=40)


def test_one_cycle_deletes_its_plan_and_the_next_one_nothing(tree: DemoTree) -> None:
    made = made_files(SIZE)
    first = tree.make("demo", "ONCE=1", f"PERIOD={PERIOD}")
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

    deleted = tree.rows(
        "SELECT dataset_name, site_name, sum(item.size_bytes) FROM policies_planitem item"
        " JOIN policies_plan plan ON plan.id = item.plan_id WHERE plan.kind = 'CYCLE' GROUP BY 1, 2"
    )
    for dataset, site, size in deleted:
        row = rf"^  {site} +{dataset} +{re.escape(size_text(size))}  default: Dismiss$"
        assert re.search(row, first.stdout, re.MULTILINE), dataset
    for site, before, after in (("T2_US_MIT", r"72\.0", r"72\.0"), ("T3_US_MIT", r"95\.0", r"8[0-4]\.\d")):
        assert re.search(rf"{site} +before +{before} %", first.stdout)
        assert re.search(rf"{site} +after +{after} %", first.stdout)
    assert re.search(rf"{LAST_COPY} .*guardrail last-copies", first.stdout)
    assert re.search(rf"{LOCKED} .*guardrail locked", first.stdout)

    found = dict(tree.rows("SELECT kind, count(*) FROM operations_scanfinding GROUP BY 1"))
    assert found == {"MISSING": len(LOST), "DARK": len(LEFT)}
    assert tree.rows("SELECT site_name, state FROM operations_storagescan") == [(SITE, "HELD")]

    kept = tree.files()
    second = tree.make("demo", "ONCE=1", f"PERIOD={PERIOD}")
    assert second.returncode == 0, second.stdout
    assert "Deleted: nothing." in second.stdout
    assert tree.files() == kept
    assert tree.processes() == []


def test_long_form_does_the_same_by_itself_and_ctrl_c_leaves_no_process(
    tree: DemoTree, started: list[subprocess.Popen[str]]
) -> None:
    port = free_port()
    process = tree.start("make", "demo", f"PORT={port}", f"PERIOD={PERIOD}")
    started.append(process)
    wait_until(lambda: "Dynamo runs at" in tree.output(), seconds=300, what="the welcome")
    token = re.search(r"Authorization: Token (\w+)", tree.output())
    assert token is not None
    assert _get(port, "/admin/login/")[0] == 200
    status, body = _get(port, "/api/v1/inventory/sites/", Authorization=f"Token {token[1]}")
    assert status == 200
    assert {"T2_US_MIT", "T3_US_MIT", "T2_US_Lakeside"} == {site["name"] for site in json.loads(body)["results"]}
    assert _get(port, "/api/v1/inventory/sites/")[0] == 401
    assert (tree.var / "demo/logins.json").stat().st_mode & 0o777 == 0o600

    wait_until(lambda: tier3_occupancy(tree) < 0.85, seconds=300, what="the Tier-3 below 85 %")
    worker = tree.pid_of("celery --app dynamo_site")
    assert worker is not None
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: "was killed by signal 9; it is started again" in tree.output(), seconds=60, what="the restart")

    assert interrupt(process) != 0  # make says that it was interrupted
    assert "Stopped." in tree.output()
    assert tree.processes() == []
    made = made_files(SIZE)
    assert tree.files() == {name: content for name, content in made.items() if name not in planned_files(tree, SIZE)}


def test_processes_end_when_the_supervisor_is_killed(tree: DemoTree, started: list[subprocess.Popen[str]]) -> None:
    process = tree.start(*command_of())
    started.append(process)
    wait_until(lambda: "Dynamo runs at" in tree.output(), seconds=300, what="the welcome")
    wait_until(lambda: len(tree.processes()) >= 5, seconds=60, what="web with its worker, worker and beat")
    process.kill()
    process.wait(10)
    wait_until(lambda: tree.processes() == [], seconds=20, what="the end of web, worker and beat")


def test_worker_killed_in_the_middle_of_deletions_loses_and_repeats_nothing(
    tree: DemoTree, started: list[subprocess.Popen[str]]
) -> None:
    size = ("--files-per-block", str(MANY.files_per_block), "--file-size", str(MANY.file_size_bytes))
    process = tree.start(*command_of(*size), DYNAMO_DELETION_LEASE_SECONDS="5")
    started.append(process)
    wait_until(lambda: "Dynamo runs at" in tree.output(), seconds=300, what="the welcome")
    is_killed = False
    while not is_killed:
        wait_until(lambda: _acting(tree) != set() or is_done(tree), seconds=300, what="a deletion that is acted on")
        assert not is_done(tree), "all was deleted before the worker could be killed: make more files"
        before = _acting(tree)
        worker = _worker_of_lease(tree)
        if worker is None:
            continue
        os.kill(worker, signal.SIGKILL)
        # Counted only if the lease that was held is still there: the kill hit an item that was being acted on.
        is_killed = bool(before & _acting(tree))
    wait_until(partial(_was_killed, tree, 1), seconds=60, what="the restart")
    wait_until(lambda: is_done(tree), seconds=300, what="the end of the plan")

    made, gone = made_files(MANY), planned_files(tree, MANY)
    wait_until(lambda: len(tree.files()) == len(made) - len(gone), seconds=60, what="the last file")
    assert tree.files() == {name: content for name, content in made.items() if name not in gone}
    assert inventory_files(tree) == set(made) - gone
    [(deleted, absent, planned)] = tree.rows(
        "SELECT sum(files_deleted), sum(files_absent), sum(num_files) FROM operations_deletion"
    )
    assert deleted + absent == planned == len(gone)
    died = tree.rows("SELECT count(*) FROM operations_attempt WHERE recorded_at IS NULL OR outcome = ''")[0][0]
    assert died >= 1
    interrupt(process)
    assert tree.processes() == []


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
