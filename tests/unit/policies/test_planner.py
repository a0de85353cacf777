"""What the engine adds to the rows: order and steps of the plan, sums per site, guardrails, progress, errors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from policies.evaluation.inventory_arrays import MissingColumn, UnsortedSnapshot
from policies.planning.outcome import Decision
from policies.planning.planner import plan_cycle
from tests.factories.inventories import TB, dataset, document, replica, site
from tests.factories.snapshots import NOW
from tests.unit.policies.planning import WATERMARKS, plan

NAME = "/A/B/C"
NAMES = tuple(f"/A/B/D{number}" for number in range(6))


def full_site(*, quota: int = 6 * TB) -> dict[str, object]:
    """Return six datasets of 1 TB at S1, with ranks 0 to 5."""
    attrs = [{"dataset": name, "usage_rank": rank} for rank, name in enumerate(NAMES)]
    return document(
        [site("S1")],
        [dataset(name) for name in NAMES],
        [replica(name, "S1") for name in NAMES],
        quotas={"S1": quota},
        attrs=attrs,
    )


class TestSteps:
    def test_deletions_follow_the_order_of_the_policy(self) -> None:
        planned = plan("Dismiss\nOrder decreasing dataset.usage_rank\n", full_site(), limit=1.0)
        assert planned.deletions() == [(1, "S1", name) for name in reversed(NAMES)]

    def test_a_step_ends_once_more_than_its_limit_is_deleted(self) -> None:
        planned = plan("Dismiss\n", full_site(), limit=0.2)
        assert [step for step, _, _ in planned.deletions()] == [1, 1, 2, 2, 3, 3]

    def test_site_is_released_below_its_low_watermark_and_the_sums_say_so(self) -> None:
        planned = plan("Dismiss\n", full_site(quota=5 * TB), header=WATERMARKS)
        (at,) = planned.outcome.target_sites
        assert (at.bytes_before, at.bytes_after, at.num_deletions) == (6 * TB, 4 * TB, 2)
        assert (at.is_triggered, at.is_released, at.protected_bytes) == (True, True, 0)

    def test_protected_bytes_count_each_block_once(self) -> None:
        planned = plan("Protect dataset.usage_rank < 2\nDismiss\n", full_site())
        assert planned.outcome.target_sites[0].protected_bytes == 2 * TB

    def test_a_site_that_is_no_target_has_no_outcome(self) -> None:
        both = document([site("S1"), site("S2")], [dataset(NAME)], [replica(NAME, "S1"), replica(NAME, "S2")])
        planned = plan("Dismiss\n", both, header="Partition {partition}\nOn site.name == S2\nWhen always\nUntil never\n")
        assert [planned.snapshot.sites["name"][at.site] for at in planned.outcome.target_sites] == ["S2"]
        assert planned.deletions() == [(1, "S2", NAME)]


class TestDeleteRules:
    COPIES = document(
        [site(f"S{number}") for number in range(4)],
        [dataset(NAME), dataset("/A/B/E")],
        [replica(name, f"S{number}") for name in (NAME, "/A/B/E") for number in range(4)],
    )

    def test_deletions_of_one_round_are_ordered_by_site_and_dataset(self) -> None:
        planned = plan("Delete dataset.num_full_disk_copy > 2\nProtect\n", self.COPIES)
        assert planned.deletions() == [(0, "S0", NAME), (0, "S0", "/A/B/E"), (0, "S1", NAME), (0, "S1", "/A/B/E")]

    def test_replicas_evaluated_before_a_deletion_are_evaluated_again_in_the_same_pass(self) -> None:
        rules = "Dismiss site.name == S0 and dataset.num_full_disk_copy > 3\nDelete site.name == S1\nProtect\n"
        planned = plan(rules, self.COPIES)
        assert ("S0", NAME, "protect", 0, "ALL") in planned.decided()
        assert [entry[1] for entry in planned.deletions()] == ["S1", "S1"]


class TestAlgoStatic:
    def test_second_copy_sees_the_first_one_gone(self) -> None:
        both = document([site("S1"), site("S2")], [dataset(NAME)], [replica(NAME, "S1"), replica(NAME, "S2")])
        planned = plan("Protect dataset.num_full_disk_copy < 2\nDismiss\nAlgo Static\n", both)
        assert planned.decided() == {("S1", NAME, "delete", 0, "ALL"), ("S2", NAME, "protect", 5, "ALL")}
        assert planned.outcome.num_steps == 1

    def test_units_of_all_sites_go_in_one_order_without_limit(self) -> None:
        names = ("/A/B/C", "/A/B/D")
        inventory = document(
            [site("S1"), site("S2")],
            [dataset(name) for name in names],
            [replica("/A/B/C", "S2"), replica("/A/B/D", "S1")],
            attrs=[{"dataset": "/A/B/C", "usage_rank": 2}, {"dataset": "/A/B/D", "usage_rank": 1}],
        )
        planned = plan("Dismiss\nOrder decreasing dataset.usage_rank\nAlgo Static\n", inventory, limit=0.0)
        assert planned.deletions() == [(1, "S2", "/A/B/C"), (1, "S1", "/A/B/D")]


class TestIgnoredCandidates:
    RULES = "DismissBlock blockreplica.owner == DataOps\nIgnore\n"

    def test_blocks_dismissed_before_an_ignore_rule_go_in_the_step_of_their_pass(self) -> None:
        blocks = {"b1": {"group": "DataOps"}, "b2": {"group": "local"}}
        inventory = document([site("S1")], [dataset(NAME, ("b1", "b2"))], [replica(NAME, "S1", blocks)])
        inventory["group"].append({"name": "local", "olevel": "Block"})
        planned = plan(self.RULES, inventory)
        assert planned.decided() == {("S1", NAME, "delete", 5, "b1"), ("S1", NAME, "ignore", 0, "b2")}

    def test_what_the_step_does_not_reach_is_kept(self) -> None:
        names = ("/A/B/C", "/A/B/D")
        blocks = {"b1": {"group": "DataOps"}, "b2": {"group": "local"}}
        inventory = document(
            [site("S1")], [dataset(name, ("b1", "b2")) for name in names], [replica(name, "S1", blocks) for name in names]
        )
        inventory["group"].append({"name": "local", "olevel": "Block"})
        planned = plan(self.RULES, inventory, limit=0.0)
        assert planned.deletions() == [(1, "S1", "/A/B/C")]
        assert ("S1", "/A/B/D", "keep", 5, "b1") in planned.decided()


class TestGuardrails:
    def test_protecting_guardrail_acts_on_top_with_a_negative_line(self) -> None:
        planned = plan("Delete\n", full_site(), guardrails=["dataset.name == /A/B/D0", "dataset.name == /A/B/D1"])
        kept = {row for row in planned.decided() if row[2] == "protect"}
        assert kept == {("S1", "/A/B/D0", "protect", -1, "ALL"), ("S1", "/A/B/D1", "protect", -2, "ALL")}
        assert len(planned.deletions()) == 4

    def test_guardrail_sees_the_state_that_earlier_deletions_left(self) -> None:
        both = document([site("S1"), site("S2")], [dataset(NAME)], [replica(NAME, "S1"), replica(NAME, "S2")])
        planned = plan("Delete\n", both, guardrails=["dataset.num_full_disk_copy == 1"])
        assert planned.decided() == {("S1", NAME, "delete", 0, "ALL"), ("S2", NAME, "protect", -1, "ALL")}


class TestHandingOver:
    def test_block_whose_new_owner_is_outside_the_partition_leaves_the_cycle_82(self) -> None:
        partitions = (
            "P: blockreplica.owner in [DataOps RelVal] or blockreplica.owner == AnalysisOps and blockreplica.last_update == @1\n"
        )
        blocks = {"b1": {"group": "DataOps"}, "b2": {"group": "AnalysisOps", "last_update": 1}}
        inventory = document([site("S1")], [dataset(NAME, ("b1", "b2"))], [replica(NAME, "S1", blocks)])
        planned = plan("DeleteBlock blockreplica.owner == DataOps\nProtect\n", inventory, partitions=partitions)
        assert planned.decided() == {("S1", NAME, "protect", 0, "b2"), ("S1", NAME, "reown AnalysisOps", None, "b1")}
        (at,) = planned.outcome.target_sites
        assert (at.bytes_after, at.num_deletions) == (TB, 0)
        assert planned.outcome.decision.tolist() == [Decision.OUTSIDE, Decision.PROTECT]


class TestManyGroups:
    def test_common_owner_is_found_among_more_groups_than_bits_of_a_word(self) -> None:
        groups = [f"g{number:03}" for number in range(150)]
        inventory = document(
            [site("S1"), site("S2"), site("S3")],
            [dataset(NAME, ("b1", "b2"))],
            [
                replica(NAME, "S1", {"b1": {"group": "g000"}, "b2": {"group": "g149"}}),
                replica(NAME, "S2", {"b1": {"group": "g149"}, "b2": {"group": "g130"}}),
                replica(NAME, "S3", {"b1": {"group": "g085"}, "b2": {"group": None}}),
            ],
        )
        inventory["group"] = [{"name": name, "olevel": "Block"} for name in groups]
        planned = plan("Protect replica.num_full_other_copy_common_owner == 1\nDismiss\n", inventory, header=WATERMARKS)
        assert {(row[0], row[2]) for row in planned.decided()} == {("S1", "protect"), ("S2", "protect"), ("S3", "keep")}


def test_progress_is_told_from_reading_to_the_end() -> None:
    planned = plan("Dismiss\n", full_site())
    told: list[tuple[str, float]] = []
    plan_cycle(
        planned.policy, planned.membership, planned.snapshot, now=NOW, progress=lambda what, share: told.append((what, share))
    )
    assert [what for what, _ in told[:2]] == ["reading", "evaluating"]
    assert told[-1] == ("planning", 1.0)
    assert all(0 <= share <= 1 for _, share in told)


def test_a_fact_that_was_not_loaded_is_an_error_and_not_a_default() -> None:
    planned = plan("Dismiss dataset.usage_rank > 3\nProtect\n", full_site())
    bare = replace(planned.snapshot, datasets=planned.snapshot.datasets.drop("usage_rank"))
    with pytest.raises(MissingColumn, match=r"dataset\.usage_rank"):
        plan_cycle(planned.policy, planned.membership, bare, now=NOW)


@pytest.mark.parametrize("limit", [-0.01, float("nan")])
def test_step_limit_that_would_never_end_a_cycle_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match="deletion_per_iteration"):
        plan("Dismiss\n", full_site(), limit=limit)


@pytest.mark.parametrize("frame", ["sites", "datasets", "blocks", "replicas", "block_replicas"])
def test_snapshot_out_of_order_is_refused(frame: str) -> None:
    both = document(
        [site("S1"), site("S2")], [dataset(name) for name in NAMES[:2]], [replica(NAMES[0], "S1"), replica(NAMES[1], "S2")]
    )
    planned = plan("Dismiss\n", both)
    turned = replace(planned.snapshot, **{frame: getattr(planned.snapshot, frame).reverse()})
    with pytest.raises(UnsortedSnapshot, match=frame.replace("_", " ")):
        plan_cycle(planned.policy, planned.membership, turned, now=NOW)


class TestDocumentedExample:
    """The policy of the documentation: a Tier-3 that holds copies of what the Tier-2 has, and one last copy."""

    HEADER = (
        "Partition MyCache\nOn site.name in [ T2_US_MIT T3_US_MIT ]\nWhen site occupancy > 0.9\nUntil site.occupancy < 0.85\n"
    )
    RULES = (
        "Protect replica.last_block_created newer_than 1 day ago\n"
        "Dismiss\n"
        "Order decreasing dataset.usage_rank increasing replica.size\n"
    )

    def test_unpopular_copies_go_until_the_site_is_clean_and_the_last_copy_stays(self) -> None:
        names = [f"/SingleMuon/Run2017{letter}-31Mar2018-v1/MINIAOD" for letter in "ABCDEFGHIJ"]
        last, fresh, *rest = names
        sites = [site("T2_US_MIT"), site("T3_US_MIT")]
        at_tier3 = [replica(name, "T3_US_MIT", {"b1": {"last_update": NOW - 60} if name == fresh else {}}) for name in names]
        inventory = document(
            sites,
            [dataset(name) for name in names],
            [*at_tier3, *(replica(name, "T2_US_MIT") for name in names if name != last)],
            quotas={"T2_US_MIT": 100 * TB, "T3_US_MIT": 10_500_000_000_000},
            attrs=[{"dataset": name, "usage_rank": 100 - number} for number, name in enumerate(names)],
            partition="MyCache",
        )
        planned = plan(
            self.RULES,
            inventory,
            partition="MyCache",
            partitions="MyCache: site.name in [ T2_US_MIT T3_US_MIT ]\n",
            header=self.HEADER,
            guardrails=["dataset.num_full_disk_copy < 2"],
        )
        assert [(at, name) for _, at, name in planned.deletions()] == [("T3_US_MIT", rest[0]), ("T3_US_MIT", rest[1])]
        kept = planned.decided()
        assert {("T3_US_MIT", last, "protect", -1, "ALL"), ("T3_US_MIT", fresh, "protect", 5, "ALL")} < kept
        assert planned.outcome.target_sites[1].bytes_after == 8 * TB


def test_empty_inventory_gives_an_empty_plan() -> None:
    planned = plan("Dismiss\n", document([site("S1")], [], []))
    assert (planned.decided(), planned.deletions(), planned.outcome.num_passes) == (set(), [], 1)


def test_bytes_beyond_what_a_float_holds_are_summed_exactly() -> None:
    huge = 2**60 + 1
    inventory = document(
        [site("S1")],
        [dataset(name, size=huge) for name in NAMES[:3]],
        [replica(name, "S1") for name in NAMES[:3]],
        quotas={"S1": 3 * huge},
    )
    planned = plan("Protect dataset.name == /A/B/D0\nDismiss\n", inventory)
    (at,) = planned.outcome.target_sites
    assert (at.bytes_before, at.bytes_after, at.protected_bytes) == (3 * huge, huge, huge)
