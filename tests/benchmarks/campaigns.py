"""A campaign at the size that it is designed for: 4,000 rules, a million block replicas, 100,000 datasets on the list."""

from __future__ import annotations

from policies.models import Partition
from tests.benchmarks.stored import store_snapshot
from tests.benchmarks.synthetic import make_snapshot
from tests.benchmarks.test_engine_speed import campaign
from tests.factories.policies import define

FULL, SMALL = 135_000, 1_500


def store_many_small_datasets(*, is_full: bool) -> tuple[Partition, int]:
    """Fill an empty database; return the partition of all of it and the number of block replicas."""
    snapshot = make_snapshot(FULL if is_full else SMALL, typical_blocks=1.3)
    partition = define("P", "site.name == *")
    store_snapshot(snapshot, partition)
    return partition, snapshot.block_replicas.height


def large_campaign(num_exact: int) -> str:
    """Return a campaign that deletes most copies on disk which are not the last, and all of one tier."""
    rest = "Delete dataset.name == /*/*/GEN allow last copy\nDelete dataset.name == /*/*/*"
    text = campaign(num_exact).replace("Protect dataset.on_tape != FULL\n", "")
    return text.removesuffix("Protect\n") + f"{rest}\nProtect\n"
