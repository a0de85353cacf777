"""An explanation shows every rule with what it saw, and says what the planner did and why."""

from __future__ import annotations

from typing import Any

import pytest

from policies.evaluation.explain import RuleOutcome, RuleTrace
from policies.evaluation.seen_values import bytes_text, time_text
from policies.language.types import Truth
from policies.planning.explain import ReplicaExplanation, UnknownReplica
from tests.factories.inventories import TB, dataset, document, replica, site
from tests.unit.policies.planning import WATERMARKS, explain

NAME = "/A/B/C"
NAMES = tuple(f"/A/B/D{number}" for number in range(6))
BOTH = document([site("S1"), site("S2")], [dataset(NAME)], [replica(NAME, "S1"), replica(NAME, "S2")])


def last_stack(found: ReplicaExplanation) -> tuple[RuleTrace, ...]:
    return found.evaluations[-1].stack.rules


def full_site() -> dict[str, Any]:
    attrs = [{"dataset": name, "usage_rank": rank} for rank, name in enumerate(NAMES)]
    return document(
        [site("S1")],
        [dataset(name) for name in NAMES],
        [replica(name, "S1") for name in NAMES],
        quotas={"S1": 6 * TB},
        attrs=attrs,
    )


class TestRules:
    RULES = (
        "Ignore site.name == T*\n"
        "Protect dataset.usage_rank > 3 and not blockreplica.is_locked\n"
        "Protect @old(expires=2025-01-01) dataset.name == *\n"
        "Dismiss replica.size > 500 GB\n"
        "Protect dataset.name == *\n"
        "Dismiss\n"
    )

    def test_each_rule_has_its_outcome_and_the_values_that_it_saw(self) -> None:
        found = explain(self.RULES, full_site(), dataset=NAMES[2], site="S1", header=WATERMARKS)
        traces = last_stack(found)
        assert [trace.outcome for trace in traces] == [
            RuleOutcome.FALSE,
            RuleOutcome.FALSE,
            RuleOutcome.OFF,
            RuleOutcome.TRUE,
            RuleOutcome.NOT_REACHED,
            RuleOutcome.NOT_REACHED,
        ]
        assert [(seen.predicate, seen.value, seen.truth) for seen in traces[1].values] == [
            ("dataset.usage_rank > 3", "2", Truth.FALSE),
            ("not blockreplica.is_locked", "1 of 1 blocks meet it (false)", Truth.TRUE),
        ]
        assert [(seen.predicate, seen.value) for seen in traces[3].values] == [("replica.size > 500 GB", "1 TB")]
        assert (traces[3].is_met, traces[3].ends_pass, traces[3].blocks) == (True, True, ("b1",))

    def test_unknown_value_names_its_missing_feed_and_protects(self) -> None:
        rules = "Protect dataset.attr.keep == yes\nDismiss\n"
        (first, _) = last_stack(explain(rules, BOTH, dataset=NAME, site="S1"))
        assert (first.outcome, first.is_met, first.values[0].value) == (RuleOutcome.UNKNOWN, True, "unknown")

    def test_block_rule_names_the_blocks_that_it_took(self) -> None:
        blocks = {"b1": {}, "b2": {"group": "DataOps"}, "b3": {}}
        inventory = document([site("S1")], [dataset(NAME, ("b1", "b2", "b3"))], [replica(NAME, "S1", blocks)])
        rules = "ProtectBlock blockreplica.owner == DataOps\nProtect replica.size == 2 TB\nDismiss\n"
        taken, rest, _ = last_stack(explain(rules, inventory, dataset=NAME, site="S1"))
        assert (taken.blocks, taken.ends_pass) == (("b2",), False)
        assert taken.values[0].value == "1 of 3 blocks meet it (DataOps)"
        assert (rest.blocks, rest.ends_pass) == (("b1", "b3"), True)

    def test_values_are_those_after_earlier_deletions_of_the_cycle(self) -> None:
        rules = "Protect dataset.num_full_disk_copy < 2\nDismiss\n"
        deleted = explain(rules, BOTH, dataset=NAME, site="S1")
        kept = explain(rules, BOTH, dataset=NAME, site="S2")
        assert last_stack(deleted)[0].values[0].value == "2"
        assert last_stack(kept)[0].values[0].value == "1"

    def test_new_owner_of_handed_over_blocks_is_seen(self) -> None:
        blocks = {"b1": {"group": "DataOps"}, "b2": {}, "b3": {}}
        inventory = document([site("S1")], [dataset(NAME, ("b1", "b2", "b3"))], [replica(NAME, "S1", blocks)])
        rules = "DismissBlock blockreplica.owner == DataOps\nProtect blockreplica.owner == AnalysisOps\nDismiss\n"
        found = explain(rules, inventory, dataset=NAME, site="S1")
        assert last_stack(found)[0].values[0].value == "0 of 3 blocks meet it (AnalysisOps)"
        assert {(block.decision, block.new_owner) for block in found.blocks if block.block == "b1"} == {
            ("protect", "AnalysisOps")
        }
        assert any("went over to AnalysisOps" in sentence for sentence in found.planner)

    def test_blocks_decided_at_different_times_have_an_evaluation_each(self) -> None:
        blocks = {"b1": {}, "b2": {"last_update": 1766361600}}
        inventory = document([site("S1")], [dataset(NAME, ("b1", "b2"))], [replica(NAME, "S1", blocks)])
        rules = "ProtectBlock blockreplica.last_update newer_than 60 days ago\nDismiss\n"
        found = explain(rules, inventory, dataset=NAME, site="S1")
        assert [(evaluation.blocks, evaluation.num_deletions) for evaluation in found.evaluations] == [(("b1",), 0), (("b2",), 1)]


class TestPlanner:
    def test_site_that_was_not_triggered(self) -> None:
        found = explain("Dismiss\n", BOTH, dataset=NAME, site="S1", header=WATERMARKS)
        assert found.planner == (
            "Dismissed by the default (Dismiss), but kept: S1 was not triggered (occupancy 0.1000, no When condition held).",
        )

    def test_site_that_reached_its_watermark_before_the_turn_came(self) -> None:
        rules = "Dismiss\nOrder decreasing dataset.usage_rank\n"
        found = explain(rules, full_site(), dataset=NAMES[2], site="S1", header=WATERMARKS)
        assert "\n".join(found.planner) == (
            "Dismissed by the default (Dismiss), but kept: S1 was triggered at occupancy 1.0000, and an Until condition held"
            " at 0.8333 after 1 deletion; by the Order of the policy its turn had not come."
        )

    def test_deletion_in_a_step_says_which_one_it_was(self) -> None:
        found = explain("Dismiss\n", full_site(), dataset=NAMES[1], site="S1")
        assert found.planner == (
            "1 block (1 TB) dismissed by the default (Dismiss) and deleted in step 2: number 2 of the 6 deletions at S1.",
        )

    def test_deletion_by_a_delete_rule_says_that_triggers_do_not_matter(self) -> None:
        found = explain("Delete dataset.name == /A/*\nProtect\n", BOTH, dataset=NAME, site="S1", header=WATERMARKS)
        assert "\n".join(found.planner) == (
            "1 block (1 TB) deleted at once by line 5 (Delete dataset.name == /A/*):"
            " a Delete rule acts at every target site, triggered or not."
        )

    def test_second_copy_that_became_the_last(self) -> None:
        found = explain("Protect dataset.num_full_disk_copy < 2\nDismiss\n", BOTH, dataset=NAME, site="S2")
        assert "\n".join(found.planner) == (
            "At first the default (Dismiss) decided it. It was evaluated 2 times, because copies of the dataset went or changed,"
            " and ended differently.\n"
            "Protected by line 5 (Protect dataset.num_full_disk_copy < 2): no candidate for deletion."
        )

    def test_guardrail_is_named(self) -> None:
        found = explain("Dismiss\n", BOTH, dataset=NAME, site="S1", guardrails=["dataset.name == /A/*"])
        assert "guardrail" in found.planner[0]
        assert found.blocks[0].line == -1

    def test_site_outside_on(self) -> None:
        header = "Partition {partition}\nOn site.name == S2\nWhen always\nUntil never\n"
        found = explain("Dismiss\n", BOTH, dataset=NAME, site="S1", header=header)
        assert found.evaluations == ()
        assert found.planner == ("S1 is no target: it meets no On condition of the policy, so nothing there takes part.",)

    def test_replica_outside_the_partition(self) -> None:
        found = explain("Dismiss\n", BOTH, dataset=NAME, site="S1", partition="D")
        assert (found.evaluations, found.blocks) == ((), ())
        assert found.planner == ("No block of this replica is in the partition, so the policy says nothing about it.",)

    def test_empty_tape_replica_is_explained(self) -> None:
        inventory = document([site("X_MSS", "mss")], [dataset(NAME)], [replica(NAME, "X_MSS", ())])
        found = explain("Protect replica.incomplete\nDismiss\n", inventory, dataset=NAME, site="X_MSS", partition="T")
        assert last_stack(found)[0].outcome is RuleOutcome.TRUE
        assert found.planner == ("Protected by line 5 (Protect replica.incomplete): no candidate for deletion.",)


@pytest.mark.parametrize(
    ("name", "at", "message"),
    [("/X/Y/Z", "S1", "no dataset /X/Y/Z"), (NAME, "S9", "no site S9"), (NAMES[0], "S2", "S2 holds no replica of /A/B/D0")],
)
def test_unknown_replica_is_refused_by_name(name: str, at: str, message: str) -> None:
    inventory = document(
        [site("S1"), site("S2")], [dataset(NAME), dataset(NAMES[0])], [replica(NAME, "S1"), replica(NAMES[0], "S1")]
    )
    with pytest.raises(UnknownReplica, match=message):
        explain("Dismiss\n", inventory, dataset=name, site=at)


def test_sizes_and_times_read_well() -> None:
    assert [bytes_text(size) for size in (0, 999, 1500, 2 * 10**12, 3 * 10**18)] == ["0 B", "999 B", "1.5 kB", "2 TB", "3000 PB"]
    assert time_text(0) == "1970-01-01 00:00:00Z"
    assert time_text(1e18) == "1e+18 s since 1970"
