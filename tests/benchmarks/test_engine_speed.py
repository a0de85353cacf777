"""How much CPU time a cycle takes, as ratios within one run; the figures are printed by ``make bench``."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from policies.evaluation.columns import Snapshot
from policies.language.ast import Condition, Policy
from policies.language.parser import parse_condition, parse_policy
from policies.planning.decisions import decision_lines
from policies.planning.evidence import read_evidence, write_evidence
from policies.planning.explain import ReplicaExplanation, explain_recorded, explain_replica
from policies.planning.outcome import Outcome
from policies.planning.planner import plan_cycle
from tests.benchmarks.synthetic import make_snapshot
from tests.factories.snapshots import NOW

HEADER = "On site.name == *\nWhen site.occupancy > 0.9\nUntil site.occupancy < 0.85\n"

#: Rules of every kind: blocks, locks, tape, popularity, other copies, Delete rules, handing over.
MIXED = (
    HEADER
    + """\
Ignore site.name == T*_MSS
ProtectBlock blockreplica.is_locked
Delete dataset.status == DEPRECATED and dataset.last_update older_than 1 week ago
Delete dataset.status == INVALID and dataset.last_update older_than 1 week ago
Protect replica.enforcer_protected
Protect dataset.unhandled_copy_exists
ProtectBlock dataset.on_tape == PARTIAL and not blockreplica.on_tape
ProtectBlock dataset.tape_copy_requested and not blockreplica.on_tape
ProtectBlock blockreplica.is_last_transfer_source
Protect dataset.name == /*/*/RAW and dataset.on_tape != FULL
Protect dataset.name == /*/*/NANOAOD*
ProtectBlock dataset.name == /*/Run2018*/GEN and blockreplica.owner == AnalysisOps
DismissBlock dataset.name == /*/*/RECO and dataset.last_update older_than 90 days ago and blockreplica.owner == DataOps
ProtectBlock dataset.on_tape == NONE and blockreplica.owner == DataOps
DeleteBlock blockreplica.owner == DataOps
Protect replica.incomplete
DismissBlock dataset.name == /*/*/RECO and dataset.name != /*/Run2012*/RECO and blockreplica.last_update older_than 90 days ago
Protect dataset.on_protected_site and replica.num_full_other_copy_common_owner < 1
Dismiss dataset.usage_rank > 100 and dataset.name != /*/*/MINIAOD*
Dismiss dataset.last_update older_than 150 days ago and replica.last_block_created older_than 30 days ago
Dismiss dataset.usage_rank > 80 and replica.num_access == 0
Protect dataset.on_tape != FULL and replica.num_full_other_copy_common_owner < 2
Protect replica.num_full_other_copy_common_owner == 0 and dataset.name == /*/*/RAW
Dismiss
Order decreasing dataset.usage_rank increasing replica.size
"""
)


def campaign(num_exact: int) -> str:
    """Return a campaign: *num_exact* rules with an exact name among 30 with patterns."""
    exact = [f"Protect dataset.name == /JetHT-{number}/Run2017-PU7_v{number % 7}/AOD" for number in range(num_exact)]
    patterns = [f"Dismiss dataset.name == /*/Run20{12 + number % 7}-PU{number}*/*" for number in range(30)]
    rules = exact[::2] + patterns[::2] + exact[1::2] + patterns[1::2]
    frame = ["On site.name == *", "When always", "Until never", "Ignore site.storage_type == MSS"]
    return "\n".join([*frame, "Protect blockreplica.is_locked", "Protect dataset.on_tape != FULL", *rules, "Protect", ""])


def parsed(text: str) -> Policy:
    result = parse_policy(text, file_name="bench.policy", partition="P")
    assert result.policy is not None, result.diagnostics[:3]
    return result.policy


def everything() -> tuple[Condition, ...]:
    condition, _ = parse_condition("blockreplica.owner != None")
    assert condition is not None
    return (condition,)


def seconds(call: Callable[[], object], *, times: int = 3) -> float:
    """Return the shortest of several runs in CPU time: what else the machine does only ever adds."""
    taken = []
    for _ in range(times):
        start = time.process_time()
        call()
        taken.append(time.process_time() - start)
    return min(taken)


def say(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        print(f"\n{text}")  # noqa: T201 - the figures are what a benchmark is for


@pytest.fixture(scope="module")
def snapshot(num_datasets: int) -> Snapshot:
    return make_snapshot(num_datasets)


def plan(policy: Policy, snapshot: Snapshot) -> Outcome:
    return plan_cycle(policy, everything(), snapshot, now=NOW)


def test_cycle_of_mixed_rules(snapshot: Snapshot, is_full: bool, capsys: pytest.CaptureFixture[str]) -> None:
    policy = parsed(MIXED)
    outcome = plan(policy, snapshot)
    assert outcome.num_steps > 0
    assert {deletion.step == 0 for deletion in outcome.deletions} == {True, False}
    took = seconds(lambda: plan(policy, snapshot))
    rows = seconds(lambda: decision_lines(outcome, snapshot), times=1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    say(
        capsys,
        f"mixed rules, {snapshot.block_replicas.height} block replicas: plan {took:.2f} s, {outcome.num_steps} steps,"
        f" {len(outcome.deletions)} deletions; decisions as text {rows:.2f} s; peak memory {peak:.0f} MB",
    )
    assert peak < 700 or not is_full


def test_four_thousand_rules_cost_about_as_much_as_forty(
    snapshot: Snapshot, is_full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    few, many = parsed(campaign(10)), parsed(campaign(3_900))
    assert (len(few.rules), len(many.rules)) == (43, 3_933)
    assert len(plan(many, snapshot).deletions) > 0
    few_s, many_s = seconds(lambda: plan(few, snapshot)), seconds(lambda: plan(many, snapshot))
    say(capsys, f"{len(few.rules)} rules {few_s:.3f} s, {len(many.rules)} rules {many_s:.3f} s, ratio {many_s / few_s:.2f}")
    assert many_s <= 1.5 * few_s or not is_full


def test_ten_times_the_replicas_take_at_most_eleven_times_as_long(
    num_datasets: int, is_full: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = parsed(MIXED)
    measured: list[tuple[int, float]] = []
    for count in (num_datasets // 10, num_datasets, 3 * num_datasets):
        grown = make_snapshot(count)
        measured.append((grown.block_replicas.height, seconds(lambda grown=grown: plan(policy, grown))))
    first_rows, first_s = measured[0]
    for rows, took in measured:
        each = took / rows * 1e6
        times = took / first_s / (rows / first_rows)
        say(capsys, f"growth: {rows:,} block replicas {took:.3f} s, {each:.2f} s per million; time grew {times:.2f} as fast")
        assert times <= 1.1 or not is_full


def test_explanation_of_one_replica(
    snapshot: Snapshot, is_full: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policy = parsed(MIXED)
    outcome = plan(policy, snapshot)
    replica = next(deletion.replica for deletion in outcome.deletions if deletion.step > 0)
    dataset, site = snapshot.replicas.select("dataset", "site").row(replica)
    names = {"dataset": snapshot.datasets["name"][dataset], "site": snapshot.sites["name"][site]}
    path = tmp_path / "evidence.parquet"

    def record() -> None:
        with path.open("wb") as target:
            write_evidence(target, outcome, snapshot, membership=everything())

    def explain() -> ReplicaExplanation:
        with path.open("rb") as source:
            evidence = read_evidence(source, names["dataset"])
        assert evidence is not None
        return explain_recorded(policy, evidence, now=NOW, **names)

    recorded_s = seconds(record, times=1)
    found = explain()
    assert any("deleted in step" in sentence for sentence in found.planner)
    assert found == explain_replica(policy, everything(), snapshot, now=NOW, **names)
    took, whole = seconds(explain), seconds(lambda: plan(policy, snapshot))
    say(
        capsys,
        f"explanation of one replica out of {snapshot.replicas.height:,}, out of the cycle's record: {took:.3f} s; goal 1 s\n"
        f"  beside it: planning them all {whole:.2f} s; writing the record {recorded_s:.2f} s,"
        f" {path.stat().st_size / 1e6:.1f} MB",
    )
    assert took < whole or not is_full
