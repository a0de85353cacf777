"""Random small cycles for Hypothesis: a random inventory and a random policy on it.

Both are tuned so that at least half of the cases delete something; ``tests/unit/policies/test_strategies.py`` measures it.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import polars as pl
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from policies.evaluation.columns import OPTIONAL_COLUMNS, Snapshot
from tests.factories.random_choices import DrawInteger, next_choices
from tests.factories.random_inventories import random_document, random_unknown
from tests.factories.random_policies import ALL_PREDICATES, random_condition, random_frame, random_rules
from tests.factories.snapshots import load_inventory

PARTITIONS = """\
ALL: site.name == *
DISK: site.storage_type == DISK
A: blockreplica.owner == AnalysisOps and site.storage_type == DISK
D: blockreplica.owner == DataOps
N: blockreplica.owner == None
T: site.storage_type == MSS
OLD: blockreplica.last_update older_than 20 days ago or dataset.name == */RAW
AD: [A, D]
DT: [D, T]
ADN: [AD, N]
WIDE: [OLD, D]
RICH: blockreplica.num_full_disk_copy > 1 or replica.size > 2 TB or dataset.on_tape == FULL
CROWD: [RICH, N]
"""
PARTITION_NAMES = (
    *(*["ALL"] * 9, *["DISK"] * 5, *["AD"] * 5, *["WIDE"] * 4),
    *("DT", "ADN", "ADN", "A", "D", "OLD", "OLD", "N", "T", "RICH", "CROWD", "CROWD"),
)
#: The partitions without parts that each of them unites.
LEAVES = {
    "ALL": ("ALL",),
    "DISK": ("DISK",),
    "A": ("A",),
    "D": ("D",),
    "N": ("N",),
    "T": ("T",),
    "OLD": ("OLD",),
    "AD": ("A", "D"),
    "DT": ("D", "T"),
    "ADN": ("A", "D", "N"),
    "WIDE": ("OLD", "D"),
    "RICH": ("RICH",),
    "CROWD": ("RICH", "N"),
}


@dataclass(frozen=True, slots=True)
class RandomCycle:
    """All that a cycle reads, as text where users write text."""

    policy: str
    partition: str
    guardrails: tuple[str, ...]
    deletion_per_iteration: float
    document: dict[str, Any]
    unknown: dict[str, tuple[bool, ...]]

    def snapshot(self) -> Snapshot:
        """Return the snapshot with the facts made unknown that ``unknown`` names, in some of its rows."""
        snapshot = load_inventory([self.document]).snapshot(LEAVES[self.partition])
        frames = {"datasets": snapshot.datasets, "replicas": snapshot.replicas, "block_replicas": snapshot.block_replicas}
        for name, rows in self.unknown.items():
            frame, column, _ = OPTIONAL_COLUMNS[name]
            mask = pl.Series([rows[row % len(rows)] for row in range(frames[frame].height)], dtype=pl.Boolean)
            frames[frame] = frames[frame].with_columns(pl.when(mask).then(None).otherwise(pl.col(column)).alias(column))
        return Snapshot(snapshot.sites, snapshot.groups, blocks=snapshot.blocks, taken_at=snapshot.taken_at, **frames)


def random_cycle(integer: DrawInteger) -> RandomCycle:
    """Return a whole cycle out of drawn integers."""
    choose = next_choices(integer)
    partition = choose(*PARTITION_NAMES)
    above, below = random_frame(partition, choose)
    rules = [line for _ in range(integer(1, 5)) for line in random_rules(next_choices(integer))]
    return RandomCycle(
        policy="\n".join([*above, *rules, *below]) + "\n",
        partition=partition,
        guardrails=tuple(random_condition(ALL_PREDICATES, choose) for _ in range(choose(0, 0, 0, 0, 0, 1, 2))),
        deletion_per_iteration=choose(0.01, 0.05, 0.2, 1.0, 0.0),
        unknown=random_unknown(choose),
        document=random_document(integer, LEAVES[partition]),
    )


@st.composite
def random_cycles(draw: DrawFn) -> RandomCycle:
    """Draw a whole cycle."""
    return random_cycle(lambda low, high: draw(st.integers(min_value=low, max_value=high)))


def seeded_cycle(seed: int) -> RandomCycle:
    """Return the cycle of *seed*: for long hunts, evenly spread where Hypothesis prefers variations of what it has seen."""
    return random_cycle(random.Random(seed).randint)
