"""The random cycles are worth deciding: most delete something, and every feature of the language occurs."""

from __future__ import annotations

from collections import Counter

from hypothesis import HealthCheck, Phase, given, settings

from policies.evaluation.reference import ReferenceResult, decide
from tests.factories.snapshots import NOW
from tests.factories.strategies import PARTITIONS, RandomCycle, random_cycles
from tests.golden.harness import parsed_guardrails, parsed_policy, partition_of

_EXAMPLES = 300


def decide_random(case: RandomCycle) -> ReferenceResult:
    """Decide *case* with the reference."""
    policy = parsed_policy(case.policy)
    membership, leaves = partition_of(PARTITIONS, case.partition)
    return decide(
        policy,
        membership,
        case.snapshot(leaves),
        now=NOW,
        deletion_per_iteration=case.deletion_per_iteration,
        guardrails=parsed_guardrails(case.guardrails),
    )


def test_at_least_half_of_the_random_cycles_delete_something_and_all_decisions_occur() -> None:
    seen: Counter[str] = Counter()

    @settings(
        max_examples=_EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(random_cycles())
    def measure(case: RandomCycle) -> None:
        result = decide_random(case)
        seen["cycles"] += 1
        seen["deleting"] += bool(result.removals)
        seen["stepping"] += result.num_steps > 1
        seen["released"] += bool(result.released)
        seen.update({str(row["decision"]) for row in result.rows})

    measure()
    assert seen["cycles"] >= _EXAMPLES
    assert seen["deleting"] >= seen["cycles"] / 2
    assert min(seen[word] for word in ("delete", "protect", "keep", "ignore", "reown", "stepping", "released")) >= 5, seen
