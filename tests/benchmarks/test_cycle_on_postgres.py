"""How long a cycle takes from the database to its plan, beside what the machine needs to read the same rows and drop them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.core.management import call_command
from django.db import connection

from policies.language.parser import parse_policy
from policies.planning.planner import plan_cycle
from policies.selectors.partitions import partition_scope
from policies.services.snapshots import snapshot_take
from tests.benchmarks.stored import store_snapshot
from tests.benchmarks.synthetic import make_snapshot
from tests.benchmarks.test_engine_speed import MIXED, campaign, say
from tests.factories.policies import define
from tests.factories.snapshots import NOW

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]

#: The columns of a cycle, as one join: the floor of any way to read them.
FLOOR = """\
COPY (SELECT br.id, br.dataset_replica_id, br.site_id, br.group_id, br.size_bytes, br.num_files, br.last_update,
             b.dataset_id, b.name, b.size_bytes, b.num_files
      FROM inventory_blockreplica br JOIN inventory_block b ON b.id = br.block_id) TO STDOUT
"""


def store(num_datasets: int) -> int:
    """Store a synthetic inventory in empty tables and return its number of block replicas."""
    snapshot = make_snapshot(num_datasets)
    store_snapshot(snapshot, define("P", "site.name == *"))
    return snapshot.block_replicas.height


@pytest.fixture
def num_stored(num_datasets: int) -> int:
    return store(num_datasets)


def shortest(call: Callable[[], object], *, times: int = 3) -> float:
    """Return the shortest of several runs in wall time: two programs share the work, so CPU time of one says too little."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return min(taken)


def read_and_drop() -> None:
    with connection.cursor() as cursor, cursor.copy(FLOOR) as copy:
        for _ in copy:
            pass


def cycle(text: str) -> int:
    """Read, evaluate and plan; return the number of deletions."""
    policy = parse_policy(text, partition="P").policy
    assert policy is not None
    scope = partition_scope("P")
    now = datetime.fromtimestamp(NOW, tz=UTC)
    named = {variable.name for variable in policy.variables()}
    taken = snapshot_take(quotas=scope.quotas, variables=named, now=now)
    return len(plan_cycle(policy, scope.conditions, taken.snapshot, now=NOW).deletions)


def peak_bytes(text: str, folder: Path) -> int:
    """Return the peak memory of a process that does nothing but plan the policy *text* on the stored inventory."""
    path = folder / "bench.policy"
    path.write_text(text)
    database = connection.settings_dict
    login = f"{database['USER']}:{database['PASSWORD']}" if database["PASSWORD"] else database["USER"]
    url = f"postgresql://{login}@{database['HOST']}:{database['PORT'] or 5432}/{database['NAME']}"
    command = [sys.executable, "-m", "tests.benchmarks.peak", str(path)]
    done = subprocess.run(command, env={**os.environ, "TEST_DATABASE_URL": url}, check=True, capture_output=True, text=True)
    peak, num_deletions = done.stdout.split()
    assert int(num_deletions) > 0
    return int(peak)


def test_a_cycle_takes_at_most_four_times_the_floor(
    num_stored: int, is_full: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cycle(MIXED) > 0
    floor_s = shortest(read_and_drop)
    mixed_s = shortest(lambda: cycle(MIXED))
    few_s, many_s = shortest(lambda: cycle(campaign(10))), shortest(lambda: cycle(campaign(3_900)))
    peak = peak_bytes(MIXED, tmp_path) / 1e6
    say(
        capsys,
        f"{num_stored} block replicas on PostgreSQL: COPY to nowhere {floor_s:.2f} s\n"
        f"  mixed rules, from database to plan: {mixed_s:.2f} s, {mixed_s / floor_s:.1f} times that\n"
        f"  43 rules {few_s:.2f} s, 3,933 rules {many_s:.2f} s, ratio {many_s / few_s:.2f}\n"
        f"  peak memory of a process that plans the mixed rules: {peak:.0f} MB; goal 700 MB",
    )
    assert mixed_s <= 4 * floor_s or not is_full
    assert many_s <= 1.5 * few_s or not is_full
    assert peak <= 700 or not is_full


def test_ten_times_the_stored_replicas_take_at_most_eleven_times_as_long(
    num_datasets: int, is_full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[tuple[int, float]] = []
    for count in (num_datasets // 10, num_datasets, 3 * num_datasets):
        call_command("flush", interactive=False, verbosity=0)
        rows = store(count)
        measured.append((rows, shortest(lambda: cycle(MIXED))))
    first_rows, first_s = measured[0]
    for rows, took in measured:
        times = took / first_s / (rows / first_rows)
        say(capsys, f"growth from the database: {rows:,} block replicas {took:.2f} s; time grew {times:.2f} as fast")
        assert times <= 1.1 or not is_full
