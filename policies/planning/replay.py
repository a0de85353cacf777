"""A cycle carried out again for one dataset alone, out of what was recorded of it.

Every variable of a replica depends on the replicas of its own dataset and on attributes of sites; only the planner looks
further. What it did elsewhere comes down to three things: which sites were triggered, in which step each was released, and
in which steps the turn of a replica came. With these, the same passes and steps lead to the same decisions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from policies.evaluation.inventory_arrays import InventoryArrays
from policies.evaluation.membership import Membership
from policies.language.ast import Condition, Policy
from policies.planning.evidence import DatasetEvidence
from policies.planning.limits import SiteLedger
from policies.planning.ordering import CandidateOrder
from policies.planning.outcome import GuardrailRule, Outcome
from policies.planning.passes import first_pass, repeated_pass
from policies.planning.planner import begin_cycle
from policies.planning.steps import replayed_step
from policies.planning.watching import Watch


def replay_dataset(
    policy: Policy,
    membership: tuple[Condition, ...],
    evidence: DatasetEvidence,
    *,
    now: float,
    guardrails: Sequence[GuardrailRule] = (),
    watch: Watch | None = None,
) -> Outcome:
    """Return what the cycle decided on the dataset of *evidence*; ``target_sites`` are as they were for the whole cycle.

    *policy*, *membership*, *now* and *guardrails* must be those of the cycle. Raises what ``plan_cycle`` raises.
    """
    arrays = InventoryArrays(evidence.snapshot)
    partition = Membership(membership, arrays, now, newest=evidence.newest_of_all)
    members = partition.members()
    ledger = SiteLedger(arrays, members, policy.stops, now=now, deletion_per_iteration=0.0)
    targets = np.zeros(arrays.num_sites, dtype=np.bool_)
    for site in evidence.target_sites:
        targets[site.site] = True
        ledger.is_triggered[site.site] = site.is_triggered
    cycle, compiler = begin_cycle(
        policy,
        guardrails,
        partition,
        ledger,
        members=members,
        targets=targets,
        now=now,
        newest_in_scope=evidence.newest_in_scope,
        watch=watch,
    )
    turns: dict[int, set[int]] = {}
    for replica, steps in evidence.turns.items():
        for step in steps:
            turns.setdefault(step, set()).add(replica)
    released: dict[int, list[int]] = {}
    for site in evidence.target_sites:
        if site.released_in_step is not None:
            released.setdefault(site.released_in_step, []).append(site.site)

    dirty = first_pass(cycle)
    order = CandidateOrder(policy.order, compiler)
    num_passes = 1
    may_change = True
    for step in range(1, evidence.num_steps + 1):
        # The pass after a step asks only what the step, or the pass before it, has changed.
        if not may_change and step not in turns and step not in released:
            continue
        touched = replayed_step(cycle, order, step, turns.get(step, ()))
        for site_row in released.get(step, ()):
            cycle.release(site_row, step)
        cycle.end_step()
        asked = np.union1d(dirty, touched)
        dirty = repeated_pass(cycle, asked)
        may_change = len(asked) > 0
        num_passes += 1
    outcome = cycle.outcome(np.flatnonzero(targets), num_passes=num_passes, num_steps=evidence.num_steps)
    return outcome.with_sites(evidence.target_sites)
