"""The reference's one entrance, and its result in the row format of a decisions file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from policies.evaluation.columns import Snapshot
from policies.evaluation.reference.conditions import Clock
from policies.evaluation.reference.cycle import AppliedRule, Cycle, Guardrail, Removal, stack_of
from policies.evaluation.reference.objects import BlockReplica
from policies.evaluation.reference.scope import Member, start_of
from policies.language.ast import Condition, Policy

Row = dict[str, object]


@dataclass(frozen=True, slots=True)
class ReferenceResult:
    """What a cycle decides.

    ``rows``: the decisions, in the order of their JSON texts; ``removals``: the deletions in the order of the plan;
    ``targets``, ``triggered``, ``released``: names of sites in order; ``occupancy``: of the targets at the start;
    ``bytes_after``: bytes of the partition at the targets in the end.
    """

    rows: list[Row]
    removals: tuple[Removal, ...]
    targets: tuple[str, ...]
    triggered: tuple[str, ...]
    released: tuple[str, ...]
    occupancy: dict[str, float]
    bytes_after: dict[str, int]
    num_passes: int
    num_steps: int

    def lines(self) -> list[str]:
        """Return the rows as compact JSON lines with sorted keys, sorted as text."""
        return [_text(row) for row in self.rows]


def decide(
    policy: Policy,
    membership: Sequence[Condition],
    snapshot: Snapshot,
    *,
    now: float,
    deletion_per_iteration: float = 0.01,
    guardrails: Sequence[Guardrail] = (),
) -> ReferenceResult:
    """Return what *policy* decides on *snapshot* at the clock *now* (s since 1970, UTC).

    A block replica is in the partition if any of *membership* holds. Source: language page, section 5.
    """
    clock = Clock(now)
    start = start_of(snapshot, policy.targets, membership, clock)
    cycle = Cycle(policy, stack_of(policy, guardrails, now), start, clock, deletion_per_iteration)
    triggered = tuple(sorted(cycle.triggered))
    cycle.run()
    rows = [row for member, parts in start.everything for row in _rows(member, parts, cycle.stack)]
    return ReferenceResult(
        rows=sorted(rows, key=_text),
        removals=tuple(cycle.removals),
        targets=tuple(cycle.sites),
        triggered=triggered,
        released=tuple(sorted(cycle.released)),
        occupancy=start.occupancy,
        bytes_after=dict(cycle.size_at),
        num_passes=cycle.num_passes,
        num_steps=cycle.num_steps,
    )


def _rows(member: Member, parts: list[BlockReplica], stack: list[AppliedRule]) -> list[Row]:
    """Return the rows of one replica; *parts* are the block replicas that it had in the partition at the start."""
    if member.empty_decision is not None:
        decision, index = member.empty_decision
        return [_row(member, decision, stack[index].line, [])]
    found: dict[tuple[str, int], list[BlockReplica]] = {}
    handed: dict[str, list[BlockReplica]] = {}
    for part in parts:
        if part.decision is not None and part.rule is not None:
            found.setdefault((part.decision, stack[part.rule].line), []).append(part)
        # A block that is deleted in the end has no reown row [8, 75, 79, 80].
        if part.handed_to is not None and part.decision != "delete":
            handed.setdefault(part.handed_to.name, []).append(part)
    rows = [_row(member, decision, line, blocks) for (decision, line), blocks in found.items()]
    return rows + [_row(member, "reown", None, blocks) | {"to": name} for name, blocks in handed.items()]


def _row(member: Member, decision: str, line: int | None, parts: list[BlockReplica]) -> Row:
    is_all = len(parts) == member.num_at_start
    return {
        "blocks": "ALL" if is_all else sorted(part.block.name for part in parts),
        "bytes": sum(part.size for part in parts),
        "dataset": member.dataset.name,
        "decision": decision,
        "line": line,
        "site": member.site.name,
    }


def _text(row: Row) -> str:
    return json.dumps(row, sort_keys=True, separators=(",", ":"))
