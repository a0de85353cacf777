"""Conditions, times and unknown facts, by the reference; numbers are those of the language page."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl
import pytest

from policies.evaluation.columns import Snapshot
from policies.evaluation.reference import ReferenceResult, decide
from tests.factories.inventories import DAY, LONG_AGO, PARTITIONS, TB, dataset, document, replica, site
from tests.factories.snapshots import NOW
from tests.golden.harness import RefusedError, cycle_inputs
from tests.unit.policies.deciding import HEADER, decided, run

NAME = "/A/B/C"


def one_block_each(*names: str, attrs: list[dict[str, Any]] | None = None, **of: dict[str, Any]) -> dict[str, Any]:
    """Return a document with datasets of one block each at S1; *of* adds fields by the last part of the name."""
    datasets = [dataset(name, **of.get(name.rsplit("/", 1)[-1], {})) for name in names]
    return document([site("S1")], datasets, [replica(name, "S1") for name in names], attrs=attrs or [])


def kept(result: ReferenceResult) -> set[str]:
    """Return the last parts of the names of the datasets that line 5 protects."""
    return {name.rsplit("/", 1)[-1] for _, name, decision, line, _ in decided(result) if (decision, line) == ("protect", 5)}


class TestTexts:
    def test_dollar_ends_a_regular_expression_22(self) -> None:
        result = run("Protect dataset.name =~ /A/B/RAW$\nDismiss\n", one_block_each("/A/B/RAW", "/A/B/RAW-RECO", "/X/A/B/RAW"))
        assert kept(result) == {"RAW"}
        assert ("S1", "/X/A/B/RAW", "delete", 0, "ALL") in decided(result)

    def test_set_is_one_only_beside_a_wildcard_25(self) -> None:
        names = ("/A/B1", "/A/B2", "/A/B3", "/A/B[12]")
        assert kept(run("Protect dataset.name == /A/B[12]\nDismiss\n", one_block_each(*names))) == {"B[12]"}
        assert kept(run("Protect dataset.name == /?/B[12]\nDismiss\n", one_block_each(*names))) == {"B1", "B2"}
        assert kept(run("Protect dataset.name in [/?/B[!12] /X]\nDismiss\n", one_block_each(*names))) == {"B3"}

    def test_elements_of_a_list_may_hold_wildcards_28(self) -> None:
        names = ("/A/B/RAW", "/A/B/AOD", "/A/B/RECO")
        result = run("Protect dataset.name in [/A/*/RAW /A/B/AO?]\nDismiss\n", one_block_each(*names))
        assert kept(result) == {"RAW", "AOD"}
        result = run("Protect dataset.name notin [/A/*/RAW /A/B/AO?]\nDismiss\n", one_block_each(*names))
        assert kept(result) == {"RECO"}

    @pytest.mark.parametrize(
        "rules",
        [
            "Protect dataset.name in [/A/B/RAW] /A/B/AOD\nDismiss\n",  # 31
            "Dismiss\nOrder none dataset.name\n",  # 46
            "Protect dataset.on_tape == MAYBE\nDismiss\n",  # 61
            "Protect replica.incomplete == True\nDismiss\n",  # 97
            "Dismiss\nOrder increasing blockreplica.last_update\n",  # 105
            "Dismiss\nOrder decreasing blockreplica.last_update\n",  # 105
        ],
    )
    def test_accepted_by_accident_is_refused(self, rules: str) -> None:
        with pytest.raises(RefusedError):
            run(rules, one_block_each("/A/B/RAW"))


class TestTimes:
    @pytest.mark.parametrize(("window", "line"), [("until 2025-06-01", 0), ("from 2026-06-01", 0)])
    def test_outside_its_window_a_rule_is_off_108_110(self, window: str, line: int) -> None:
        result = run(f"Protect dataset.name == /A/* {window}\nDismiss\n", one_block_each(NAME))
        assert decided(result) == {("S1", NAME, "delete", line, "ALL")}

    @pytest.mark.parametrize("window", ["until 2026-01-01", "from 2026-01-01"])
    def test_both_ends_of_a_window_belong_to_it(self, window: str) -> None:
        assert kept(run(f"Protect dataset.name == /A/* {window}\nDismiss\n", one_block_each(NAME))) == {"C"}

    def test_window_ends_even_an_unknown_condition(self) -> None:
        inventory = one_block_each(NAME, C={"software_version": None})
        on = run("Protect dataset.release == 10_6_0\nDismiss\n", inventory)
        off = run("Protect dataset.release == 10_6_0 until 2025-01-01\nDismiss\n", inventory)
        assert (kept(on), kept(off)) == ({"C"}, set())

    def test_windows_hold_for_sites_and_partitions(self) -> None:
        header = "Partition {partition}\nOn site.name == S1 until 2025-01-01\nWhen always\nUntil never\n"
        assert decided(run("Dismiss\n", one_block_each(NAME), header=header)) == set()
        partitions = PARTITIONS + "OLD: site.name == * until 2025-01-01\n"
        assert decided(run("Dismiss\n", one_block_each(NAME), partition="OLD", partitions=partitions)) == set()

    def test_expired_label_turns_its_rule_off_after_the_end_of_the_day(self) -> None:
        rules = "Protect @higgs(owner=higgs, expires=2025-12-31) dataset.name == /A/*\nDismiss\n"
        assert kept(run(rules, one_block_each(NAME), now=NOW - 1)) == {"C"}
        assert kept(run(rules, one_block_each(NAME), now=NOW)) == set()


def with_datasets(snapshot: Snapshot, **columns: list[Any]) -> Snapshot:
    """Return *snapshot* with these columns of its datasets; None is unknown."""
    datasets = snapshot.datasets.with_columns(
        pl.Series(name, values, dtype=snapshot.datasets[name].dtype) for name, values in columns.items()
    )
    return replace(snapshot, datasets=datasets)


class TestUnknown:
    @pytest.mark.parametrize(
        ("rules", "expected"),
        [
            ("Protect dataset.usage_rank > 5\nDelete dataset.name == *\nDismiss\n", "protect"),
            ("Ignore dataset.usage_rank > 5\nDismiss\n", "ignore"),
            ("Delete dataset.usage_rank > 5\nProtect\n", "protect"),
            ("Dismiss dataset.usage_rank > 5\nProtect\n", "protect"),
            ("Protect dataset.usage_rank > 5 and dataset.name == /X\nDismiss\n", "delete"),
            ("Delete dataset.usage_rank > 5 or dataset.name == /A/*\nProtect\n", "delete"),
            ("Delete not (dataset.usage_rank > 5)\nProtect\n", "protect"),
            ("Protect dataset.usage_rank in []\nDismiss\n", "delete"),
        ],
    )
    def test_unknown_fact_never_selects_for_deletion(self, rules: str, expected: str) -> None:
        policy, membership, snapshot = cycle_inputs(PARTITIONS, HEADER.format(partition="P") + rules, one_block_each(NAME))
        result = decide(policy, membership, with_datasets(snapshot, usage_rank=[None]), now=NOW)
        assert [row["decision"] for row in result.rows] == [expected]

    def test_unknown_locks_protect_block_by_block(self) -> None:
        rules = "ProtectBlock blockreplica.is_locked\nDismiss\n"
        inventory = document([site("S1")], [dataset(NAME, ("b1", "b2"))], [replica(NAME, "S1", ("b1", "b2"))])
        policy, membership, snapshot = cycle_inputs(PARTITIONS, HEADER.format(partition="P") + rules, inventory)
        half = snapshot.block_replicas.with_columns(is_locked=pl.Series([None, False]))
        result = decide(policy, membership, replace(snapshot, block_replicas=half), now=NOW)
        assert decided(result) == {("S1", NAME, "protect", 5, "b1"), ("S1", NAME, "delete", 0, "b2")}

    def test_unknown_sorts_last_in_either_direction(self) -> None:
        names = ("/A/B/N", "/A/B/S", "/A/B/T")
        header = "Partition {partition}\nOn site.name == *\nWhen always\nUntil site.occupancy < 0.25\n"
        for direction in ("increasing", "decreasing"):
            text = header.format(partition="P") + f"Dismiss\nOrder {direction} dataset.usage_rank\n"
            policy, membership, snapshot = cycle_inputs(PARTITIONS, text, one_block_each(*names))
            known_in_part = with_datasets(snapshot, usage_rank=[None, 3.0, 4.0])
            result = decide(policy, membership, known_in_part, now=NOW)
            first = "/A/B/S" if direction == "increasing" else "/A/B/T"
            assert [removal.dataset for removal in result.removals] == [first]

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            ("dataset.attr.tier == RAW", {"R"}),
            ("dataset.attr.runs > 5", {"R"}),
            ("dataset.attr.good", {"R"}),
            ("dataset.attr.runs == RAW", set()),
            ("dataset.attr.none != RAW", set()),
        ],
    )
    def test_metadata_takes_the_type_of_the_literal_and_absent_is_unknown(self, condition: str, expected: set[str]) -> None:
        inventory = one_block_each("/A/B/R", R={"attributes": {"tier": "RAW", "runs": 7, "good": True}})
        result = run(f"Delete {condition}\nProtect\n", inventory)
        assert {row["dataset"][-1] for row in result.rows if row["decision"] == "delete"} == expected


class TestVariables:
    def test_age_is_relative_to_the_newest_block_replica_in_the_scope(self) -> None:
        parts = {"b1": {"last_update": LONG_AGO}, "b2": {"last_update": LONG_AGO + 3 * DAY}}
        inventory = document([site("S1")], [dataset(NAME, ("b1", "b2"))], [replica(NAME, "S1", parts)])
        result = run("ProtectBlock blockreplica.age_relative_to_newest < 100000\nDismiss\n", inventory)
        assert decided(result) == {("S1", NAME, "protect", 5, "b2"), ("S1", NAME, "delete", 0, "b1")}

    def test_sizes_and_percentages_carry_units(self) -> None:
        header = "Partition {partition}\nOn site.quota > 9 TB\nWhen site.occupancy > 9 %\nUntil never\n"
        result = run("Dismiss replica.size >= 1 TB\nProtect\n", one_block_each(NAME), header=header)
        assert decided(result) == {("S1", NAME, "delete", 5, "ALL")}
        result = run("Dismiss dataset.size > 1 TB\nProtect\n", one_block_each(NAME), header=header)
        assert decided(result) == {("S1", NAME, "protect", 0, "ALL")}
        assert TB == 10**12
