"""Steps: a site's candidates in order, deleted or handed over until the step is used up or the site is clean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policies.evaluation.inventory_arrays import Ints
from policies.planning.cycle import Cycle
from policies.planning.ordering import CandidateOrder

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
        deleted_bytes += _take(cycle, step, _candidate_unit(cycle, replica), gone)
        touched.append(replica)
        if cycle.ledger.release_if_clean(site):
            cycle.release(site)
            break
    # Units of one step are of different datasets: the sums may wait for the end of the step.
    cycle.state.remove(np.concatenate([_NONE, *gone]))
    return np.unique(cycle.arrays.replica_dataset[touched])


def static_step(cycle: Cycle, order: CandidateOrder, step: int) -> Ints:
    """Take the units of all sites in ``Order`` without limit (``Algo Static``); return the datasets that it changed.

    A unit whose dataset an earlier unit has changed is evaluated again first, and goes only where it still would.
    """
    changed: set[int] = set()
    for replica in order.sorted(cycle.state, np.flatnonzero(cycle.is_candidate)).tolist():
        site = int(cycle.arrays.replica_site[replica])
        dataset = int(cycle.arrays.replica_dataset[replica])
        if not cycle.ledger.is_triggered[site]:
            continue
        unit = _asked_again(cycle, replica) if dataset in changed else _candidate_unit(cycle, replica)
        if unit is None:
            continue
        gone: list[Ints] = []
        _take(cycle, step, unit, gone)
        cycle.state.remove(np.concatenate([_NONE, *gone]))
        changed.add(dataset)
        if cycle.ledger.release_if_clean(site):
            cycle.release(site)
    return np.array(sorted(changed), dtype=np.int64)


@dataclass(frozen=True, slots=True)
class _Unit:
    """The candidate blocks of one replica, each with the row of the rule that dismissed it; none if the replica is empty."""

    replica: int
    rows: Ints
    rule: NDArray[np.int32]
    final_rule: int


def _candidate_unit(cycle: Cycle, replica: int) -> _Unit:
    first, end = cycle.arrays.first_row[replica], cycle.arrays.first_row[replica + 1]
    rows = first + np.flatnonzero(cycle.state.present[first:end] & cycle.is_dismiss[cycle.rule[first:end]])
    return _Unit(replica, rows, cycle.rule[rows], int(cycle.final_rule[replica]))


def _asked_again(cycle: Cycle, replica: int) -> _Unit | None:
    """Return what the stack dismisses of *replica* in the state of this moment, None if nothing."""
    verdict = cycle.stack.evaluate(cycle.state, np.array([replica]))
    is_dismissed = cycle.is_dismiss[verdict.rule]
    final = int(verdict.final_rule[0])
    if not is_dismissed.any() and not (cycle.state.empty[replica] and cycle.is_dismiss[final]):
        return None
    return _Unit(replica, verdict.rows[is_dismissed], verdict.rule[is_dismissed], final)


def _take(cycle: Cycle, step: int, unit: _Unit, gone: list[Ints]) -> int:
    """Delete or hand over the candidate blocks of one replica, rule by rule; return the bytes really deleted.

    A replica that one rule gives up as a whole is added to *gone*, for the caller to take out of the state.
    """
    replica, rows, rule = unit.replica, unit.rows, unit.rule
    cycle.forget_candidate(replica)
    if len(rows) == 0:
        cycle.delete_empty(step, replica, unit.final_rule)
        return 0
    if len(rows) == cycle.state.num_rows[replica] and (rule == rule[0]).all():
        gone.append(rows)
        return cycle.delete_rows(step, replica, int(rule[0]), rows)
    deleted_bytes = 0
    for taker in np.unique(rule).tolist():
        size, _ = cycle.give_up(step, replica, taker, rows[rule == taker])
        deleted_bytes += size
    return deleted_bytes
