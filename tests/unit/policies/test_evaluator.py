"""The rule stack on columns: runs of dataset rules, three-valued thresholds, hiding, and matching of columns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from policies.evaluation.conditions import ConditionCompiler
from policies.evaluation.evaluator import StackEvaluator
from policies.evaluation.inventory_arrays import InventoryArrays, expand_ranges
from policies.evaluation.matching import compare_column, compare_numbers
from policies.evaluation.state import CycleState
from policies.language.ast import Predicate
from policies.language.parser import parse_condition
from tests.factories.inventories import TB, dataset, document, replica, site
from tests.factories.snapshots import NOW, snapshot_from_documents
from tests.golden.harness import parsed_policy
from tests.unit.policies.planning import HEADER, plan

NAME = "/A/B/C"


def predicate(text: str) -> Predicate:
    """Return the only predicate of a replica condition."""
    condition, _ = parse_condition(text)
    assert condition is not None
    assert isinstance(condition.expression, Predicate)
    return condition.expression


def answers(text: str, values: list[Any], dtype: type[pl.DataType]) -> list[int]:
    """Return the truths (0 false, 1 unknown, 2 true) of a predicate over *values*."""
    return compare_column(predicate(text), pl.Series(values, dtype=dtype), NOW).tolist()


class TestColumns:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("dataset.release == 10_6_0", [2, 0, 1]),
            ("dataset.release != 10_6_0", [0, 2, 1]),
            ("dataset.release == 10_*", [2, 2, 1]),
            ("dataset.release in [10_6_? x]", [2, 2, 1]),
            ("dataset.release notin [10_6_0]", [0, 2, 1]),
            ("dataset.release =~ 0_6", [0, 0, 1]),
            ("dataset.release !=~ 10_6_[1-9]", [2, 0, 1]),
            ("dataset.release in []", [0, 0, 0]),
            ("dataset.release notin []", [2, 2, 2]),
        ],
    )
    def test_text_is_compared_as_a_whole_and_null_is_unknown(self, text: str, expected: list[int]) -> None:
        assert answers(text, ["10_6_0", "10_6_1", None], pl.String) == expected

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("dataset.usage_rank > 1", [0, 2, 1]),
            ("dataset.usage_rank >= 1", [2, 2, 1]),
            ("dataset.usage_rank < 1", [0, 0, 1]),
            ("dataset.usage_rank <= 1", [2, 0, 1]),
            ("dataset.usage_rank != 1", [0, 2, 1]),
            ("dataset.usage_rank in [1 7]", [2, 0, 1]),
        ],
    )
    def test_numbers_compare_strictly_and_null_is_unknown(self, text: str, expected: list[int]) -> None:
        assert answers(text, [1.0, 2.0, None], pl.Float64) == expected

    def test_older_than_is_strict_33(self) -> None:
        moments = np.array([NOW - 86401, NOW - 86400, NOW - 86399])
        assert compare_numbers(predicate("dataset.last_update older_than 1 day ago"), moments, NOW).tolist() == [2, 0, 0]
        assert compare_numbers(predicate("dataset.last_update newer_than 1 day ago"), moments, NOW).tolist() == [0, 0, 2]

    @pytest.mark.parametrize(
        ("operator", "expected"), [(">", [0, 2]), (">=", [2, 2]), ("<", [0, 0]), ("<=", [2, 0]), ("==", [2, 0]), ("!=", [0, 2])]
    )
    def test_bytes_beyond_what_a_float_holds_are_not_rounded(self, operator: str, expected: list[int]) -> None:
        sizes = np.array([2**53, 2**53 + 1])
        assert compare_numbers(predicate(f"dataset.size {operator} {2**53}"), sizes, NOW).tolist() == expected

    def test_a_fraction_as_limit_of_integers_is_neither_rounded_up_nor_down(self) -> None:
        counts = np.array([1, 2])
        for operator, expected in ((">", [0, 2]), (">=", [0, 2]), ("<", [2, 0]), ("<=", [2, 0]), ("==", [0, 0])):
            assert compare_numbers(predicate(f"dataset.num_full_disk_copy {operator} 1.5"), counts, NOW).tolist() == expected


def three_datasets(**attributes: Any) -> dict[str, Any]:
    names = ("/A/x/RAW", "/A/y/AOD", "/B/z/RAW")
    return document([site("S1")], [dataset(name, **attributes) for name in names], [replica(name, "S1") for name in names])


class TestRunsOfDatasetRules:
    @pytest.mark.parametrize(
        ("rules", "lines"),
        [
            (
                "Protect dataset.name == /A/x/RAW\nDismiss dataset.name == /A/*/*\nProtect dataset.name == /A/y/AOD\nDismiss\n",
                (5, 6, 0),
            ),
            ("Dismiss dataset.name == /A/*/*\nProtect dataset.name == /A/x/RAW\nProtect dataset.name == *\nDismiss\n", (5, 5, 7)),
            ("Protect dataset.name == /A/x/RAW\nDismiss dataset.name == /A/x/RAW\nDismiss\n", (5, 0, 0)),
            ("Protect dataset.name == /no/such/name\nDismiss\n", (0, 0, 0)),
            (
                "Protect dataset.name == /A/x/RAW\nProtect replica.size > 10 TB\nProtect dataset.name == /A/*\nDismiss\n",
                (5, 7, 0),
            ),
        ],
    )
    def test_the_first_rule_that_matches_decides(self, rules: str, lines: tuple[int, int, int]) -> None:
        planned = plan(rules, three_datasets())
        by_name = {row[1]: row[3] for row in planned.decided()}
        assert tuple(by_name[name] for name in sorted(by_name)) == lines

    def test_unknown_ends_a_run_for_protect_but_not_for_dismiss(self) -> None:
        rules = "Dismiss dataset.attr.keep == no\nProtect dataset.attr.keep == yes\nDismiss\n"
        assert {row[2:4] for row in plan(rules, three_datasets()).decided()} == {("protect", 6)}

    def test_attribute_is_compared_by_the_type_of_the_literal(self) -> None:
        rules = "Protect dataset.attr.level == 3\nDismiss\n"
        assert {row[2] for row in plan(rules, three_datasets(attributes={"level": 3})).decided()} == {"protect"}
        assert {row[2] for row in plan(rules, three_datasets(attributes={"level": 4})).decided()} == {"delete"}
        assert {row[3] for row in plan(rules, three_datasets(attributes={"level": "4"})).decided()} == {5}

    def test_expired_label_switches_a_rule_off(self) -> None:
        rules = (
            "Protect @old(expires=2025-12-31) dataset.name == *\n"
            "Protect @last(expires=2026-01-01) dataset.name == /A/*\n"
            "Dismiss\n"
        )
        assert {row[1]: row[3] for row in plan(rules, three_datasets()).decided()} == {
            "/A/x/RAW": 6,
            "/A/y/AOD": 6,
            "/B/z/RAW": 0,
        }


class TestUnknown:
    @pytest.mark.parametrize(
        ("rule", "taken"),
        [
            ("Protect blockreplica.is_locked", True),
            ("Ignore not blockreplica.is_locked", True),
            ("ProtectBlock blockreplica.is_locked", True),
            ("Dismiss blockreplica.is_locked", False),
            ("Delete not blockreplica.is_locked", False),
            ("DeleteBlock blockreplica.is_locked", False),
            ("Dismiss blockreplica.is_locked or dataset.name == *", True),
            ("Protect blockreplica.is_locked and dataset.name == /X", False),
        ],
    )
    def test_unknown_is_enough_to_keep_and_never_to_delete(self, rule: str, taken: bool) -> None:
        snapshot = snapshot_from_documents(three_datasets(), partition_names=("P",))
        unknown = pl.Series("is_locked", [None] * 3, dtype=pl.Boolean)
        arrays = InventoryArrays(replace(snapshot, block_replicas=snapshot.block_replicas.with_columns(unknown)))
        policy = parsed_policy(HEADER.format(partition="P") + f"{rule}\nProtect\n")
        everything = np.ones(arrays.num_rows, dtype=np.bool_)
        state = CycleState(arrays, everything, np.zeros(arrays.num_replicas, dtype=np.bool_), ())
        compiler = ConditionCompiler(arrays, NOW, newest_in_scope=0.0)
        names = snapshot.datasets["name"].to_list()
        verdict = StackEvaluator((*policy.rules, policy.default), compiler, names, NOW).evaluate(state, np.arange(3))
        assert verdict.final_rule.tolist() == [0 if taken else 1] * 3


class TestAnySubsetOfReplicas:
    def test_verdict_on_a_replica_does_not_depend_on_who_else_is_asked(self) -> None:
        sites = [site("S1"), site("S2"), site("X_MSS", "mss")]
        blocks = {"b1": {"group": "DataOps"}, "b2": {"size": TB // 2, "num_files": 5}, "b3": {}}
        names = ("/A/x/RAW", "/A/y/AOD", "/B/z/RAW")
        inventory = document(
            sites,
            [dataset(name, ("b1", "b2", "b3")) for name in names],
            [replica(name, at["name"], blocks if at["name"] == "S2" else ("b1", "b2", "b3")) for name in names for at in sites],
        )
        rules = (
            "ProtectBlock blockreplica.owner == DataOps and dataset.name == /A/*\n"
            "Dismiss replica.size < 2 TB\n"
            "ProtectBlock blockreplica.num_full_disk_copy < 3\n"
            "Dismiss replica.num_full_other_copy_common_owner > 1 and dataset.on_tape == FULL\n"
            "Protect dataset.num_full_disk_copy == 1\n"
            "Ignore\n"
        )
        snapshot = snapshot_from_documents(inventory, partition_names=("ALL",))
        arrays = InventoryArrays(snapshot)
        policy = parsed_policy(HEADER.format(partition="ALL") + rules)
        variables = {variable.name for variable in policy.variables()}
        everything = np.ones(arrays.num_rows, dtype=np.bool_)
        state = CycleState(arrays, everything, np.zeros(arrays.num_replicas, dtype=np.bool_), variables)
        compiler = ConditionCompiler(arrays, NOW, newest_in_scope=0.0)
        stack = StackEvaluator((*policy.rules, policy.default), compiler, snapshot.datasets["name"].to_list(), NOW)
        together = stack.evaluate(state, np.arange(arrays.num_replicas))
        assert len(set(together.rule.tolist())) > 3
        for one in range(arrays.num_replicas):
            alone = stack.evaluate(state, np.array([one]))
            assert alone.final_rule.tolist() == [together.final_rule[one]]
            assert alone.rule.tolist() == together.rule[together.owner == one].tolist()


def test_ranges_expand_to_their_numbers_and_owners() -> None:
    numbers, owner = expand_ranges(np.array([5, 9, 0]), np.array([2, 0, 3]))
    assert numbers.tolist() == [5, 6, 0, 1, 2]
    assert owner.tolist() == [0, 0, 2, 2, 2]
