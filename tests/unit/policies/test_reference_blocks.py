"""Block variables, block rules and handing over, by the reference; numbers are those of the language page."""

from __future__ import annotations

from typing import Any

from tests.factories.inventories import DAY, PARTITIONS, TB, dataset, document, replica, site
from tests.factories.snapshots import NOW
from tests.unit.policies.deciding import decided, run

NAME = "/A/B/C"
RECENT = int(NOW) - 10 * DAY
OLD = int(NOW) - 100 * DAY
TWO = ("b1", "b2")
NEVER = "Partition {partition}\nOn site.name == *\nWhen never\nUntil never\n"


def one_replica(blocks: dict[str, dict[str, Any]], *, locked: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """Return a document with one replica of one dataset at S1."""
    attrs = [{"dataset": NAME, "locked_blocks": {"S1": locked}}] if locked else []
    return document([site("S1")], [dataset(NAME, tuple(blocks))], [replica(NAME, "S1", blocks)], attrs=attrs, **more)


class TestBlockRules:
    def test_rule_that_matches_no_block_leaves_all_to_the_next_03(self) -> None:
        inventory = one_replica({"b1": {"last_update": OLD}, "b2": {"last_update": OLD}})
        result = run("ProtectBlock blockreplica.last_update newer_than 60 days ago\nDismiss\n", inventory)
        assert decided(result) == {("S1", NAME, "delete", 0, "ALL")}

    def test_dismissed_blocks_of_a_triggered_site_go_and_the_rest_stays_06(self) -> None:
        inventory = one_replica({"b1": {"last_update": OLD}, "b2": {"last_update": RECENT}})
        result = run("DismissBlock blockreplica.last_update older_than 60 days ago\nProtect\n", inventory)
        assert decided(result) == {("S1", NAME, "delete", 5, "b1"), ("S1", NAME, "protect", 0, "b2")}

    def test_delete_acts_where_no_site_is_triggered_09(self) -> None:
        result = run("Delete dataset.name == /A/*\nProtect\n", one_replica({"b1": {}}), header=NEVER)
        assert decided(result) == {("S1", NAME, "delete", 5, "ALL")}
        assert result.triggered == ()
        assert [removal.step for removal in result.removals] == [0]

    def test_two_predicates_may_be_met_by_different_blocks_13(self) -> None:
        inventory = one_replica({"b1": {"group": "DataOps", "last_update": OLD}, "b2": {"last_update": RECENT}})
        rules = "Protect blockreplica.owner == DataOps and blockreplica.last_update newer_than 60 days ago\nDismiss\n"
        assert decided(run(rules, inventory)) == {("S1", NAME, "protect", 5, "ALL")}

    def test_candidates_of_no_block_beside_a_protected_block_end_the_cycle_16(self) -> None:
        inventory = one_replica(
            {"b1": {"group": "DataOps", "last_update": OLD}, "b2": {"last_update": RECENT}, "b3": {}}, locked=["b3"]
        )
        rules = (
            "ProtectBlock blockreplica.is_locked\n"
            "DismissBlock blockreplica.owner == DataOps and blockreplica.last_update newer_than 60 days ago\nProtect\n"
        )
        result = run(rules, inventory)
        assert decided(result) == {("S1", NAME, "protect", 0, "b1 b2"), ("S1", NAME, "protect", 5, "b3")}
        assert result.removals == ()

    def test_notin_means_that_some_block_is_not_in_the_list_19(self) -> None:
        mixed = one_replica({"b1": {"group": "DataOps"}, "b2": {}})
        pure = one_replica({"b1": {"group": "DataOps"}, "b2": {"group": "DataOps"}})
        rules = "Protect blockreplica.owner notin [DataOps RelVal]\nDismiss\n"
        assert decided(run(rules, mixed)) == {("S1", NAME, "protect", 5, "ALL")}
        assert decided(run(rules, pure)) == {("S1", NAME, "delete", 0, "ALL")}

    def test_not_before_a_parenthesis_negates_the_whole(self) -> None:
        inventory = one_replica({"b1": {}, "b2": {}}, locked=["b2"])
        some = run("Protect not blockreplica.is_locked\nDismiss\n", inventory)
        none = run("Protect not (blockreplica.is_locked)\nDismiss\n", inventory)
        assert decided(some) == {("S1", NAME, "protect", 5, "ALL")}
        assert decided(none) == {("S1", NAME, "delete", 0, "ALL")}

    def test_block_has_the_one_decision_of_the_last_pass_70(self) -> None:
        sites = [site("S1"), site("S2")]
        inventory = document(sites, [dataset(NAME, TWO)], [replica(NAME, "S1"), replica(NAME, "S2", TWO)])
        rules = "ProtectBlock blockreplica.num_full_disk_copy > 1 and site.name == S2\nDismiss site.name == S1\nProtect\n"
        # First pass: b1 at S2 by line 5, b2 by the default. Then b1 is alone, and the default protects both.
        assert decided(run(rules, inventory)) == {("S1", NAME, "delete", 6, "ALL"), ("S2", NAME, "protect", 0, "ALL")}


class TestHiding:
    def test_hidden_blocks_change_size_and_newest_block_of_their_replica_alone(self) -> None:
        sites = [site("S1"), site("S2")]
        parts = {"b1": {"last_update": RECENT}, "b2": {"last_update": OLD}}
        inventory = document(sites, [dataset(NAME, TWO)], [replica(NAME, "S1", parts), replica(NAME, "S2", parts)])
        rules = (
            "ProtectBlock blockreplica.last_update newer_than 60 days ago and site.name == S1\n"
            "Protect site.name == S1 and replica.size == 1 TB and replica.last_block_created older_than 60 days ago"
            " and dataset.num_full_disk_copy == 1\nDismiss site.name == S2 and dataset.num_full_disk_copy == 2\nProtect\n"
        )
        assert decided(run(rules, inventory, header=NEVER)) == {
            ("S1", NAME, "protect", 5, "b1"),
            ("S1", NAME, "protect", 6, "b2"),
            ("S2", NAME, "keep", 7, "ALL"),
        }

    def test_last_transfer_source_is_protected_until_the_other_copy_is_complete(self) -> None:
        sites = [site("S1"), site("S2")]
        copies = [replica(NAME, "S1"), replica(NAME, "S2", {"b1": {"size": 10, "num_files": 1}})]
        rules = "ProtectBlock blockreplica.is_last_transfer_source\nDismiss\n"
        result = run(rules, document(sites, [dataset(NAME)], copies))
        # S1 goes first by name but is the source; S2 is not complete, so it is none. Once S2 is gone, S1 is no source.
        assert decided(result) == {("S1", NAME, "protect", 5, "ALL"), ("S2", NAME, "delete", 0, "ALL")}


class TestHandingOver:
    def test_example_of_the_language_page_73(self) -> None:
        inventory = one_replica({"b1": {"group": "DataOps"}, "b2": {}, "b3": {"group": "DataOps"}})
        result = run("DeleteBlock blockreplica.owner == DataOps\nProtect\n", inventory)
        assert decided(result) == {("S1", NAME, "protect", 0, "ALL"), ("S1", NAME, "reown AnalysisOps", None, "b1 b3")}
        assert result.removals == ()

    def test_without_a_dataset_level_owner_all_go_76(self) -> None:
        inventory = one_replica({"b1": {"group": "DataOps"}, "b2": {"group": None}})
        result = run("DeleteBlock blockreplica.owner == DataOps\nProtect\n", inventory)
        assert decided(result) == {("S1", NAME, "delete", 5, "b1"), ("S1", NAME, "protect", 0, "b2")}

    def test_block_that_still_matches_after_handing_over_goes_in_the_next_step_79(self) -> None:
        inventory = one_replica({"b1": {"group": "DataOps", "last_update": OLD}, "b2": {"last_update": RECENT}})
        result = run("DismissBlock blockreplica.last_update older_than 60 days ago\nProtect\n", inventory)
        assert decided(result) == {("S1", NAME, "delete", 5, "b1"), ("S1", NAME, "protect", 0, "b2")}
        assert result.num_steps == 2

    def test_block_handed_over_out_of_the_partition_leaves_the_cycle_82(self) -> None:
        partitions = PARTITIONS + f"OLD: blockreplica.last_update older_than @{OLD + 1}\nBOTH: [D, OLD]\n"
        inventory = one_replica({"b1": {"group": "DataOps", "last_update": RECENT}, "b2": {"last_update": OLD}})
        result = run("DeleteBlock blockreplica.owner == DataOps\nProtect\n", inventory, partition="BOTH", partitions=partitions)
        assert decided(result) == {("S1", NAME, "protect", 0, "b2"), ("S1", NAME, "reown AnalysisOps", None, "b1")}
        assert result.bytes_after == {"S1": TB}

    def test_handed_over_by_the_deletion_that_ends_the_pass_stays_without_a_decision(self) -> None:
        inventory = one_replica({"b1": {"group": "DataOps"}, "b2": {}}, locked=["b2"])
        result = run("ProtectBlock blockreplica.is_locked\nDeleteBlock blockreplica.owner == DataOps\nDismiss\n", inventory)
        assert decided(result) == {("S1", NAME, "protect", 5, "b2"), ("S1", NAME, "reown AnalysisOps", None, "b1")}
        assert result.num_passes == 1

    def test_handed_over_beside_a_real_deletion_is_decided_again_at_once(self) -> None:
        inventory = one_replica({"b1": {"group": "DataOps"}, "b2": {}, "b3": {}}, locked=["b3"])
        result = run("ProtectBlock blockreplica.is_locked\nDelete dataset.name == /A/*\nProtect\n", inventory)
        assert decided(result) == {("S1", NAME, "delete", 6, "b1 b2"), ("S1", NAME, "protect", 5, "b3")}
        assert [removal.blocks for removal in result.removals] == [("b2",), ("b1",)]
