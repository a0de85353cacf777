"""The engine decides every random cycle as the reference does: rows, deletions in order, sites, passes and steps.

``DYNAMO_RANDOM_CYCLES`` sets how many evenly spread cycles are compared (``make fuzz`` asks for more than CI).
"""

from __future__ import annotations

import os

from hypothesis import HealthCheck, given, settings

from tests.factories.strategies import RandomCycle, random_cycles, seeded_cycle
from tests.unit.policies.deciding import decide_random
from tests.unit.policies.planning_case import comparable_plan, comparable_reference, plan_random

NUM_CYCLES = int(os.environ.get("DYNAMO_RANDOM_CYCLES", "2000"))


def assert_same(case: RandomCycle) -> None:
    assert comparable_plan(*plan_random(case)) == comparable_reference(decide_random(case)), case.policy


def test_engine_equals_reference_on_evenly_spread_cycles() -> None:
    for seed in range(NUM_CYCLES):
        assert_same(seeded_cycle(seed))


@settings(max_examples=NUM_CYCLES // 4, deadline=None, suppress_health_check=list(HealthCheck))
@given(random_cycles())
def test_engine_equals_reference_on_drawn_cycles(case: RandomCycle) -> None:
    assert_same(case)
