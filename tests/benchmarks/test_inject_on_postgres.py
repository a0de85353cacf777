"""What an injection takes beside a plain COPY of the same rows into the same tables, and in how much memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection, transaction

from inventory.models import Block, BlockReplica, Dataset, DatasetFacts, DatasetReplica, File, Injection
from tests.benchmarks.documents import document_lines
from tests.benchmarks.test_engine_speed import say
from tests.conftest import ROOT

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
TABLES = [model._meta.db_table for model in (Dataset, Block, File, DatasetReplica, BlockReplica, DatasetFacts)]

#: Bounds: share of the plain COPY for a first and for a repeated injection, and memory.
FIRST, AGAIN, MEMORY_MB = 1.5, 0.3, 300


#: Runs a command and prints its largest memory (kB). A process of its own, and a small one: a child counts the memory of whoever
#: forked it as its own.
MEASURED = (
    "import resource, subprocess, sys; code = subprocess.call(sys.argv[1:]); "
    "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"
)


def inject_by_command(source: Path) -> tuple[float, float]:
    """Run the command as a user does; return its wall time (s) and its largest memory (MB)."""
    database = connection.settings_dict
    url = f"postgresql://{database['USER']}:{database['PASSWORD']}@{database['HOST']}:{database['PORT']}/{database['NAME']}"
    environment = os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "dynamo_site.settings.base"}
    environment |= {"DYNAMO_VAR_DIR": str(settings.VAR_DIR)}
    command = [sys.executable, "-c", MEASURED, sys.executable, "manage.py", "inject", str(source)]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - start
    assert done.returncode == 0, done.stderr[-2000:]
    return taken, int(done.stdout.splitlines()[-1]) / 1024


def plain_copy(folder: Path) -> float:
    """Write all rows out, empty the tables, and return the wall time of bringing them back by COPY, commit included (s)."""
    with connection.cursor() as cursor:
        for table in TABLES:
            with (folder / table).open("wb") as rows, cursor.cursor.copy(f"COPY {table} TO STDOUT") as copy:
                for data in copy:
                    rows.write(data)
        cursor.execute(f"TRUNCATE {', '.join(TABLES)} CASCADE")
    start = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        for table in TABLES:
            with (folder / table).open("rb") as rows, cursor.cursor.copy(f"COPY {table} FROM STDIN") as copy:
                while data := rows.read(1 << 16):
                    copy.write(data)
    return time.perf_counter() - start


def test_injecting_costs_little_more_than_a_plain_copy(
    tmp_path: Path, num_datasets: int, is_full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "document.jsonl"
    with source.open("wb") as document:
        document.writelines(document_lines(num_datasets))
    first, memory = inject_by_command(source)
    again, memory_again = inject_by_command(source)
    changes = [sum(t.get("created", 0) for t in row.counts.values()) for row in Injection.objects.order_by("pk")]
    num_rows = sum(map(_count, TABLES))
    floor = plain_copy(tmp_path)
    say(
        capsys,
        f"inject {File.objects.count():,} files, {BlockReplica.objects.count():,} block replicas: {first:.1f} s, again "
        f"{again:.1f} s, plain COPY {floor:.1f} s: {first / floor:.2f} and {again / floor:.2f} times; {memory_again:.0f} MB",
    )
    assert changes[0] > num_rows
    assert changes[1] == 0
    assert sum(map(_count, TABLES)) == num_rows
    assert max(memory, memory_again) <= MEMORY_MB
    if is_full:
        assert first / floor <= FIRST
        assert again / floor <= AGAIN


def _count(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")  # noqa: S608 - names of our models
        (number,) = cursor.fetchone()
    return int(number)
