"""Scope, triggers, steps and safety of a cycle, by the reference; numbers are those of the language page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.factories.inventories import PARTITIONS, TB, dataset, document, replica, site
from tests.golden.harness import RefusedError, parsed_guardrails
from tests.unit.policies.deciding import decided, run

NAME = "/A/B/C"
WATERMARKS = "Partition {partition}\nOn site.name == *\nWhen site.occupancy > 0.9\nUntil site.occupancy < 0.85\n"


def copies(*sites: dict[str, Any], names: Sequence[str] = (NAME,), **more: Any) -> dict[str, Any]:
    """Return a document where every dataset of one block has a copy at each of *sites*."""
    return document(
        sites, [dataset(name) for name in names], [replica(name, at["name"]) for name in names for at in sites], **more
    )


class TestScope:
    def test_block_replicas_outside_the_partition_do_not_count_58(self) -> None:
        inventory = document(
            [site("S1"), site("S2")],
            [dataset(NAME)],
            [replica(NAME, "S1"), replica(NAME, "S2", group="DataOps")],
            partition="A",
        )
        result = run("Protect blockreplica.num_full_disk_copy == 1\nDismiss\n", inventory, partition="A")
        assert decided(result) == {("S1", NAME, "protect", 5, "ALL")}

    def test_sites_outside_on_do_not_count(self) -> None:
        header = "Partition {partition}\nOn site.name == S1\nWhen always\nUntil never\n"
        result = run("Protect dataset.num_full_disk_copy < 2\nDismiss\n", copies(site("S1"), site("S2")), header=header)
        assert decided(result) == {("S1", NAME, "protect", 5, "ALL")}

    def test_negative_quota_of_a_part_is_refused_55(self) -> None:
        inventory = copies(site("S1"), quotas={("S1", "A"): 10 * TB, ("S1", "D"): -1})
        with pytest.raises(RefusedError, match="negative quota"):
            run("Dismiss\n", inventory, partition="AD")

    def test_part_without_a_quota_adds_nothing(self) -> None:
        inventory = copies(site("S1"), quotas={("S1", "A"): 2 * TB})
        assert run("Dismiss\n", inventory, partition="AD").occupancy == {"S1": 0.5}

    def test_copies_at_sites_that_are_not_ready_do_not_count_as_full(self) -> None:
        inventory = copies(site("S1"), site("S2", status="waitroom"))
        result = run("Protect dataset.num_full_disk_copy < 2\nDismiss\n", inventory)
        assert {row["decision"] for row in result.rows} == {"protect"}


class TestEmptyReplicas:
    DOCUMENT = document(
        [site("S1"), site("X_MSS", "mss")],
        [dataset(NAME), dataset("/A/B/NONE", ())],
        [replica(NAME, "S1"), replica(NAME, "X_MSS", ()), replica("/A/B/NONE", "X_MSS", ())],
    )

    def test_empty_replica_at_a_tape_site_takes_part_whatever_the_partition_102(self) -> None:
        assert decided(run("Dismiss\n", self.DOCUMENT)) == {
            ("S1", NAME, "delete", 0, "ALL"),
            ("X_MSS", NAME, "delete", 0, "ALL"),
        }

    @pytest.mark.parametrize(
        ("rule", "takes_it"),
        [
            ("Protect replica.incomplete and replica.size == 0", True),
            ("Protect site.storage_type == MSS and dataset.on_tape == PARTIAL", True),
            ("Protect site.storage_type == MSS and replica.last_block_created older_than @1", True),
            ("Protect site.storage_type == MSS and replica.first_block_created newer_than @4294967294", True),
            ("ProtectBlock site.storage_type == MSS", True),
            ("Protect site.storage_type == MSS and blockreplica.owner == *", False),
            ("Protect site.storage_type == MSS and blockreplica.owner != X", False),
            ("Protect site.storage_type == MSS and not blockreplica.on_tape", False),
        ],
    )
    def test_empty_replica_is_incomplete_and_no_block_predicate_is_true_for_it(self, rule: str, takes_it: bool) -> None:
        rows = decided(run(f"{rule}\nDismiss\n", self.DOCUMENT))
        assert (("X_MSS", NAME, "protect", 5, "ALL") in rows) is takes_it
        assert (("X_MSS", NAME, "delete", 0, "ALL") in rows) is not takes_it

    def test_empty_replica_is_kept_or_ignored_with_no_bytes(self) -> None:
        header = "Partition {partition}\nOn site.name == X_MSS\nWhen never\nUntil never\n"
        assert run("Dismiss\n", self.DOCUMENT, header=header).rows == [
            {"blocks": "ALL", "bytes": 0, "dataset": NAME, "decision": "keep", "line": 0, "site": "X_MSS"}
        ]
        assert decided(run("Ignore\n", self.DOCUMENT, header=header)) == {("X_MSS", NAME, "ignore", 0, "ALL")}


class TestTriggersAndSteps:
    def test_decreasing_order_takes_the_largest_first_43(self) -> None:
        names = ("/A/B/1", "/A/B/2", "/A/B/3")
        attrs = [{"dataset": name, "usage_rank": int(name[-1])} for name in names]
        header = "Partition {partition}\nOn site.name == *\nWhen always\nUntil site.occupancy < 0.25\n"
        result = run(
            "Dismiss\nOrder decreasing dataset.usage_rank\n", copies(site("S1"), names=names, attrs=attrs), header=header
        )
        assert [removal.dataset for removal in result.removals] == ["/A/B/3"]

    def test_unlimited_site_is_triggered_by_status_alone_52(self) -> None:
        header = "Partition {partition}\nOn site.name == *\nWhen site.occupancy > 0.9\nWhen site.status == MORGUE\nUntil never\n"
        inventory = copies(site("S1", status="morgue"), site("S2"), quotas={"S1": -1, "S2": -1})
        result = run("Dismiss\n", inventory, header=header)
        assert decided(result) == {("S1", NAME, "delete", 0, "ALL"), ("S2", NAME, "keep", 0, "ALL")}

    def test_highest_protected_fraction_goes_first_and_may_exceed_one_67(self) -> None:
        # S2 holds two protected TB beside the shared dataset: 2 TB / 1 TB = 2, more than the 1 of a site without a limit.
        inventory = document(
            [site("S1"), site("S2")],
            [dataset(NAME), dataset("/A/B/P", ("b1", "b2"))],
            [replica(NAME, "S1"), replica(NAME, "S2"), replica("/A/B/P", "S2", ("b1", "b2"))],
            quotas={"S1": -1, "S2": TB},
        )
        result = run("Protect dataset.name == */P\nProtect dataset.num_full_disk_copy < 2\nDismiss\n", inventory)
        assert ("S2", NAME, "delete", 0, "ALL") in decided(result)
        assert ("S1", NAME, "protect", 6, "ALL") in decided(result)

    def test_until_overshoots_by_no_more_than_one_unit(self) -> None:
        names = tuple(f"/A/B/{n}" for n in range(10))
        result = run("Dismiss\n", copies(site("S1"), names=names), header=WATERMARKS)
        assert result.bytes_after == {"S1": 8 * TB}
        assert result.released == ("S1",)
        assert [removal.dataset for removal in result.removals] == ["/A/B/0", "/A/B/1"]

    def test_delete_rule_lowers_the_occupancy_but_releases_no_site(self) -> None:
        names = tuple(f"/A/B/{n}" for n in range(10))
        result = run("Delete dataset.name == /A/B/[0-4]*\nDismiss\n", copies(site("S1"), names=names), header=WATERMARKS)
        steps = [(removal.dataset[-1], removal.step) for removal in result.removals]
        assert steps == [("0", 0), ("1", 0), ("2", 0), ("3", 0), ("4", 0), ("5", 1)]

    def test_quota_nought_is_full_even_if_empty(self) -> None:
        result = run("Dismiss\n", copies(site("S1"), quotas={}), header=WATERMARKS)
        assert result.occupancy == {"S1": float("inf")}
        assert decided(result) == {("S1", NAME, "delete", 0, "ALL")}

    def test_handing_over_alone_also_asks_until(self) -> None:
        parts = {"b1": {"group": "DataOps"}, "b2": {}}
        names = ("/A/B/1", "/A/B/2")
        inventory = document(
            [site("S1")], [dataset(name, ("b1", "b2")) for name in names], [replica(name, "S1", parts) for name in names]
        )
        header = "Partition {partition}\nOn site.name == *\nWhen always\nUntil site.occupancy < 0.5\n"
        result = run("DismissBlock blockreplica.owner == DataOps\nProtect\n", inventory, header=header)
        assert decided(result) == {
            ("S1", "/A/B/1", "protect", 0, "ALL"),
            ("S1", "/A/B/1", "reown AnalysisOps", None, "b1"),
            ("S1", "/A/B/2", "keep", 5, "b1"),
            ("S1", "/A/B/2", "protect", 0, "b2"),
        }


class TestIgnore:
    def test_ignored_replica_keeps_what_a_block_rule_protected_before_85(self) -> None:
        inventory = document([site("S1")], [dataset(NAME, ("b1", "b2"))], [replica(NAME, "S1", ("b1", "b2"))])
        inventory["attrs"] = [{"dataset": NAME, "locked_blocks": {"S1": ["b1"]}}]
        result = run("ProtectBlock blockreplica.is_locked\nIgnore site.name == S1\nDismiss\n", inventory)
        assert decided(result) == {("S1", NAME, "protect", 5, "b1"), ("S1", NAME, "ignore", 6, "b2")}

    def test_candidates_before_an_ignore_go_in_the_step_of_their_pass_or_are_kept(self) -> None:
        inventory = copies(site("S1"), site("S2"))
        inventory["dataset"] = [dataset(NAME, ("b1", "b2"))]
        parts = {"b1": {"last_update": 1767000000}, "b2": {}}
        inventory["datasetreplica"] = [replica(NAME, "S1", parts), replica(NAME, "S2", parts)]
        rules = "DismissBlock blockreplica.last_update older_than 60 days ago\nIgnore\n"
        # Only S1 is cleaned in the first step; nobody evaluates S2 again, so what it offered stays.
        assert decided(run(rules, inventory)) == {
            ("S1", NAME, "delete", 5, "b2"),
            ("S1", NAME, "ignore", 0, "b1"),
            ("S2", NAME, "keep", 5, "b2"),
            ("S2", NAME, "ignore", 0, "b1"),
        }


class TestSafety:
    def test_two_copies_that_each_have_another_never_both_go(self) -> None:
        rules = "Delete replica.num_full_other_copy_common_owner > 0\nProtect\n"
        result = run(rules, copies(site("S1"), site("S2"), site("S3")))
        assert [removal.site for removal in result.removals] == ["S1", "S2"]
        assert ("S3", NAME, "protect", 0, "ALL") in decided(result)

    def test_earlier_copy_is_asked_again_after_a_later_one_was_deleted(self) -> None:
        rules = "Delete site.name == S2\nProtect dataset.num_full_disk_copy < 2\nDismiss\n"
        result = run(rules, copies(site("S1"), site("S2")))
        assert decided(result) == {("S1", NAME, "protect", 6, "ALL"), ("S2", NAME, "delete", 5, "ALL")}

    def test_static_step_asks_a_second_copy_again_64(self) -> None:
        rules = "Algo Static\nProtect dataset.num_full_disk_copy < 2\nDismiss\n"
        result = run(rules, copies(site("S1"), site("S2")))
        assert decided(result) == {("S1", NAME, "delete", 0, "ALL"), ("S2", NAME, "protect", 6, "ALL")}

    def test_static_step_has_no_limit_and_keeps_what_comes_after_until(self) -> None:
        names = tuple(f"/A/B/{n}" for n in range(10))
        result = run("Algo Static\nDismiss\n", copies(site("S1"), site("S2"), names=names), header=WATERMARKS)
        assert result.num_steps == 1
        assert result.bytes_after == {"S1": 8 * TB, "S2": 8 * TB}
        assert sum(row["decision"] == "keep" for row in result.rows) == 16


def test_protecting_guardrails_stand_on_top_of_the_stack() -> None:
    texts = ("dataset.name == /X/*", "dataset.name == /A/*")
    result = run("Delete dataset.name == *\nProtect\n", copies(site("S1")), guardrails=parsed_guardrails(texts))
    assert decided(result) == {("S1", NAME, "protect", -2, "ALL")}


def test_unknown_partition_is_refused() -> None:
    assert "NOPE:" not in PARTITIONS
    with pytest.raises(RefusedError, match="NOPE"):
        run("Dismiss\n", copies(site("S1")), partition="NOPE")
