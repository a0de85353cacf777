"""A scan by a real process that is killed with -9 again and again ends as one that nobody disturbed, on either database."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg

from tests.concurrency.test_killed_injection import ROOT, run

NUM_FOLDERS, FILES_PER_FOLDER = 60, 20
LEASE_SECONDS = 5
NUM_FILES = NUM_FOLDERS * FILES_PER_FOLDER

#: Prints what a scan summed up and found, without when.
LOOK = """
import json, sys
import django
django.setup()
from operations.models import ScanFolder, ScanSeen, StorageScan
scan = StorageScan.objects.get(pk=int(sys.argv[1]))
times = {"id", "started_at", "progress_at", "finished_at", "compared_key", "rechecked_key", "canary", "started_by_id"}
print(json.dumps([
    {name: value for name, value in StorageScan.objects.filter(pk=scan.pk).values().get().items() if name not in times},
    sorted(map(list, scan.findings.values_list("kind", "path", "size_bytes", "lfn", "dataset_name", "block_name", "problem"))),
    ScanFolder.objects.count() + ScanSeen.objects.count(),
], default=str))
"""


def site(environment: dict[str, str], folder: Path) -> Path:
    """Make a site of some thousand files in inventory and storage, of which some are missing and some unknown."""
    root = folder / "site"
    document = folder / "document.jsonl"
    with document.open("w") as lines:
        for number in range(NUM_FOLDERS):
            names = [f"/store/{number:03}/{n}" for n in range(FILES_PER_FOLDER)]
            blocks = [{"name": "b", "files": [{"name": name, "size": 4} for name in names]}]
            replica = {"dataset": f"/A/{number:03}/RAW", "site": "S1", "blockreplicas": [{"block": "b"}]}
            record = {"dataset": [{"name": f"/A/{number:03}/RAW", "blocks": blocks}], "datasetreplica": [replica]}
            lines.write(json.dumps(record) + "\n")
            (root / f"store/{number:03}/below").mkdir(parents=True)
            for name in [*names[number % 2 :], f"/store/{number:03}/below/dark", f"/store/{number:03}/dark"]:
                (root / name[1:]).write_text("data")
    run(environment, "manage.py", "inject", "--site", "S1", "storage_type=disk", f"endpoint={root.as_uri()}")
    run(environment, "manage.py", "inject", str(document))
    return root


def progress(environment: dict[str, str]) -> tuple[str, int]:
    """Return state and listed folders of the newest scan; asked without Django, which would start too slowly."""
    statement = "SELECT state, folders_done FROM operations_storagescan ORDER BY id DESC LIMIT 1"
    url = environment["TEST_DATABASE_URL"]
    if url.startswith("postgres"):
        with psycopg.connect(url) as connection:
            (row,) = connection.execute(statement).fetchall()
    else:
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)) as database:
            (row,) = database.execute(statement).fetchall()
    return str(row[0]), int(row[1])


def kill_when(environment: dict[str, str], is_time: Callable[[str, int], bool]) -> tuple[str, int]:
    """Start the command, again until the lease of the one before has run out; kill it at a moment and return where it was."""
    until = time.monotonic() + 120
    command = [sys.executable, "manage.py", "scan", "S1"]
    while time.monotonic() < until:
        child = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while child.poll() is None:
                if is_time(*progress(environment)):
                    child.kill()
                    break
        finally:
            child.kill()
            child.wait()
        if child.returncode == -9:
            time.sleep(LEASE_SECONDS)  # until then nobody else may go on
            return progress(environment)
        assert progress(environment)[0] in ("LISTING", "COMPARE"), "it came to its end before it was killed"
    raise AssertionError("no process came so far within two minutes")


def finish(environment: dict[str, str]) -> None:
    """Run the command until nothing is left to do: as long as a dead process holds the lease it says that it is under way."""
    until = time.monotonic() + 120
    while True:
        done = subprocess.run(
            [sys.executable, "manage.py", "scan", "S1"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode == 0:
            return
        assert "under way elsewhere" in done.stderr, done.stderr
        assert time.monotonic() < until


def look(environment: dict[str, str], scan: int) -> list[Any]:
    found: list[Any] = json.loads(run(environment, "-c", LOOK, str(scan)).splitlines()[-1])
    return found


def test_scan_that_is_killed_again_and_again_finds_what_an_undisturbed_one_finds(
    environment: dict[str, str], tmp_path: Path
) -> None:
    environment |= {"DYNAMO_SCAN_DARK_FRACTION": "0.5", "DYNAMO_SCAN_MISSING_FRACTION": "0.5"}
    environment |= {"DYNAMO_DELETION_LEASE_SECONDS": str(LEASE_SECONDS), "DYNAMO_SCAN_FILES_PER_SECOND": "0"}
    root = site(environment, tmp_path)
    finish(environment)
    whole = look(environment, 1)
    sums, found, left = whole
    assert (sums["state"], sums["files_seen"], sums["files_missing"], left) == ("DONE", NUM_FILES + 90, 30, 0)
    assert len(found) == 30 + 2 * NUM_FOLDERS

    run(environment, "manage.py", "scan", "S1", "--no-wait")
    # So slow that a kill hits the middle of the work, and not the moment after it.
    slow = environment | {"DYNAMO_SCAN_FILES_PER_SECOND": "600"}
    begun = 0
    for share in (10, 2):
        state, done = kill_when(slow, lambda state, done, at=NUM_FOLDERS // share + begun: done >= at)
        assert state == "LISTING"
        assert begun < done < 2 * NUM_FOLDERS
        begun = done
    assert kill_when(slow, lambda state, done: state == "COMPARE")[0] == "COMPARE"
    finish(environment)
    again = look(environment, 2)
    assert again[1:] == whole[1:]
    assert again[0] | {"worker": ""} == sums | {"worker": ""}
    assert sum(1 for path in root.rglob("*") if path.is_file() and not path.name.startswith(".dynamo")) == NUM_FILES + 90
