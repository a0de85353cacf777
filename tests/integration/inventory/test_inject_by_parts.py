"""Documents that are kept part by part: stopped anywhere and gone on with, they come to what one go comes to."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from inventory.choices import InjectionState
from inventory.exceptions import IngestError, InvalidTransition
from inventory.models import AuditEvent, Block, BlockReplica, Dataset, DatasetFacts, FactFeed, File, Injection, Lock
from inventory.selectors.snapshot import inventory_standing
from inventory.services import resumable
from inventory.services.audit import Actor
from inventory.services.injections import InjectionReport, inject
from inventory.services.resumable import inject_by_parts, injection_give_up
from policies.services.limits import judge_inventory_age
from tests.factories.inventory import NOW, write_document

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
ACTOR = Actor("tester")
NUM = 8


def lines(*, bad: int | None = None) -> list[dict[str, Any]]:
    """Return a document of several datasets with facts and a lock, a line each; that of number *bad* is wrong."""
    found: list[dict[str, Any]] = [{"meta": {"now": NOW.timestamp()}, "site": [{"name": "S1"}]}]
    for number in range(NUM):
        name = f"/A/{number}/C"
        size = -1 if number == bad else 10
        files = [{"name": f"/store/{number}", "size": size}]
        facts = {"dataset": name, "num_access": number} | ({"locked_blocks": {"S1": None}} if number == 1 else {})
        found.append(
            {
                "dataset": [{"name": name, "blocks": [{"name": "b", "files": files}]}],
                "datasetreplica": [{"dataset": name, "site": "S1", "blockreplicas": [{"block": "b"}]}],
                "attrs": [facts],
            }
        )
    return found


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resumable, "PORTIONS_PER_PART", 2)


class Stop(Exception):
    """What comes from outside: the process has no time to say anything."""


def stopped_after(number: int) -> Callable[[Any], None]:
    left = [number]

    def on_progress(_: Any) -> None:
        left[0] -= 1
        if not left[0]:
            raise Stop

    return on_progress


def put(path: Path, **options: Any) -> InjectionReport:
    return inject_by_parts(source=str(path), actor=ACTOR, batch_size=4, **options)


def content() -> dict[str, Any]:
    """Return all that a document has brought, without keys."""
    return {
        "datasets": list(Dataset.objects.values_list("name", "size_bytes", "num_files", "num_blocks")),
        "blocks": list(Block.objects.values_list("dataset__name", "name", "size_bytes").order_by("dataset__name")),
        "files": list(File.objects.values_list("lfn", "size_bytes").order_by("lfn")),
        "parts": list(BlockReplica.objects.values_list("block__dataset__name", "size_bytes", "last_update").order_by("block_id")),
        "facts": list(DatasetFacts.objects.values_list("dataset__name", "num_accesses").order_by("dataset__name")),
        "locks": list(Lock.objects.values_list("dataset_pattern", "site_pattern", "released_at")),
        "feeds": list(FactFeed.objects.values_list("name", "measured_at", "source")),
    }


@pytest.mark.parametrize("after", [2, 3, 5, 8])
def test_stopped_anywhere_and_gone_on_with_it_comes_to_what_one_go_comes_to(tmp_path: Path, after: int) -> None:
    path = Path(write_document(tmp_path / "document.jsonl", *lines()))
    with pytest.raises(Stop):
        put(path, now=NOW, on_progress=stopped_after(after))
    kept = Injection.objects.get().records_kept
    assert kept < 3 * NUM + 1
    report = put(path, now=NOW + timedelta(days=1) if kept else NOW)
    assert (report.is_kept, report.records_before, report.num_records) == (True, kept, 3 * NUM + 1)
    by_parts = content()
    row = Injection.objects.get()
    assert (row.state, row.num_records, row.records_kept) == (InjectionState.COMPLETED, 3 * NUM + 1, 3 * NUM + 1)
    Dataset.objects.all().delete()
    Lock.objects.all().delete()
    FactFeed.objects.all().delete()
    whole = inject(source=str(path), actor=ACTOR, now=NOW)
    assert by_parts == content()
    assert {name: n for name, n in row.counts.items() if name != "sites"} == {
        name: n for name, n in whole.counts.items() if name != "sites"
    }


def test_the_same_document_again_makes_no_changes(tmp_path: Path) -> None:
    path = Path(write_document(tmp_path / "document.jsonl", *lines()))
    put(path)
    assert put(path).num_changes == 0
    assert list(Injection.objects.values_list("state", flat=True)) == ["COMPLETED"] * 2


def test_nothing_is_deleted_on_account_of_a_document_that_is_there_by_half(tmp_path: Path) -> None:
    path = Path(write_document(tmp_path / "document.jsonl", *lines()))
    inject(source=write_document(tmp_path / "site.jsonl", lines()[0]), actor=ACTOR, now=NOW)
    assert not judge_inventory_age(inventory_standing(), NOW).is_tripped
    with pytest.raises(Stop):
        put(path, now=NOW, on_progress=stopped_after(4))
    half = Injection.objects.order_by("pk").last()
    assert half is not None
    reading = judge_inventory_age(inventory_standing(), NOW)
    assert reading.is_tripped
    assert f"inject --give-up {half.pk}" in reading.text
    with pytest.raises(InvalidTransition, match="running"):
        injection_give_up(injection_id=half.pk, actor=ACTOR, reason="")
    Injection.objects.filter(pk=half.pk).update(state=InjectionState.FAILED)
    call_command("inject", "--give-up", str(half.pk), "--reason", "wrong file")
    assert not judge_inventory_age(inventory_standing(), NOW).is_tripped
    event = AuditEvent.objects.get(action="inventory.injection_give_up")
    assert (event.reason, event.details["records_kept"]) == ("wrong file", half.records_kept)


def test_a_bad_record_ends_the_load_and_a_mended_document_takes_its_place(tmp_path: Path) -> None:
    path = Path(write_document(tmp_path / "document.jsonl", *lines(bad=6)))
    report = put(path, now=NOW)
    assert (report.is_kept, report.num_rejects) == (False, 2)
    assert 0 < report.records_kept < 3 * 6
    assert Dataset.objects.count() < 6
    assert inventory_standing().half_loaded
    write_document(path, *lines())
    assert put(path, now=NOW).is_kept
    assert not inventory_standing().half_loaded
    assert list(Injection.objects.order_by("pk").values_list("state", flat=True)) == ["CANCELLED", "COMPLETED"]


def test_bad_records_that_are_left_out_stand_once_in_their_file_whatever_was_stopped(tmp_path: Path) -> None:
    document = lines(bad=0)
    document[6]["dataset"][0]["status"] = "great"
    path, bad = Path(write_document(tmp_path / "document.jsonl", *document)), tmp_path / "bad.jsonl"
    with pytest.raises(Stop):
        put(path, now=NOW, bad_records=bad, on_progress=stopped_after(4))
    with bad.open("ab") as torn:
        torn.write(b'{"data')
    with pytest.raises(IngestError, match="skips_bad"):
        put(path)
    report = put(path, bad_records=bad)
    assert report.is_kept
    kept = [json.loads(line) for line in bad.read_text().splitlines()]
    assert [next(iter(line)) for line in kept] == ["meta", *["dataset", "datasetreplica"] * 2, "attrs", "attrs"]
    assert report.num_rejects == 6


def test_a_second_process_cannot_go_on_with_what_another_has_gone_on_with(tmp_path: Path) -> None:
    path = Path(write_document(tmp_path / "document.jsonl", *lines()))
    seen = [0]

    def meddle(_: Any) -> None:
        seen[0] += 1
        if seen[0] == 5:
            Injection.objects.update(records_kept=1)

    with pytest.raises(IngestError, match="another process goes on with it"):
        put(path, on_progress=meddle)
