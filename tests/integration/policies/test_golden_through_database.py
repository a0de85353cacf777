"""The decisions of the original engine, reached by the commands that an operator types: partitions, inventory, test run."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command

from inventory.models import BlockReplica
from policies.models import Cycle, Plan

POLICIES = (
    ("Physics.txt", None, 4215),
    ("AllDisk.txt", None, 3738),
    ("DataOps.txt", None, 2320),
    ("Express.txt", None, 57),
    ("RelVal.txt", None, 410),
    ("Unsubscribed.txt", None, 115),
    ("campaigns/171009_disk.txt", "Physics", 3042),
    ("campaigns/171115_disk_withtape.txt", None, 3926),
    ("campaigns/190604_tape.txt", None, 1173),
)


@pytest.mark.shared_data
@pytest.mark.django_db(transaction=True)
def test_test_runs_through_the_database_decide_as_the_original_engine_did(shared_data: Path, tmp_path: Path) -> None:
    """One test for all policies: bringing in the inventory is what takes the time. Runs through ADBC, as cycles do."""
    call_command("partitions_load", str(shared_data / "policies" / "partitions.txt"), stdout=io.StringIO())
    call_command("inject", str(shared_data / "inventory" / "cms2000.jsonl.xz"), stdout=io.StringIO(), stderr=io.StringIO())
    num_block_replicas = BlockReplica.objects.count()
    assert num_block_replicas == 48_002
    for name, partition, num_replicas in POLICIES:
        ours = tmp_path / "ours.jsonl"
        options = {"partition": partition} if partition else {}
        call_command(
            "policy_run",
            str(shared_data / "policies" / name),
            "--test-run",
            "--now=2026-01-01T00:00:00Z",
            f"--decisions={ours}",
            stdout=io.StringIO(),
            stderr=io.StringIO(),
            **options,
        )
        golden = shared_data / "golden" / "policies" / f"{Path(name).stem}.jsonl.xz"
        compare = [sys.executable, str(shared_data.parent / "tools" / "compare_decisions.py"), str(golden), str(ours)]
        said = subprocess.run(compare, capture_output=True, text=True, check=False)
        assert said.returncode == 0, f"{name}: {said.stdout}{said.stderr}"
        assert said.stdout.startswith(f"{num_replicas} replicas expected, {num_replicas} found, 0 differ")
        lines = ours.read_text().splitlines()
        assert lines == sorted(lines)
    assert Cycle.objects.count() == len(POLICIES)
    assert not Plan.objects.exists()
    assert BlockReplica.objects.count() == num_block_replicas
