"""The random cycles are worth deciding: most delete something, and every kind of decision occurs."""

from __future__ import annotations

from collections import Counter

from tests.factories.strategies import seeded_cycle
from tests.unit.policies.deciding import decide_random

_CYCLES = 600


def test_at_least_half_of_the_random_cycles_delete_something_and_all_decisions_occur() -> None:
    seen: Counter[str] = Counter()
    for seed in range(_CYCLES):
        result = decide_random(seeded_cycle(seed))
        seen["deleting"] += bool(result.removals)
        seen["stepping"] += result.num_steps > 1
        seen["released"] += bool(result.released)
        seen["by a Delete rule"] += any(removal.step == 0 for removal in result.removals)
        seen.update({str(row["decision"]) for row in result.rows})
    assert seen["deleting"] >= _CYCLES / 2
    for word in ("delete", "protect", "keep", "ignore", "reown", "stepping", "released", "by a Delete rule"):
        assert seen[word] >= 5, (word, seen)
