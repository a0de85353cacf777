"""What a cycle left in its file explains each of its replicas as the whole snapshot does, and from its own dataset alone."""

from __future__ import annotations

import io
import os

import polars as pl
from hypothesis import HealthCheck, given, settings

from policies.planning.comparing import SIDE_COLUMNS
from policies.planning.decisions import decisions_frame
from policies.planning.evidence import read_decisions, read_evidence, write_evidence
from policies.planning.explain import explain_recorded, explain_replica
from policies.planning.outcome import GuardrailRule
from policies.planning.planner import plan_cycle
from tests.factories.snapshots import NOW
from tests.factories.strategies import RandomCycle, random_cycles, seeded_cycle
from tests.unit.policies.deciding import random_inputs

NUM_CYCLES = int(os.environ.get("DYNAMO_RANDOM_CYCLES", "2000")) // 10
#: Replicas of a cycle that are explained in both ways, evenly spread.
NUM_REPLICAS = 4


def assert_recorded_equals_whole(case: RandomCycle) -> None:
    """Compare explanations of replicas of the datasets that took part; of the others the file must know nothing."""
    inputs = random_inputs(case)
    inputs["guardrails"] = [GuardrailRule(found.name, found.condition) for found in inputs["guardrails"]]
    policy, snapshot = inputs["policy"], inputs["snapshot"]
    outcome = plan_cycle(**inputs)
    recorded = io.BytesIO()
    write_evidence(recorded, outcome, snapshot, membership=inputs["membership"], guardrails=inputs["guardrails"])
    decided = decisions_frame(outcome, snapshot).select(SIDE_COLUMNS)
    assert read_decisions(recorded).sort(SIDE_COLUMNS[:3]).equals(decided.sort(SIDE_COLUMNS[:3])), case.policy
    of_replica = snapshot.replicas["dataset"]
    took_part = set(of_replica.gather(snapshot.block_replicas["replica"].filter(pl.Series(outcome.in_scope))))
    took_part |= {of_replica[row] for row in outcome.empty_replicas}
    asked = snapshot.replicas.select("dataset", "site").rows()
    for dataset_row, site_row in asked[:: max(1, len(asked) // NUM_REPLICAS)]:
        names = {"dataset": snapshot.datasets["name"][dataset_row], "site": snapshot.sites["name"][site_row]}
        evidence = read_evidence(recorded, names["dataset"])
        assert (evidence is not None) == (dataset_row in took_part), case.policy
        if evidence is not None:
            assert explain_recorded(policy, evidence, now=NOW, **names) == explain_replica(**inputs, **names), case.policy


def test_explanations_are_the_same_on_evenly_spread_cycles() -> None:
    for seed in range(NUM_CYCLES):
        assert_recorded_equals_whole(seeded_cycle(seed))


@settings(max_examples=NUM_CYCLES // 4, deadline=None, suppress_health_check=list(HealthCheck))
@given(random_cycles())
def test_explanations_are_the_same_on_drawn_cycles(case: RandomCycle) -> None:
    assert_recorded_equals_whole(case)
