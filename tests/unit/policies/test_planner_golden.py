"""The engine decides as the original one did: every edge case, and the policies that CMS ran on the invented inventory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from policies.evaluation.columns import Snapshot
from policies.language.ast import Condition, Policy
from policies.planning.decisions import decision_rows
from policies.planning.planner import plan_cycle
from tests.factories.snapshots import NOW
from tests.golden.harness import (
    EDGE_CASES,
    POLICY_GOLDENS,
    EdgeCase,
    assert_edge_case,
    assert_same_decisions,
    cycle_inputs,
    golden_inputs,
    requires_shared_data,
)

pytestmark = [requires_shared_data, pytest.mark.shared_data]


def rows(
    policy: Policy, membership: Sequence[Condition], snapshot: Snapshot, *, now: float, deletion_per_iteration: float
) -> list[dict[str, Any]]:
    """Return the engine's decisions."""
    outcome = plan_cycle(policy, tuple(membership), snapshot, now=now, deletion_per_iteration=deletion_per_iteration)
    return decision_rows(outcome, snapshot)


@pytest.mark.parametrize("case", EDGE_CASES, ids=lambda case: f"{case.number} {case.title}")
def test_planner_decides_edge_case_as_the_original_engine_did(case: EdgeCase) -> None:
    assert_edge_case(case, rows)


@pytest.mark.parametrize(
    "case", [case for case in EDGE_CASES if case.occupancy is not None], ids=lambda case: f"{case.number} {case.title}"
)
def test_planner_triggers_the_sites_that_the_original_engine_triggered(case: EdgeCase) -> None:
    policy, membership, snapshot = cycle_inputs(case.partitions, case.policy, case.inventory)
    outcome = plan_cycle(policy, membership, snapshot, now=NOW, deletion_per_iteration=case.deletion_per_iteration)
    names = snapshot.sites["name"]
    assert case.triggered == tuple(names[at.site] for at in outcome.target_sites if at.is_triggered)


@pytest.mark.parametrize("name", POLICY_GOLDENS)
def test_planner_decides_real_policy_as_the_original_engine_did(name: str, tmp_path: Path) -> None:
    policy, membership, snapshot = golden_inputs(name)
    decided = rows(policy, membership, snapshot, now=NOW, deletion_per_iteration=0.01)
    assert_same_decisions(name, decided, tmp_path)


def test_all_shared_cases_are_read() -> None:
    assert (len(EDGE_CASES), len(POLICY_GOLDENS)) == (76, 9)
