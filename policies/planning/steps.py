"""Steps: a site's candidates in order, deleted or handed over until the step is used up or the site is clean."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from policies.evaluation.inventory_arrays import Ints
from policies.planning.cycle import Cycle
from policies.planning.handover import BlockSets
from policies.planning.ordering import CandidateOrder
from policies.planning.passes import ask_and_delete

_NONE = np.zeros(0, dtype=np.int64)


def greedy_step(cycle: Cycle, order: CandidateOrder, step: int) -> Ints:
    """Take one step at the site whose protected fraction is highest; return the datasets that it changed.

    The step ends before a unit once more than its limit was really deleted, or after a unit once ``Until`` holds.
    """
    site = cycle.fullest_site()
    touched: list[int] = []
    gone: list[Ints] = []
    deleted_bytes = 0
    for replica in order.sorted(cycle.state, cycle.candidates_at(site)).tolist():
        if cycle.ledger.is_step_used_up(site, deleted_bytes):
            break
        cycle.turns.append((step, replica))
        deleted_bytes += _take(cycle, step, replica, gone)
        touched.append(replica)
        if cycle.ledger.is_clean(site):
            cycle.release(site, step)
            break
    # Units of one step are of different datasets: the sums may wait for the end of the step.
    cycle.remove(np.concatenate([_NONE, *gone]))
    return np.unique(cycle.arrays.replica_dataset[touched])


def static_step(cycle: Cycle, order: CandidateOrder, step: int) -> Ints:
    """Take the units of all sites in ``Order`` without limit (``Algo Static``); return the datasets that it changed.

    A unit whose dataset an earlier unit has changed is evaluated again first, and goes only where it still would.
    """
    changed: set[int] = set()
    for replica in order.sorted(cycle.state, np.flatnonzero(cycle.is_candidate)).tolist():
        site = int(cycle.arrays.replica_site[replica])
        if not cycle.ledger.is_triggered[site]:
            continue
        cycle.turns.append((step, replica))
        if _take_if_candidate(cycle, step, replica, changed) and cycle.ledger.is_clean(site):
            cycle.release(site, step)
    return np.array(sorted(changed), dtype=np.int64)


def replayed_step(cycle: Cycle, order: CandidateOrder, step: int, turns: Collection[int]) -> Ints:
    """Take the candidates among the replicas *turns*, those whose turn came in *step* when the cycle was planned.

    Nothing is tested that depends on other datasets: the step limit and ``Until`` have chosen the turns. Returns the datasets
    that the step changed.
    """
    changed: set[int] = set()
    for replica in order.sorted(cycle.state, np.flatnonzero(cycle.is_candidate)).tolist():
        if replica in turns:
            _take_if_candidate(cycle, step, replica, changed)
    return np.array(sorted(changed), dtype=np.int64)


def _take_if_candidate(cycle: Cycle, step: int, replica: int, changed: set[int]) -> bool:
    """Take a unit, unless its dataset is in *changed* and it is no candidate any more; return whether it was taken."""
    dataset = int(cycle.arrays.replica_dataset[replica])
    if dataset in changed and not _is_still_candidate(cycle, replica):
        return False
    gone: list[Ints] = []
    _take(cycle, step, replica, gone)
    cycle.remove(np.concatenate([_NONE, *gone]))
    changed.add(dataset)
    return True


def _is_still_candidate(cycle: Cycle, replica: int) -> bool:
    """Evaluate *replica* in the state of this moment, as a pass does, and tell whether it still has candidates.

    An ignored replica is not evaluated again, so nothing of it may go on the strength of a state that is no more.
    """
    if cycle.is_settled[replica] or not cycle.state.exists[replica]:
        return False
    ask_and_delete(cycle, np.array([replica]))
    return bool(cycle.is_candidate[replica])


def _take(cycle: Cycle, step: int, replica: int, gone: list[Ints]) -> int:
    """Delete or hand over the candidate blocks of one replica, rule by rule; return the bytes really deleted.

    A replica that one rule gives up as a whole is added to *gone*, for the caller to take out of the state.
    """
    first, end = cycle.arrays.first_row[replica], cycle.arrays.first_row[replica + 1]
    present = cycle.state.present[first:end]
    cycle.forget_candidate(replica)
    if not present.any():
        cycle.delete_empty(step, replica, int(cycle.final_rule[replica]))
        return 0
    there = first + np.flatnonzero(present)
    rule = cycle.rule[there]
    if (rule == rule[0]).all():
        gone.append(there)
        return cycle.delete_whole(step, replica, int(rule[0]), there)
    is_candidate = cycle.is_dismiss[rule]
    rows, rule = there[is_candidate], rule[is_candidate]
    deleted_bytes = 0
    for taker in np.unique(rule).tolist():
        chosen = rows[rule == taker]
        given = cycle.give_up(
            step, BlockSets(np.array([replica]), np.array([taker]), chosen, np.zeros(len(chosen), dtype=np.int64))
        )
        deleted_bytes += int(cycle.arrays.row_size[chosen[given.is_deleted]].sum())
    return deleted_bytes
