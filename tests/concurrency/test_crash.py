"""The crash test: whatever dies, storage and inventory agree at the end, and nothing but the plan was touched.

Small here; ``make crash`` (``DYNAMO_CRASH_FULL=1``) deletes 10,000 files while 200 kills hit.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.factories.own_servers import OwnPostgres, OwnRedis

pytestmark = [pytest.mark.own_servers]

ROOT = Path(__file__).resolve().parent.parent.parent
IS_FULL = os.environ.get("DYNAMO_CRASH_FULL", "") not in {"", "0"}
NUM_FILES, KILLS = (10_000, 200) if IS_FULL else (320, 8)
SETTINGS = {"DJANGO_SETTINGS_MODULE": "dynamo_site.settings.test", "DJANGO_LOG_LEVEL": "CRITICAL"}


@pytest.fixture(scope="module")
def postgres(own_postgres: OwnPostgres) -> OwnPostgres:
    """Return a server of this module alone, with a database ``ready`` that has the tables."""
    run(["manage.py", "migrate", "--verbosity", "0"], TEST_DATABASE_URL=own_postgres.make("ready"))
    return own_postgres


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[OwnRedis]:
    broker = OwnRedis.start(tmp_path)
    yield broker
    broker.stop()


def run(arguments: list[str], **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | SETTINGS | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-6000:]
    return done.stdout


@pytest.mark.parametrize("way", ["trash", "delete"])
def test_killed_workers_a_restarted_database_and_an_emptied_broker_lose_nothing(
    postgres: OwnPostgres, redis: OwnRedis, tmp_path: Path, way: str, capsys: pytest.CaptureFixture[str]
):
    arguments = [tmp_path, postgres.folder, postgres.port, NUM_FILES, KILLS, way]
    said = run(
        ["-m", "tests.concurrency.crash", *map(str, arguments)],
        TEST_DATABASE_URL=postgres.make(way, template="ready"),
        TEST_BROKER_URL=redis.url,
    )
    outcome: dict[str, Any] = json.loads(said.splitlines()[-1])
    with capsys.disabled():
        sys.stdout.write(f"\ncrash test, {way}: {outcome}\n") if IS_FULL else None
    num_blocks = NUM_FILES // 4
    assert (outcome["hits"], outcome["restarts"], outcome["emptied"]) == (KILLS, 2, 3)
    assert outcome["unrecorded_attempts"] >= KILLS
    assert outcome["states"] == {"DONE": num_blocks}
    assert (outcome["wrong_counts"], outcome["files_counted"]) == ([], NUM_FILES)
    assert outcome["storage_equals_inventory"]
    assert outcome["survivors_changed"] == []
    assert outcome["other_site_replicas"] == num_blocks * 5 // 4
    assert outcome["audit_break"] == ""
    if way == "trash":
        assert (outcome["in_trash"], outcome["trash_states"]) == (NUM_FILES, {"KEPT": num_blocks})
        assert (outcome["restored"], outcome["all_as_before"]) == ({"RESTORED": NUM_FILES}, True)
    else:
        assert (outcome["in_trash"], outcome["trash_states"]) == (0, {})
