"""Remembering the states in which one replica was evaluated during a cycle, for its explanation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policies.evaluation.inventory_arrays import Ints
from policies.evaluation.matching import Mask
from policies.evaluation.state import CycleState
from policies.planning.outcome import Deletion


@dataclass(frozen=True, slots=True)
class Sighting:
    """The dataset as it was when the replica was evaluated, in the order of ``Watch.rows`` and ``Watch.replicas``.

    ``num_deletions``: how many deletions of the dataset the cycle had decided by then.
    """

    present: Mask
    group: NDArray[np.integer]
    empty: Mask
    num_deletions: int


class Watch:
    """Collects a sighting each time that ``replica`` is evaluated; the last one counts where the same state is asked twice."""

    def __init__(self, replica: int, replicas: Ints, rows: Ints) -> None:
        """*replicas*, *rows*: all replicas of its dataset, and all their block replicas, as rows of the snapshot."""
        self.replica = replica
        self.replicas = replicas
        self.rows = rows
        self.sightings: list[Sighting] = []

    def observe(self, state: CycleState, replicas: Ints, deletions: Sequence[Deletion]) -> None:
        """Note the state if the watched replica is one of *replicas*, which are about to be evaluated."""
        if not (replicas == self.replica).any():
            return
        num_deletions = int(np.isin([deletion.replica for deletion in deletions], self.replicas).sum())
        sighting = Sighting(state.present[self.rows], state.group[self.rows], state.empty[self.replicas], num_deletions)
        self.sightings.append(sighting)

    def deciding(self, rows: Ints) -> list[tuple[Sighting, Ints]]:
        """Return the sightings that were the last for some of *rows* (of the watched replica), in order, with these rows.

        Without rows, for a replica that holds nothing, the last sighting alone.
        """
        if len(rows) == 0:
            return [(self.sightings[-1], rows)] if self.sightings else []
        open_ = rows
        found: list[tuple[Sighting, Ints]] = []
        for sighting in reversed(self.sightings):
            seen = sighting.present[np.searchsorted(self.rows, open_)]
            if seen.any():
                found.append((sighting, open_[seen]))
                open_ = open_[~seen]
            if len(open_) == 0:
                break
        return found[::-1]
