"""What an injected document makes of the inventory."""

from __future__ import annotations

import gzip
import json
import lzma
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection

from inventory.exceptions import IngestError
from inventory.models import (
    AuditEvent,
    Block,
    BlockReplica,
    Dataset,
    DatasetFacts,
    DatasetReplica,
    EnforcedReplica,
    FactFeed,
    File,
    Group,
    Injection,
    Lock,
    PresentFile,
    Site,
)
from inventory.selectors.replicas import files_of_block_replicas
from inventory.services.audit import Actor, audit_verify
from inventory.services.injections import InjectionReport, inject
from tests.factories.inventory import NOW, small_document, write_document

pytestmark = pytest.mark.django_db
ACTOR = Actor("tester")


@pytest.fixture
def put(tmp_path: Path) -> Any:
    """Return what injects documents (as JSON lines) and gives the report back."""

    def inject_documents(*documents: dict[str, Any], **options: Any) -> InjectionReport:
        source = write_document(tmp_path / "document.jsonl", *documents)
        return inject(source=source, actor=ACTOR, **({"now": NOW} | options))

    return inject_documents


def contents() -> dict[str, list[tuple[Any, ...]]]:
    """Return every row that an injection may touch, without keys that differ from run to run."""
    return {
        "site": list(Site.objects.order_by("name").values_list("name", "host", "status", "storage_type", "endpoint_url")),
        "dataset": list(
            Dataset.objects.order_by("name").values_list("name", "status", "release", "size_bytes", "num_files", "num_blocks")
        ),
        "block": list(
            Block.objects.order_by("dataset__name", "name").values_list("dataset__name", "name", "size_bytes", "num_files")
        ),
        "file": list(File.objects.order_by("lfn").values_list("block__name", "lfn", "size_bytes", "checksum")),
        "replica": list(
            DatasetReplica.objects.order_by("dataset__name", "site__name").values_list(
                "dataset__name", "site__name", "group__name", "is_growing"
            )
        ),
        "part": list(
            BlockReplica.objects.order_by("block__name", "site__name").values_list(
                "block__name", "site__name", "group__name", "size_bytes", "num_files", "is_custodial", "last_update"
            )
        ),
        "present": list(PresentFile.objects.order_by("file__lfn").values_list("block_replica__site__name", "file__lfn")),
    }


def test_every_section_arrives_with_the_words_of_the_policy_language(put: Any) -> None:
    report = put(small_document())
    assert report.is_kept
    assert report.num_rejects == 0
    assert contents() == {
        "site": [
            ("T2_US_MIT", "se.mit.example", "READY", "DISK", "file:///data/mit"),
            ("T3_US_MIT", "", "READY", "DISK", ""),
        ],
        "dataset": [("/A/B/C", "VALID", "10_6_0_patch1", 100, 2, 1)],
        "block": [("/A/B/C", "b1", 100, 2)],
        "file": [("b1", "/store/a/1.root", 60, "adler32:08a23b1c"), ("b1", "/store/a/2.root", 40, "")],
        "replica": [("/A/B/C", "T2_US_MIT", "AnalysisOps", True)],
        "part": [("b1", "T2_US_MIT", "AnalysisOps", 100, 2, False, datetime(2025, 12, 1, tzinfo=UTC))],
        "present": [],
    }
    assert dict(Group.objects.values_list("name", "ownership_level")) == {"AnalysisOps": "DATASET", "DataOps": "BLOCK"}


def test_the_same_document_again_changes_nothing(put: Any) -> None:
    put(small_document())
    before = contents()
    report = put(small_document())
    assert report.num_changes == 0
    assert contents() == before


def test_sections_of_one_object_may_come_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    document = small_document() | {
        "attrs": [{"dataset": "/A/B/C", "usage_rank": 3, "enforcer_protected_replicas": ["T2_US_MIT"]}]
    }
    path.write_text(json.dumps({name: document[name] for name in sorted(document)}, indent=2))
    report = inject(source=str(path), actor=ACTOR, now=NOW)
    assert report.num_rejects == 0
    assert BlockReplica.objects.count() == 1
    assert EnforcedReplica.objects.count() == 1


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_compressed_documents_are_read_as_they_are(tmp_path: Path, compress: Any) -> None:
    path = tmp_path / "document"
    path.write_bytes(compress(json.dumps(small_document()).encode()))
    assert inject(source=str(path), actor=ACTOR, now=NOW).is_kept
    assert File.objects.count() == 2


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress])
def test_a_cut_off_compressed_document_leaves_nothing(tmp_path: Path, compress: Any) -> None:
    path = tmp_path / "document"
    lines = b"".join(json.dumps(small_document()).encode() + b"\n" for _ in range(50))
    path.write_bytes(compress(lines)[:-20])
    with pytest.raises(IngestError, match="cut off or damaged"):
        inject(source=str(path), actor=ACTOR, now=NOW)
    assert Site.objects.count() == 0
    assert Injection.objects.get().state == "FAILED"


def test_a_cut_off_object_leaves_nothing_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    path.write_text(json.dumps(small_document(), indent=1)[:-40])
    with pytest.raises(IngestError, match="cut off or no JSON, near byte"):
        inject(source=str(path), actor=ACTOR, now=NOW)
    assert Site.objects.count() == 0


def test_only_given_fields_change_what_exists(put: Any) -> None:
    put(small_document())
    report = put({"site": [{"name": "T2_US_MIT", "status": "morgue"}], "dataset": [{"name": "/A/B/C", "status": "invalid"}]})
    assert report.counts == {"sites": {"changed": 1}, "datasets": {"changed": 1}}
    assert contents()["site"][0] == ("T2_US_MIT", "se.mit.example", "MORGUE", "DISK", "file:///data/mit")
    assert contents()["dataset"] == [("/A/B/C", "INVALID", "10_6_0_patch1", 100, 2, 1)]


def test_a_block_that_gains_a_file_leaves_older_replicas_incomplete_with_the_files_they_have(put: Any) -> None:
    put(small_document())
    put({"dataset": [{"name": "/A/B/C", "blocks": [{"name": "b1", "files": [{"name": "/store/a/3.root", "size": 5}]}]}]})
    assert contents()["block"] == [("/A/B/C", "b1", 105, 3)]
    assert contents()["dataset"][0][3:] == (105, 3, 1)
    assert contents()["present"] == [("T2_US_MIT", "/store/a/1.root"), ("T2_US_MIT", "/store/a/2.root")]
    key = BlockReplica.objects.get().pk
    assert [file.lfn for file in files_of_block_replicas([key])[key]] == ["/store/a/1.root", "/store/a/2.root"]

    report = put({"datasetreplica": [{"dataset": "/A/B/C", "site": "T2_US_MIT", "blockreplicas": [{"block": "b1"}]}]})
    assert report.counts["block replicas"]["changed"] == 1
    assert contents()["part"][0][3:5] == (105, 3)
    assert contents()["present"] == []


def test_a_growing_block_and_its_replicas_in_lines_of_one_batch_come_to_the_same(put: Any) -> None:
    put(
        small_document(),
        {"dataset": [{"name": "/A/B/C", "blocks": [{"name": "b1", "files": [{"name": "/store/a/3.root", "size": 5}]}]}]},
    )
    assert contents()["part"][0][3:5] == (100, 2)
    assert [lfn for _, lfn in contents()["present"]] == ["/store/a/1.root", "/store/a/2.root"]


def test_an_incomplete_replica_keeps_exactly_the_files_it_names(put: Any) -> None:
    part = {"block": "b1", "files": ["/store/a/2.root"]}
    replica = {"dataset": "/A/B/C", "site": "T3_US_MIT", "group": None, "blockreplicas": [part]}
    put(small_document(), {"datasetreplica": [replica]})
    assert contents()["part"][1][1:5] == ("T3_US_MIT", None, 40, 1)
    assert contents()["present"] == [("T3_US_MIT", "/store/a/2.root")]
    assert put({"datasetreplica": [replica]}).num_changes == 0

    part["files"] = ["/store/a/1.root"]
    assert put({"datasetreplica": [replica]}).counts["block replicas"] == {"changed": 1, "bytes": 20}
    assert contents()["present"] == [("T3_US_MIT", "/store/a/1.root")]


def test_a_replica_that_counts_its_files_may_have_any_file_of_its_block(put: Any) -> None:
    part = {"block": "b1", "size": 60, "num_files": 1}
    put(small_document(), {"datasetreplica": [{"dataset": "/A/B/C", "site": "T3_US_MIT", "blockreplicas": [part]}]})
    key = BlockReplica.objects.get(site__name="T3_US_MIT").pk
    assert contents()["part"][1][3:5] == (60, 1)
    assert [file.lfn for file in files_of_block_replicas([key])[key]] == ["/store/a/1.root", "/store/a/2.root"]


def test_what_was_recorded_as_present_is_dropped_when_only_a_new_count_is_given(put: Any) -> None:
    replica = {"dataset": "/A/B/C", "site": "T3_US_MIT", "blockreplicas": [{"block": "b1", "files": ["/store/a/2.root"]}]}
    put(small_document(), {"datasetreplica": [replica]})
    replica["blockreplicas"] = [{"block": "b1", "size": 60, "num_files": 1}]
    put({"datasetreplica": [replica]})
    assert contents()["present"] == []


def test_a_block_replica_without_group_has_that_of_the_dataset_replica(put: Any) -> None:
    document = small_document()
    document["dataset"][0]["blocks"].append({"name": "b2", "size": 7, "num_files": 1})
    document["datasetreplica"][0]["blockreplicas"] = [{"block": "b1"}, {"block": "b2", "group": None}]
    put(document)
    assert [(part[0], part[2]) for part in contents()["part"]] == [("b1", "AnalysisOps"), ("b2", None)]
    put(
        {"datasetreplica": [{"dataset": "/A/B/C", "site": "T2_US_MIT", "blockreplicas": [{"block": "b2", "is_custodial": True}]}]}
    )
    assert contents()["part"][1][2:6] == (None, 7, 1, True)


def facts_document(now: float | None, *attrs: dict[str, Any]) -> dict[str, Any]:
    return ({} if now is None else {"meta": {"now": now}}) | {"attrs": list(attrs)}


def test_attrs_are_a_complete_feed_taken_at_meta_now(put: Any) -> None:
    put(small_document() | {"dataset": [*small_document()["dataset"], {"name": "/D/E/F"}]})
    full = {"usage_rank": 1.5, "num_access": 3, "last_access": 1764547200, "latest_production_release": True}
    put(facts_document(1764547200, {"dataset": "/A/B/C", **full}, {"dataset": "/D/E/F", "demand_rank": 2}))
    first = DatasetFacts.objects.get(dataset__name="/A/B/C")
    assert (first.usage_rank, first.num_accesses, first.is_latest_production_release) == (1.5, 3, True)
    assert first.last_access_at == datetime(2025, 12, 1, tzinfo=UTC)
    assert first.tape_copy_requested is None
    assert set(FactFeed.objects.values_list("measured_at", flat=True)) == {datetime(2025, 12, 1, tzinfo=UTC)}
    assert FactFeed.objects.count() == 7

    put(facts_document(1764547200 + 60, {"dataset": "/D/E/F", "demand_rank": 3}))
    first.refresh_from_db()
    assert (first.usage_rank, first.num_accesses, first.last_access_at) == (None, None, None)
    assert DatasetFacts.objects.get(dataset__name="/D/E/F").demand_rank == 3


def test_documents_of_one_moment_add_to_one_feed(put: Any) -> None:
    put(small_document() | {"dataset": [*small_document()["dataset"], {"name": "/D/E/F"}]})
    put(facts_document(1764547200, {"dataset": "/A/B/C", "usage_rank": 1}))
    put(facts_document(1764547200, {"dataset": "/D/E/F", "usage_rank": 2}))
    assert sorted(DatasetFacts.objects.values_list("usage_rank", flat=True)) == [1, 2]


def test_an_older_feed_changes_no_fact_and_moves_no_feed_back(put: Any) -> None:
    put(small_document(), facts_document(1764547200, {"dataset": "/A/B/C", "usage_rank": 1}))
    report = put(facts_document(1764547100, {"dataset": "/A/B/C", "usage_rank": 9}))
    assert DatasetFacts.objects.get().usage_rank == 1
    assert FactFeed.objects.get(name="popularity").measured_at == datetime(2025, 12, 1, tzinfo=UTC)
    assert "popularity" in report.older_feeds


def test_an_empty_attrs_section_is_a_feed_and_none_is_none(put: Any) -> None:
    put(small_document())
    assert FactFeed.objects.filter(measured_at__isnull=False).count() == 0
    put({"attrs": []}, now=NOW + timedelta(hours=1))
    assert set(FactFeed.objects.values_list("measured_at", flat=True)) == {NOW + timedelta(hours=1)}


def test_injected_locks_replace_those_of_their_dataset_alone(put: Any) -> None:
    put(small_document() | {"dataset": [*small_document()["dataset"], {"name": "/D/E/F"}]})
    Lock.objects.create(dataset_pattern="/A/B/C", owner="somebody")
    locks = {"T2_US_MIT": ["b1"], "T3_US_MIT": None}
    put(
        facts_document(
            None, {"dataset": "/A/B/C", "locked_blocks": locks}, {"dataset": "/D/E/F", "locked_blocks": {"T2_US_MIT": None}}
        )
    )
    put(facts_document(None, {"dataset": "/A/B/C", "locked_blocks": {"T3_US_MIT": None}}))
    held = Lock.objects.filter(released_at__isnull=True).order_by("pk")
    assert list(held.values_list("dataset_pattern", "block_pattern", "site_pattern", "source")) == [
        ("/A/B/C", "*", "*", "manual"),
        ("/A/B/C", "*", "T3_US_MIT", "inject"),
        ("/D/E/F", "*", "T2_US_MIT", "inject"),
    ]
    put(facts_document(None, {"dataset": "/A/B/C", "usage_rank": 1}))
    assert held.count() == 3


def test_enforced_replicas_follow_the_newest_feed(put: Any) -> None:
    put(small_document(), facts_document(1764547200, {"dataset": "/A/B/C", "enforcer_protected_replicas": ["T2_US_MIT"]}))
    assert EnforcedReplica.objects.count() == 1
    put(facts_document(1764547300, {"dataset": "/A/B/C"}))
    assert EnforcedReplica.objects.count() == 0


def test_a_dry_run_reports_the_changes_and_makes_none(put: Any) -> None:
    report = put(small_document(), dry_run=True)
    assert (report.is_kept, report.num_changes) == (False, 10)
    assert Site.objects.count() == Injection.objects.count() == AuditEvent.objects.count() == 0


def test_one_bad_record_takes_the_whole_file_back(put: Any) -> None:
    report = put(small_document(), {"dataset": [{"name": "/X/Y/Z", "status": "great"}]})
    assert not report.is_kept
    assert Site.objects.count() == 0
    injection = Injection.objects.get()
    assert (injection.state, injection.num_rejects, injection.rejects[0]["path"]) == ("FAILED", 1, "dataset[0].status")
    assert AuditEvent.objects.count() == 0


def test_skipped_records_can_be_mended_and_injected(put: Any, tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    replica = {"dataset": "/X/Y/Z", "site": "T2_US_MIT"}
    documents = (small_document(), {"dataset": [{"name": "/X/Y/Z", "status": "great"}], "datasetreplica": [replica]})
    with bad.open("wb") as handle:
        report = put(*documents, bad_records=handle)
    assert report.is_kept
    assert report.num_rejects == 2
    assert report.rejects[1].help == "its own record, number 2, was rejected"
    assert Dataset.objects.get().name == "/A/B/C"
    bad.write_text(bad.read_text().replace("great", "valid"))
    assert inject(source=str(bad), actor=ACTOR, now=NOW).num_rejects == 0
    assert DatasetReplica.objects.filter(dataset__name="/X/Y/Z").count() == 1


def test_an_injection_leaves_one_event_in_a_whole_audit_trail(put: Any) -> None:
    put(small_document())
    event = AuditEvent.objects.get()
    assert (event.action, event.actor, event.details["counts"]["files"]) == ("inventory.inject", "tester", {"created": 2})
    assert audit_verify() is None


def test_batch_size_makes_no_difference(put: Any) -> None:
    documents = (
        small_document(),
        facts_document(None, {"dataset": "/A/B/C", "usage_rank": 1, "locked_blocks": {"T2_US_MIT": None}}),
    )
    put(*documents, batch_size=1)
    assert put(*documents, batch_size=20_000).num_changes == 0


def test_a_replica_before_its_dataset_is_rejected_whatever_the_batch(put: Any) -> None:
    document = small_document()
    late = {"dataset": document.pop("dataset")}
    for batch_size in (1, 20_000):
        report = put(document, late, batch_size=batch_size)
        assert [reject.path for reject in report.rejects] == ["datasetreplica[0].dataset"]


@pytest.mark.django_db(transaction=True)
def test_a_database_that_fails_half_way_keeps_nothing(put: Any) -> None:
    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        is_write = sql.startswith("INSERT") or "nextval" in sql
        if is_write and "inventory_blockreplica" in f"{sql} {params}":
            raise DatabaseError("no space left on device")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse), pytest.raises(IngestError, match="no space left on device; nothing of the document"):
        put(small_document())
    assert Site.objects.count() == 0
    injection = Injection.objects.get()
    assert injection.state == "FAILED"
    assert "no space left" in injection.error
    assert put(small_document()).is_kept


@pytest.mark.shared_data
def test_the_shared_inventory_arrives_whole_and_again_changes_nothing(shared_data: Path) -> None:
    source = str(shared_data / "inventory" / "cms2000.jsonl.xz")
    first = inject(source=source, actor=ACTOR, now=NOW)
    counts = {name: what["created"] for name, what in first.counts.items()}
    assert (counts["sites"], counts["datasets"], counts["block replicas"]) == (64, 2000, 48002)
    assert first.num_rejects == 0
    totals = [0, 0, 0]
    with lzma.open(source) as lines:
        for line in lines:
            for dataset in json.loads(line).get("dataset", ()):
                for block in dataset["blocks"]:
                    totals = [totals[0] + block["size"], totals[1] + block["num_files"], totals[2] + 1]
    rows = Dataset.objects.values_list("size_bytes", "num_files", "num_blocks")
    assert [sum(column) for column in zip(*rows, strict=True)] == totals
    again = inject(source=source, actor=ACTOR, now=NOW)
    assert again.num_changes == 0
    assert again.counts["block replicas"] == {"unchanged": 48002}
