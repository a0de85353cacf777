"""Decisions in words: rows of the decisions file, the frame per block replica, the digest of the plan, coverage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from policies.planning.coverage import coverage
from policies.planning.decisions import decisions_frame, plan_digest, write_decisions_jsonl
from tests.factories.inventories import TB, dataset, document, replica, site
from tests.unit.policies.planning import Planned, plan

NAME = "/A/B/C"
RULES = "ProtectBlock blockreplica.is_locked\nDeleteBlock blockreplica.owner == DataOps\nProtect dataset.name == /X/*\nDismiss\n"


def mixed(**special: Any) -> dict[str, Any]:
    """Return a replica with a locked block, one that is handed over, and one of the default."""
    blocks = {"b1": {}, "b2": {"group": "DataOps"}, "b3": special}
    return document(
        [site("S1")],
        [dataset(NAME, ("b1", "b2", "b3"))],
        [replica(NAME, "S1", blocks)],
        attrs=[{"dataset": NAME, "locked_blocks": {"S1": ["b1"]}}],
    )


def planned(*, header: str | None = None, **special: Any) -> Planned:
    never = "Partition {partition}\nOn site.name == *\nWhen never\nUntil never\n"
    return plan(RULES, mixed(**special), header=header or never)


def test_file_is_sorted_compact_json_with_sorted_keys(tmp_path: Path) -> None:
    found = planned()
    path = tmp_path / "decisions.jsonl"
    assert write_decisions_jsonl(path, found.outcome, found.snapshot) == 3
    assert path.read_text() == (
        '{"blocks":["b1"],"bytes":1000000000000,"dataset":"/A/B/C","decision":"protect","line":5,"site":"S1"}\n'
        '{"blocks":["b2","b3"],"bytes":2000000000000,"dataset":"/A/B/C","decision":"keep","line":0,"site":"S1"}\n'
        '{"blocks":["b2"],"bytes":1000000000000,"dataset":"/A/B/C","decision":"reown","line":null,"site":"S1","to":"AnalysisOps"}\n'
    )


def test_all_stands_for_as_many_blocks_as_the_replica_had_at_the_start() -> None:
    assert plan("Dismiss\n", mixed()).decided() == {("S1", NAME, "delete", 0, "ALL")}


def test_bytes_are_those_that_are_physically_present() -> None:
    found = planned(size=TB // 4, num_files=2)
    assert {json.dumps(row) for row in found.decided()} == {
        json.dumps(row)
        for row in [
            ("S1", NAME, "protect", 5, "b1"),
            ("S1", NAME, "keep", 0, "b2 b3"),
            ("S1", NAME, "reown AnalysisOps", None, "b2"),
        ]
    }
    frame = decisions_frame(found.outcome, found.snapshot)
    assert frame["bytes"].to_list() == [TB, TB, TB // 4]


def test_frame_has_a_row_per_block_replica_with_rule_and_new_owner() -> None:
    found = planned()
    frame = decisions_frame(found.outcome, found.snapshot)
    assert frame.select("site", "dataset", "block", "decision", "line", "rule", "new_owner").rows() == [
        ("S1", NAME, "b1", "protect", 5, "ProtectBlock blockreplica.is_locked", None),
        ("S1", NAME, "b2", "keep", 0, "Dismiss", "AnalysisOps"),
        ("S1", NAME, "b3", "keep", 0, "Dismiss", None),
    ]


class TestDigest:
    def test_same_input_gives_the_same_digest(self) -> None:
        digests = {plan_digest(found.outcome, found.snapshot) for found in (planned(), planned())}
        assert len(digests) == 1

    def test_digest_changes_with_what_is_deleted_or_handed_over(self) -> None:
        cases = [
            plan("Protect\n", mixed()),
            plan("Dismiss\n", mixed()),
            plan("Delete\n", mixed()),
            planned(),
            plan("Dismiss\n", mixed(size=TB // 4, num_files=2)),
        ]
        assert len({plan_digest(found.outcome, found.snapshot) for found in cases}) == len(cases)

    def test_digest_depends_on_names_and_not_on_row_numbers(self) -> None:
        alone = plan("Dismiss dataset.name == /A/B/C\nProtect\n", mixed())
        first = mixed()
        first["dataset"].insert(0, dataset("/A/A/A"))
        first["datasetreplica"].insert(0, replica("/A/A/A", "S1"))
        beside = plan("Dismiss dataset.name == /A/B/C\nProtect\n", first)
        assert plan_digest(alone.outcome, alone.snapshot) == plan_digest(beside.outcome, beside.snapshot)


class TestCoverage:
    def test_every_rule_has_its_replicas_blocks_and_bytes_and_dead_ones_are_marked(self) -> None:
        found = planned()
        covered = coverage(found.outcome, found.snapshot)
        assert [(rule.rule.decision_line, rule.num_replicas, rule.num_blocks, rule.size_bytes) for rule in covered] == [
            (5, 1, 1, TB),
            (6, 0, 0, 0),
            (7, 0, 0, 0),
            (0, 1, 2, 2 * TB),
        ]
        assert [rule.is_dead for rule in covered] == [False, True, True, False]

    def test_replica_that_holds_nothing_counts_for_its_rule(self) -> None:
        inventory = document([site("X_MSS", "mss")], [dataset(NAME)], [replica(NAME, "X_MSS", ())])
        found = plan("Ignore site.storage_type == MSS\nDismiss\n", inventory, partition="T")
        assert [(rule.num_replicas, rule.num_blocks) for rule in coverage(found.outcome, found.snapshot)] == [(1, 0), (0, 0)]
