"""Coverage: what each rule decided in a cycle, and which rules are dead.

Source: language page, section 6 (a rule that matched nothing in the last cycle).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from policies.evaluation.columns import Snapshot
from policies.language.ast import Rule
from policies.planning.outcome import Outcome


@dataclass(frozen=True, slots=True)
class RuleCoverage:
    """What a rule decided in the end: replicas with at least one block, blocks, bytes present; ``is_dead``: nothing at all."""

    rule: Rule
    num_replicas: int
    num_blocks: int
    size_bytes: int

    @property
    def is_dead(self) -> bool:
        return self.num_replicas == 0


def coverage(outcome: Outcome, snapshot: Snapshot) -> tuple[RuleCoverage, ...]:
    """Return the coverage of every rule of the stack as applied, in order; a block counts for the rule that decided it last."""
    rows = np.flatnonzero(outcome.rule >= 0)
    rule = outcome.rule[rows].astype(np.int64)
    count = len(outcome.rules)
    num_blocks = np.bincount(rule, minlength=count)
    size = snapshot.block_replicas.get_column("size").to_numpy()[rows]
    size_bytes = np.zeros(count, dtype=np.int64)
    np.add.at(size_bytes, rule, size)
    replica = snapshot.block_replicas.get_column("replica").to_numpy()[rows].astype(np.int64)
    pairs = np.unique(replica * count + rule)
    num_replicas = np.bincount(pairs % count, minlength=count)
    for _, deciding in outcome.empty_replicas.values():
        num_replicas[deciding] += 1
    return tuple(
        RuleCoverage(applied, replicas, blocks, total)
        for applied, replicas, blocks, total in zip(
            outcome.rules, num_replicas.tolist(), num_blocks.tolist(), size_bytes.tolist(), strict=True
        )
    )
