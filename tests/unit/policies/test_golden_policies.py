"""The reference decides the policies that CMS ran as the original engine did, on the invented inventory of 2,000 datasets."""

from __future__ import annotations

from pathlib import Path

import pytest

from policies.evaluation.reference import decide
from tests.factories.snapshots import NOW
from tests.golden.harness import POLICY_GOLDENS, assert_same_decisions, golden_inputs, requires_shared_data

pytestmark = [requires_shared_data, pytest.mark.shared_data]


@pytest.mark.parametrize("name", POLICY_GOLDENS)
def test_reference_decides_real_policy_as_the_original_engine_did(name: str, tmp_path: Path) -> None:
    policy, membership, snapshot = golden_inputs(name)
    assert_same_decisions(name, decide(policy, membership, snapshot, now=NOW).rows, tmp_path)


def test_all_golden_policies_are_read() -> None:
    assert len(POLICY_GOLDENS) == 9
