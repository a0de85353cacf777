"""An injection that is killed with -9 in the middle of its document, by a real process on either database."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

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


def run(environment: dict[str, str], *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False
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


#: Prints all that the tables of the inventory hold, without keys, and the states of the injections.
CONTENT = """
import json
import django
django.setup()
from inventory.models import Block, BlockReplica, Dataset, DatasetReplica, File, Injection
print(json.dumps([
    sorted(map(list, Dataset.objects.values_list("name", "size_bytes", "num_files", "num_blocks"))),
    sorted(map(list, Block.objects.values_list("dataset__name", "name", "size_bytes", "num_files"))),
    sorted(map(list, File.objects.values_list("block__dataset__name", "lfn", "size_bytes"))),
    sorted(map(list, DatasetReplica.objects.values_list("dataset__name", "site__name"))),
    sorted(map(list, BlockReplica.objects.values_list("block__dataset__name", "block__name", "site__name", "size_bytes"))),
    list(Injection.objects.order_by("pk").values_list("state", "records_kept")),
]))
"""


def document(path: Path, first: int, last: int) -> str:
    """Write datasets of two blocks at two sites, a line each, and return the path."""
    with path.open("w") as lines:
        for number in range(first, last):
            name = f"/A/{number:04}/RAW"
            blocks = [{"name": f"b{n}", "files": [{"name": f"/store/{number}/{n}", "size": number + 1}]} for n in range(2)]
            parts = [{"block": block["name"]} for block in blocks]
            replicas = [{"dataset": name, "site": site, "blockreplicas": parts} for site in ("S1", "S2")]
            lines.write(json.dumps({"dataset": [{"name": name, "blocks": blocks}], "datasetreplica": replicas}) + "\n")
    return str(path)


def content(environment: dict[str, str]) -> list[Any]:
    return json.loads(run(environment, "-c", CONTENT).splitlines()[-1])


def records_kept(environment: dict[str, str]) -> int:
    """Return how far a load by parts is; asked without Django, which would start more slowly than the load ends."""
    statement = "SELECT coalesce(max(records_kept), 0) FROM inventory_injection"
    url = environment["TEST_DATABASE_URL"]
    if url.startswith("postgres"):
        with psycopg.connect(url) as connection:
            return int(connection.execute(statement).fetchall()[0][0])
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)) as database:
        return int(database.execute(statement).fetchone()[0])


SITES = ("inject", "--site", "S1", "storage_type=disk", "--site", "S2", "storage_type=disk")


def killed_half_way(environment: dict[str, str], *arguments: str) -> int:
    """Kill an injection of 4,500 records by parts when some are kept; return how many are."""
    child = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 60
        while not records_kept(environment):
            assert child.poll() is None
            assert time.monotonic() < until
    finally:
        child.kill()
        child.wait()
    *_, (_, (state, kept)) = content(environment)
    assert state == "RUNNING"
    assert 0 < kept < 4500
    return int(kept)


def test_a_load_by_parts_that_is_killed_is_gone_on_with_and_comes_to_the_same(
    environment: dict[str, str], tmp_path: Path
) -> None:
    run(environment, "manage.py", *SITES)
    source = document(tmp_path / "document.jsonl", 0, 1500)
    command = ("manage.py", "inject", "--batch", "--batch-size", "40", source)
    kept = killed_half_way(environment, *command)
    told = run(environment, *command)
    assert f"gone on with after {kept:,} records" in told.replace("\n", " ")
    *tables, injections = content(environment)
    assert injections[1:] == [["COMPLETED", 4500]]
    assert [len(rows) for rows in tables] == [1500, 3000, 3000, 3000, 6000]
    assert tables[0][7] == ["/A/0007/RAW", 16, 2, 2]
    assert "0 changes" in run(environment, "manage.py", "inject", source)


@pytest.mark.parametrize("environment", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_two_processes_that_inject_overlapping_documents_do_not_disturb_each_other(
    environment: dict[str, str], tmp_path: Path
) -> None:
    run(environment, "manage.py", *SITES)
    first, second = document(tmp_path / "first.jsonl", 0, 600), document(tmp_path / "second.jsonl", 300, 900)
    Path(second).write_text("".join(reversed(Path(second).read_text().splitlines(keepends=True))))
    children = [
        subprocess.Popen(
            [sys.executable, "manage.py", "inject", *options, "--batch-size", "100", source],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for options, source in (([], first), (["--batch"], second), (["--batch"], first))
    ]
    for child in children:
        said, _ = child.communicate(timeout=120)
        assert child.returncode == 0, said
    *tables, injections = content(environment)
    assert [len(rows) for rows in tables] == [900, 1800, 1800, 1800, 3600]
    assert all(rows == [name, 2 * (int(name[3:7]) + 1), 2, 2] for rows in tables[0] for name in rows[:1])
    assert {state for state, _ in injections} == {"COMPLETED"}


#: Stores a document as the API does, for a worker.
SEND = """
import sys
import django
django.setup()
from django.contrib.auth.models import User
from inventory.services.audit import Actor
from inventory.services.injection_jobs import Wishes, injection_receive
actor = Actor("producer", User.objects.create_superuser("producer"))
with open(sys.argv[1], "rb") as stream:
    print(injection_receive(stream=stream, actor=actor, wishes=Wishes(is_batch=True)).pk)
"""
#: What a worker does when it is told, in smaller parts.
WORK = """
import sys
import django
django.setup()
from inventory.services.resumable import inject_by_parts
from inventory.tasks import carry_out_injection
inject_by_parts.__kwdefaults__["batch_size"] = 40
carry_out_injection(int(sys.argv[1]))
"""
#: What the sweeper does, some time later.
SWEEP = """
import sys
import django
django.setup()
from datetime import timedelta
from django.utils import timezone
from inventory.services.injections import injections_sweep
print(injections_sweep(now=timezone.now() + timedelta(hours=int(sys.argv[1]))))
"""


def test_a_document_that_was_sent_is_gone_on_with_by_another_worker_when_its_own_is_killed(
    environment: dict[str, str], tmp_path: Path
) -> None:
    environment |= {
        "DJANGO_SETTINGS_MODULE": "dynamo_site.settings.base",
        "DATABASE_URL": environment["TEST_DATABASE_URL"],
        "DYNAMO_VAR_DIR": str(tmp_path / "var"),
        "CELERY_BROKER_URL": "memory://",
    }
    run(environment, "manage.py", *SITES)
    source = document(tmp_path / "document.jsonl", 0, 1500)
    sent = run(environment, "-c", SEND, source).split()[-1]
    kept = killed_half_way(environment, "-c", WORK, sent)
    assert run(environment, "-c", SWEEP, "2").split()[-1] == f"[{sent}]"
    assert content(environment)[-1][1:] == [["QUEUED", kept]]
    run(environment, "-c", WORK, sent)
    *tables, injections = content(environment)
    assert injections[1:] == [["COMPLETED", 4500]]
    assert [len(rows) for rows in tables] == [1500, 3000, 3000, 3000, 6000]
    assert "0 changes" in run(environment, "manage.py", "inject", source)
