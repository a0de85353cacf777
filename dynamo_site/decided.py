"""What cycles decided on a dataset, summed over many: nobody wants to read the same line once for every cycle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from policies.selectors.decisions import DecisionRow


@dataclass(frozen=True, slots=True)
class RepeatedDecision:
    """The same decision at a site by the same rule of the same text: ``row`` as the ``last`` of the cycles made it."""

    row: DecisionRow
    first: Any
    last: Any
    num_cycles: int


def repeated_decisions(decided: Iterable[tuple[Any, Sequence[DecisionRow]]]) -> list[RepeatedDecision]:
    """Return what (cycle, decisions), newest first, say of each site, each decision once; the latest first, then by site."""
    found: dict[tuple[object, ...], list[tuple[Any, DecisionRow]]] = {}
    for cycle, rows in decided:
        for row in rows:
            key = (row.site, row.decision, row.line, row.rule, row.new_owner, cycle.kind == "TEST_RUN", cycle.source)
            found.setdefault(key, []).append((cycle, row))
    repeated = [
        RepeatedDecision(made[0][1], made[-1][0], made[0][0], len({cycle.pk for cycle, _ in made})) for made in found.values()
    ]
    return sorted(repeated, key=lambda one: (-one.last.pk, one.row.site, one.row.decision))
