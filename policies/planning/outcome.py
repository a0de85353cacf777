"""What a cycle decided, as columns: the planner's one result, read by plans, decisions files, screens and explain."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from policies.language.ast import Condition, Rule


class Decision(IntEnum):
    """Final decision of a block replica. ``OUTSIDE``: not in the cycle, or left without a decision."""

    OUTSIDE = 0
    IGNORE = 1
    PROTECT = 2
    KEEP = 3
    DELETE = 4


@dataclass(frozen=True, slots=True)
class GuardrailRule:
    """A guardrail that is declared protecting: a Protect rule on top of the stack while planning."""

    name: str
    condition: Condition


@dataclass(frozen=True, slots=True)
class Deletion:
    """One set of block replicas of one replica that a cycle deletes together, in the order of the plan.

    ``step`` 0 is a deletion by a Delete rule in a pass; from 1 on the planner's steps.
    """

    step: int
    replica: int
    rule: int
    block_replicas: NDArray[np.int64]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class SiteOutcome:
    """What a cycle does at one target site; bytes of the partition there, occupancy and quota as the language page has them."""

    site: int
    quota_bytes: int
    bytes_before: int
    bytes_after: int
    protected_bytes: int
    is_triggered: bool
    released_in_step: int | None
    num_deletions: int

    @property
    def is_released(self) -> bool:
        """Tell whether an ``Until`` condition held after a deletion, so that what was left there was kept."""
        return self.released_in_step is not None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Everything that a cycle decided on one snapshot.

    - ``rules``: the stack as it was applied: protecting guardrails, the policy's rules, the default last;
    - ``decision``: (n_block_replicas,) int8, ``Decision``;
    - ``rule``: (n_block_replicas,) int32, row of ``rules`` that decided, -1 where none did;
    - ``new_owner``: (n_block_replicas,) int32, row of ``groups`` that owns the block in the end, -2 where it was not handed over;
    - ``in_scope``: (n_block_replicas,) bool, in the partition at a target site at the start;
    - ``empty_replicas``: replicas at tape sites that hold nothing but take part [102]: replica -> (Decision, rule);
    - ``deletions``: in the order in which they were decided;
    - ``target_sites``: one outcome per site that met ``On``, by site name;
    - ``num_passes``, ``num_steps``: how often the loop ran;
    - ``turns``: step and replica of each unit whose turn came, in order: deleted, handed over or passed over;
    - ``newest_in_scope``, ``newest_of_all``: ``last_update`` of the newest block replica, s since 1970, 0 without any.
    """

    rules: tuple[Rule, ...]
    decision: NDArray[np.int8]
    rule: NDArray[np.int32]
    new_owner: NDArray[np.int32]
    in_scope: NDArray[np.bool_]
    empty_replicas: dict[int, tuple[Decision, int]]
    deletions: tuple[Deletion, ...]
    target_sites: tuple[SiteOutcome, ...]
    num_passes: int
    num_steps: int
    turns: tuple[tuple[int, int], ...]
    newest_in_scope: float
    newest_of_all: float

    def with_sites(self, target_sites: tuple[SiteOutcome, ...]) -> Outcome:
        """Return the same outcome with other sums of its sites."""
        return replace(self, target_sites=target_sites)


#: ``new_owner`` of a block replica that was not handed over (``NOBODY`` would be an owner).
NOT_HANDED_OVER = -2
