"""Workers that are killed with -9 in the middle of deletions, and workers that share a queue: real processes, real files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

from tests.factories.own_servers import OwnPostgres

ROOT = Path(__file__).resolve().parent.parent.parent
KILLS = 25
SETTINGS = "dynamo_site.settings.test"


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'crash.sqlite3'}"


@pytest.fixture
def postgres_url(own_postgres: OwnPostgres) -> str:
    """Return the address of an empty database."""
    return own_postgres.make(f"workers_{uuid.uuid4().hex[:12]}")


def run(folder: Path, url: str, scenario: str, number: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.concurrency.deletion_workers", str(folder), scenario, str(number)]
    environment = os.environ | {"TEST_DATABASE_URL": url, "DJANGO_LOG_LEVEL": "ERROR", "DJANGO_SETTINGS_MODULE": SETTINGS}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


def check_killed(outcome: dict[str, Any]) -> None:
    assert outcome["hits"] >= KILLS, outcome
    assert outcome["unrecorded_attempts"] >= KILLS
    assert outcome["states"] == {"DONE": 120}
    assert (outcome["wrong_counts"], outcome["files_counted"]) == ([], 480)
    assert outcome["lost_survivors"] == []
    assert outcome["storage_equals_inventory"]
    assert outcome["other_site_replicas"] == 240
    assert (outcome["plan_state"], outcome["audit_break"]) == ("DONE", "")


def test_workers_killed_while_acting_on_sqlite_lose_nothing_and_touch_nothing_else(tmp_path: Path, sqlite_url: str):
    check_killed(run(tmp_path, sqlite_url, "crash", KILLS))


@pytest.mark.own_servers
def test_workers_on_one_queue_never_act_on_an_item_twice(tmp_path: Path, postgres_url: str):
    outcome = run(tmp_path, postgres_url, "together", 4)
    assert (outcome["asked"], outcome["asked_twice"]) == (2000, [])
    assert outcome["workers_with_work"] >= 2
    assert outcome["states"] == {"DONE": 2000}
    assert outcome["unrecorded_attempts"] == 0
    assert outcome["storage_equals_inventory"]


@pytest.mark.own_servers
def test_four_workers_in_full_swing_delete_nothing_a_minute_after_a_pause(tmp_path: Path, postgres_url: str):
    outcome = run(tmp_path, postgres_url, "paused", 4)
    for stop in outcome["stops"]:
        assert stop["at_work"] >= 2, outcome
        assert stop["seconds"] < 60
        assert 6_400 < stop["left"] == stop["later"], "nothing went any more, and there was more to go"
        assert stop["is_open"]
    assert outcome["statuses"] == [0] * 4, "the workers lived, and went on when they were let"
    assert (outcome["states"], outcome["wrong_counts"]) == ({"DONE": 80}, [])
    assert (outcome["storage_equals_inventory"], outcome["lost_survivors"]) == (True, [])
