"""An injection that is killed with -9 in the middle of its document, by a real process on either database."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

#: Prints what the database says, before and after a sweep two minutes later.
LOOK = """
import json, sys
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from inventory.models import AuditEvent, Dataset, Injection, Site
from inventory.selectors.snapshot import inventory_updated_at
from inventory.services.injections import injections_sweep
before = list(Injection.objects.order_by("pk").values_list("state", flat=True))
swept = injections_sweep(now=timezone.now() + timedelta(minutes=2)) if "sweep" in sys.argv else []
print(json.dumps({
    "before": before,
    "after": list(Injection.objects.order_by("pk").values_list("state", flat=True)),
    "swept": len(swept),
    "datasets": Dataset.objects.count(),
    "sites": Site.objects.count(),
    "updated": inventory_updated_at() is not None,
    "audited": AuditEvent.objects.filter(action="inventory.injection_died").count(),
}))
"""


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Return the environment of processes on a database of their own."""
    name = f"killed_injection_{uuid.uuid4().hex[:12]}"
    server = ""
    if request.param == "postgres":
        parts = urlsplit(os.environ["TEST_DATABASE_URL"])
        server = urlunsplit(parts._replace(scheme="postgresql", path="/postgres"))
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        url = urlunsplit(parts._replace(path=f"/{name}"))
    else:
        url = f"sqlite:///{tmp_path / 'killed.sqlite3'}"
    yield os.environ | {
        "TEST_DATABASE_URL": url,
        "DJANGO_LOG_LEVEL": "ERROR",
        "DJANGO_SETTINGS_MODULE": "dynamo_site.settings.test",
    }
    if server:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def run(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def look(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    return json.loads(run(environment, "-c", LOOK, *arguments).splitlines()[-1])


def begin_and_stall(environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """Start an injection from a pipe, feed it more than it keeps in memory, and leave the pipe open."""
    child = subprocess.Popen(
        [sys.executable, "manage.py", "inject", "-"],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        bufsize=0,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert child.stdin is not None
    child.stdin.write(json.dumps({"site": [{"name": "S1"}]}).encode() + b"\n")
    for start in range(0, 30_000, 1000):
        rows = [{"name": f"/A/{number}/RAW"} for number in range(start, start + 1000)]
        child.stdin.write(json.dumps({"dataset": rows}).encode() + b"\n")
    return child


def wait_for_running(environment: dict[str, str]) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        if look(environment)["before"] == ["RUNNING"]:
            return
        time.sleep(0.2)
    pytest.fail("the injection did not begin within a minute")


def test_an_injection_killed_in_the_middle_leaves_nothing_and_is_given_up(environment: dict[str, str]) -> None:
    run(environment, "manage.py", "migrate", "--verbosity=0")
    child = begin_and_stall(environment)
    assert child.stdin is not None
    try:
        wait_for_running(environment)
        if environment["TEST_DATABASE_URL"].startswith("postgres"):
            # It lives: its lock says so. (On SQLite nobody else writes meanwhile, so no sweep can get this far.)
            time.sleep(1)
            assert look(environment, "sweep")["swept"] == 0
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(30)
        with suppress(BrokenPipeError):
            child.stdin.close()
    assert child.returncode == -signal.SIGKILL
    died = look(environment)
    assert (died["before"], died["updated"], died["datasets"], died["sites"]) == (["RUNNING"], False, 0, 0)
    swept = look(environment, "sweep")
    assert (swept["after"], swept["swept"], swept["audited"], swept["updated"]) == (["FAILED"], 1, 1, False)
    assert look(environment, "sweep")["swept"] == 0
