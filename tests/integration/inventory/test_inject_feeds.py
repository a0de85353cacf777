"""Which feeds a document carries, who measured them, and when that can have been."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from inventory.exceptions import IngestError
from inventory.models import DatasetFacts, EnforcedReplica, FactFeed
from inventory.services.audit import Actor
from inventory.services.injections import InjectionReport, inject
from tests.factories.inventory import NOW, small_document, write_document

pytestmark = pytest.mark.django_db
THEN = 1764547200


@pytest.fixture
def put(tmp_path: Path) -> Any:
    def inject_documents(*documents: dict[str, Any], **options: Any) -> InjectionReport:
        source = write_document(tmp_path / "document.jsonl", *documents)
        return inject(source=source, actor=Actor("tester"), **({"now": NOW} | options))

    return inject_documents


def facts(meta: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"meta": meta, "attrs": [{"dataset": "/A/B/C"} | fields]}


def measured() -> dict[str, datetime | None]:
    return dict(FactFeed.objects.values_list("name", "measured_at"))


def test_a_document_that_names_its_feeds_leaves_all_others_and_their_facts_alone(put: Any) -> None:
    full = {"usage_rank": 4, "tape_copy_requested": True, "enforcer_protected_replicas": ["T2_US_MIT"]}
    put(small_document(), facts({"now": THEN}, **full))
    before = measured()
    report = put(facts({"now": THEN + 60, "feeds": ["popularity"], "source": "cms-popdb"}, num_access=7))

    row = DatasetFacts.objects.get()
    assert (row.usage_rank, row.num_accesses, row.tape_copy_requested) == (None, 7, True)
    assert EnforcedReplica.objects.count() == 1
    assert report.feeds == ("popularity",)
    assert measured() == before | {"popularity": datetime.fromtimestamp(THEN + 60, tz=UTC)}
    assert FactFeed.objects.get(name="popularity").source == "cms-popdb"


def test_a_popularity_document_on_an_empty_inventory_does_not_make_other_facts_fresh(put: Any) -> None:
    put(small_document(), facts({"now": THEN, "feeds": ["popularity"]}, usage_rank=1))
    assert set(measured()) == {"popularity"}


def test_facts_of_a_feed_that_the_document_does_not_carry_are_refused(put: Any) -> None:
    put(small_document())
    for field, value in (("tape_copy_requested", True), ("enforcer_protected_replicas", ["T2_US_MIT"])):
        report = put(facts({"now": THEN, "feeds": ["popularity"]}, **{field: value}))
        assert not report.is_kept
        assert str(report.rejects[0]).startswith(f"record 1: attrs[0].{field}: found a fact of another feed, expected only facts")


def test_a_bad_record_that_is_mended_later_belongs_to_the_same_feed(put: Any, tmp_path: Path) -> None:
    put(small_document())
    with (tmp_path / "bad.jsonl").open("wb") as bad:
        put(facts({"now": THEN, "feeds": ["popularity"], "source": "x"}, usage_rank=3, on_protected_site=True), bad_records=bad)
    mended = (tmp_path / "bad.jsonl").read_text().replace(', "on_protected_site": true', "")
    (tmp_path / "bad.jsonl").write_text(mended)
    report = inject(source=str(tmp_path / "bad.jsonl"), actor=Actor("tester"), now=NOW)
    assert (report.num_rejects, report.feeds) == (0, ("popularity",))
    assert DatasetFacts.objects.get().usage_rank == 3
    assert set(measured()) == {"popularity"}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([{"meta": {"feeds": ["popular"]}}], r"meta\.feeds: found \"popular\", expected some of popularity, "),
        ([{"meta": {"feeds": "popularity"}}], r"meta\.feeds: found \"popularity\", expected array"),
        ([{"meta": {"feeds": ["popularity"]}}, {"meta": {"feeds": ["enforcer"]}}], r"record 2: meta\.feeds: found \('enforcer'"),
        ([{"attrs": []}, facts({"feeds": ["popularity"]})], None),
        ([small_document(), {"attrs": [{"dataset": "/A/B/C"}]}, {"meta": {"source": ""}}], r"meta\.source: found \"\""),
    ],
)
def test_what_a_document_carries_is_said_once_and_in_known_words(put: Any, lines: list[Any], message: str | None) -> None:
    put(small_document())
    if message is None:
        assert put(*lines).feeds == ("popularity",)
        return
    with pytest.raises(IngestError, match=message):
        put(*lines)
    assert measured() == {}


def test_feeds_named_after_the_first_facts_come_too_late(put: Any) -> None:
    put(small_document())
    with pytest.raises(IngestError, match="said once, in front of its attrs"):
        later = {"dataset": [{"name": "/A/B/C"}]}
        put({"attrs": [{"dataset": "/A/B/C"}]}, later, {"meta": {"feeds": ["popularity"]}}, batch_size=1)


def test_facts_from_the_future_are_refused_but_a_clock_may_be_a_little_ahead(put: Any) -> None:
    put(small_document())
    clock = timezone.now()
    with pytest.raises(IngestError, match="lies in the future; expected the moment at which the facts were measured"):
        put(facts({"now": (clock + timedelta(hours=1)).timestamp()}, usage_rank=1))
    assert measured() == {}
    put(facts({"now": (clock + timedelta(minutes=1)).timestamp()}, usage_rank=1))
    assert DatasetFacts.objects.get().usage_rank == 1


def test_a_last_access_of_0_is_never_and_no_date(put: Any) -> None:
    put(small_document(), facts({"now": THEN}, last_access=0, num_access=0))
    assert DatasetFacts.objects.get().last_access_at is None
    assert put(facts({"now": THEN}, last_access=0, num_access=0)).num_changes == 0
