"""Passes: the rule stack over every replica that may have changed, with the deletions that Delete rules make on the way.

Replicas of different datasets do not see each other, so what a pass does in the order (site, dataset) can be done
wave by wave: the first replica of every dataset, then the second, and so on. Only datasets in which a Delete rule
fires need waves; all others are decided at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from policies.evaluation.evaluator import UNDECIDED, Verdict
from policies.evaluation.inventory_arrays import Ints
from policies.evaluation.matching import Mask
from policies.planning.cycle import Cycle
from policies.planning.handover import BlockSets

_NONE = np.zeros(0, dtype=np.int64)


def first_pass(cycle: Cycle) -> Ints:
    """Evaluate every replica; return the datasets that have to be evaluated again if there is another pass."""
    return _pass(cycle, np.flatnonzero(cycle.state.exists))


def repeated_pass(cycle: Cycle, datasets: Ints) -> Ints:
    """Evaluate the unsettled replicas of *datasets*, the only ones whose answer can have changed; return as above."""
    replicas, _ = cycle.arrays.replicas_of(datasets)
    return _pass(cycle, cycle.unsettled(np.sort(replicas)))


def _pass(cycle: Cycle, replicas: Ints) -> Ints:
    dirty = _evaluate(cycle, replicas)
    cycle.end_pass()
    return dirty


def _evaluate(cycle: Cycle, replicas: Ints) -> Ints:
    verdict = cycle.evaluate(replicas)
    fires = _fires(cycle, verdict)
    if not fires.any():
        _record_verdict(cycle, verdict)
        return _NONE
    dataset = cycle.arrays.replica_dataset[replicas]
    sequential = np.unique(dataset[fires])
    is_sequential = np.zeros(cycle.arrays.num_datasets, dtype=np.bool_)
    is_sequential[sequential] = True
    _record_verdict(cycle, _part(verdict, ~is_sequential[dataset]))
    return _in_waves(cycle, sequential)


def _fires(cycle: Cycle, verdict: Verdict) -> Mask:
    """Tell for which replicas a Delete or DeleteBlock rule took something."""
    fires = cycle.is_delete[verdict.final_rule]
    fires[verdict.owner[cycle.is_delete[verdict.rule]]] = True
    return fires


def _record_verdict(cycle: Cycle, verdict: Verdict) -> None:
    cycle.record(verdict.replicas, verdict.final_rule, verdict.rows, verdict.owner, verdict.rule)


def _part(verdict: Verdict, chosen: Mask) -> Verdict:
    """Return the verdict on the *chosen* replicas alone."""
    number = np.cumsum(chosen) - 1
    rows = chosen[verdict.owner]
    return Verdict(
        replicas=verdict.replicas[chosen],
        final_rule=verdict.final_rule[chosen],
        rows=verdict.rows[rows],
        owner=number[verdict.owner[rows]],
        rule=verdict.rule[rows],
        hidden=verdict.hidden[chosen],
    )


def _in_waves(cycle: Cycle, datasets: Ints) -> Ints:
    """Evaluate and delete in *datasets* in order, again and again while a Delete rule deletes something.

    Returns the datasets in which blocks were handed over after some replica had been asked for the last time.
    """
    handed_over: list[Ints] = []
    while len(datasets):
        first_deletion = len(cycle.deletions)
        replicas, position = cycle.arrays.replicas_of(datasets)
        is_asked = cycle.state.exists[replicas] & ~cycle.is_settled[replicas]
        replicas, position = replicas[is_asked], position[is_asked]
        first_of_dataset = np.searchsorted(position, np.arange(len(datasets)))
        wave = np.arange(len(replicas)) - first_of_dataset[position]
        for number in range(int(wave.max(initial=-1)) + 1):
            handed_over.append(ask_and_delete(cycle, np.sort(replicas[wave == number])))
        made = cycle.deletions[first_deletion:]
        made.sort(key=lambda deletion: deletion.replica)  # stable: several sets of a replica stay in stack order
        cycle.deletions[first_deletion:] = made
        datasets = np.unique(cycle.arrays.replica_dataset[[deletion.replica for deletion in made]])
    return np.unique(np.concatenate(handed_over)) if handed_over else _NONE


def ask_and_delete(cycle: Cycle, replicas: Ints) -> Ints:
    """Evaluate *replicas*, all of different datasets, carry out what Delete rules took, and note the rest.

    Returns the datasets in which blocks were handed over.
    """
    verdict = cycle.evaluate(replicas)
    fires = _fires(cycle, verdict)
    if not fires.any():
        _record_verdict(cycle, verdict)
        return _NONE
    goes_whole = cycle.is_delete[verdict.final_rule] & ~verdict.hidden
    _delete_whole(cycle, _part(verdict, goes_whole))
    _record_verdict(cycle, _part(verdict, ~fires))
    partly = _part(verdict, fires & ~goes_whole)
    return _delete_partly(cycle, partly)


def _delete_whole(cycle: Cycle, verdict: Verdict) -> None:
    """Delete replicas of which one rule takes everything: there is nothing to hand over to."""
    counts = np.bincount(verdict.owner, minlength=len(verdict.replicas))
    is_empty = counts == 0
    for replica, rule in zip(verdict.replicas[is_empty].tolist(), verdict.final_rule[is_empty].tolist(), strict=True):
        cycle.delete_empty(0, replica, rule)
    filled = _part(verdict, ~is_empty)
    cycle.delete(0, BlockSets(filled.replicas, filled.final_rule.astype(np.int64), filled.rows, filled.owner))
    cycle.forget_candidates(verdict.replicas)
    cycle.remove(filled.rows)


def _delete_partly(cycle: Cycle, verdict: Verdict) -> Ints:
    """Carry out the Delete rules of each replica in stack order, and note what the rest of its blocks became.

    Blocks that a DeleteBlock rule hands over rejoin the rest: the rule that ends the pass decides them too [73, 78].
    Replicas go side by side: the first such rule of each, then the second of each, at last the rule that ended the pass.
    Returns the datasets in which blocks were handed over.
    """
    rows, owner, rule = verdict.rows, verdict.owner, verdict.rule.copy()
    handed_over: list[Ints] = []
    is_final = rule == verdict.final_rule[owner]
    for chosen in _turns(owner, rule, cycle.is_delete[rule] & ~is_final):
        given = cycle.give_up(0, _sets(verdict.replicas, rows[chosen], owner[chosen], rule[chosen]))
        rule[chosen[given.is_kept]] = verdict.final_rule[owner[chosen[given.is_kept]]]
        handed_over.append(owner[chosen[~given.is_deleted]])
    goes_last = cycle.is_delete[verdict.final_rule][owner] & (rule == verdict.final_rule[owner]) & cycle.state.present[rows]
    for chosen in _turns(owner, rule, goes_last):
        given = cycle.give_up(0, _sets(verdict.replicas, rows[chosen], owner[chosen], rule[chosen]))
        rule[chosen[given.is_kept]] = UNDECIDED
        handed_over.append(owner[chosen[~given.is_deleted]])
    left = cycle.state.present[rows]
    is_gone = np.bincount(owner[left], minlength=len(verdict.replicas)) == 0
    cycle.forget_candidates(verdict.replicas[is_gone])
    rest = _part(replace(verdict, rule=rule, rows=rows, owner=owner), ~is_gone)
    still = cycle.state.present[rest.rows]
    cycle.record(rest.replicas, rest.final_rule, rest.rows[still], rest.owner[still], rest.rule[still])
    return np.unique(cycle.arrays.replica_dataset[verdict.replicas[np.concatenate([_NONE, *handed_over])]])


def _turns(owner: Ints, rule: NDArray[np.int32], chosen: Mask) -> Iterator[Ints]:
    """Yield the positions of *chosen* blocks turn by turn: those of the first rule of every replica, of the second, ..."""
    positions = np.flatnonzero(chosen)
    if len(positions) == 0:
        return
    pairs, pair = np.unique(np.stack((owner[positions], rule[positions])), axis=1, return_inverse=True)
    turn = np.arange(pairs.shape[1]) - np.searchsorted(pairs[0], pairs[0])
    of_block = turn[pair.reshape(-1)]
    for number in range(int(turn.max()) + 1):
        yield positions[of_block == number]


def _sets(replicas: Ints, rows: Ints, owner: Ints, rule: NDArray[np.int32]) -> BlockSets:
    """Return the sets of blocks, one rule's for each replica, of the replicas that have any."""
    present, first, number = np.unique(owner, return_index=True, return_inverse=True)
    return BlockSets(replicas[present], rule[first].astype(np.int64), rows, number)
