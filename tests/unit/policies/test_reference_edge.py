"""The reference decides every shared edge case as the original engine did, but for the listed differences."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from policies.evaluation.columns import Snapshot
from policies.evaluation.reference import decide
from policies.language.ast import Condition, Policy
from tests.factories.snapshots import NOW
from tests.golden.harness import (
    DIFFERENT_ON_PURPOSE,
    EDGE_CASES,
    EdgeCase,
    Row,
    assert_edge_case,
    cycle_inputs,
    requires_shared_data,
)

pytestmark = [requires_shared_data, pytest.mark.shared_data]


def reference_rows(
    policy: Policy, membership: Sequence[Condition], snapshot: Snapshot, *, now: float, deletion_per_iteration: float
) -> Sequence[Row]:
    """Decide with the reference."""
    return decide(policy, membership, snapshot, now=now, deletion_per_iteration=deletion_per_iteration).rows


def _id(case: EdgeCase) -> str:
    return f"{case.number:03d}"


@pytest.mark.parametrize("case", EDGE_CASES, ids=_id)
def test_edge_case_is_decided_as_expected(case: EdgeCase) -> None:
    assert_edge_case(case, reference_rows)


@pytest.mark.parametrize("case", [case for case in EDGE_CASES if case.triggered is not None], ids=_id)
def test_edge_case_triggers_the_same_sites_at_the_same_occupancy(case: EdgeCase) -> None:
    policy, membership, snapshot = cycle_inputs(case.partitions, case.policy, case.inventory)
    result = decide(policy, membership, snapshot, now=NOW, deletion_per_iteration=case.deletion_per_iteration)
    assert result.triggered == case.triggered
    assert result.occupancy == pytest.approx(case.occupancy, abs=1e-6)


def test_all_shared_edge_cases_are_read() -> None:
    assert len(EDGE_CASES) == 76
    assert set(DIFFERENT_ON_PURPOSE) <= {case.number for case in EDGE_CASES}
    assert sorted(case.number for case in EDGE_CASES if case.expected is None) == [29, 54, 65, 86, 87, 92, 106, 107]
