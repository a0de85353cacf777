"""Documents that are kept part by part: stopped anywhere and gone on with, they come to what one go comes to."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.utils import timezone

from inventory.choices import InjectionState
from inventory.exceptions import IngestError, InvalidInput, InvalidTransition
from inventory.models import AuditEvent, Block, BlockReplica, Dataset, DatasetFacts, FactFeed, File, Injection, Lock
from inventory.selectors.snapshot import inventory_standing
from inventory.services import injection_jobs, resumable
from inventory.services.audit import Actor
from inventory.services.injection_jobs import (
    Wishes,
    bad_records_open,
    injection_cancel,
    injection_carry_out,
    injection_receive,
    injection_resume,
)
from inventory.services.injections import InjectionReport, inject, injections_sweep
from inventory.services.resumable import inject_by_parts, injection_give_up
from inventory.services.retention import documents_forget
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


def sent(*documents: dict[str, Any], **wishes: Any) -> Injection:
    body = b"".join(json.dumps(line).encode() + b"\n" for line in documents)
    sender, _ = User.objects.get_or_create(username=ACTOR.name, defaults={"is_superuser": True})
    return injection_receive(stream=BytesIO(body), actor=Actor(ACTOR.name, sender), wishes=Wishes(is_batch=True, **wishes))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(injection_jobs, "inject_by_parts", partial(inject_by_parts, batch_size=4))


def wake(injection: Injection) -> Injection:
    injection_carry_out(injection_id=injection.pk)
    injection.refresh_from_db()
    return injection


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("small_batches")
def test_a_document_that_was_sent_is_gone_on_with_when_its_worker_died(monkeypatch: pytest.MonkeyPatch) -> None:
    injection = sent(*lines())
    assert (injection.state, injection.is_batch) == (InjectionState.QUEUED, True)
    monkeypatch.setattr(injection_jobs, "inject_by_parts", partial(put_stopped, after=5))
    with pytest.raises(Stop):
        injection_carry_out(injection_id=injection.pk)
    kept = Injection.objects.get().records_kept
    assert 0 < kept < 3 * NUM + 1
    later = timezone.now() + timedelta(hours=2)
    assert injections_sweep(now=later) == [injection.pk]
    injection.refresh_from_db()
    assert (injection.state, f"after {kept} records" in injection.error) == (InjectionState.QUEUED, True)
    assert inventory_standing().half_loaded
    event = AuditEvent.objects.get(action="inventory.injection_died")
    assert event.details == {"records_kept": kept, "goes_on": True}
    monkeypatch.setattr(injection_jobs, "inject_by_parts", partial(inject_by_parts, batch_size=4))
    over = wake(injection)
    assert (over.state, over.num_records, over.document, over.error) == (InjectionState.COMPLETED, 3 * NUM + 1, "", "")
    assert not inventory_standing().half_loaded
    assert Dataset.objects.count() == NUM
    assert DatasetFacts.objects.count() == NUM


def put_stopped(*, after: int, **options: Any) -> InjectionReport:
    return inject_by_parts(batch_size=4, on_progress=stopped_after(after), **options)


@pytest.mark.django_db(transaction=True)
def test_a_part_of_which_workers_die_again_and_again_waits_for_a_person(monkeypatch: pytest.MonkeyPatch) -> None:
    injection = sent(*lines())
    monkeypatch.setattr(injection_jobs, "inject_by_parts", partial(put_stopped, after=1))
    states = []
    for hours in range(2, 10, 2):
        with pytest.raises(Stop):
            injection_carry_out(injection_id=injection.pk)
        injections_sweep(now=timezone.now() + timedelta(hours=hours))
        injection.refresh_from_db()
        states.append(injection.state)
    assert states == ["QUEUED"] * 3 + ["FAILED"]


@pytest.mark.usefixtures("small_batches")
def test_what_was_sent_and_stopped_by_a_bad_record_is_resumed_or_given_up(tmp_path: Path) -> None:
    half = wake(sent(*lines(bad=6), name="inventory.jsonl"))
    assert (half.state, half.num_rejects, half.document != "") == (InjectionState.FAILED, 2, True)
    assert f"POST injections/{half.pk}/resume/" in half.error
    documents_forget(before=timezone.now() + timedelta(days=1))
    resumed = wake(injection_resume(injection_id=half.pk, actor=ACTOR))
    assert (resumed.state, resumed.num_rejects, resumed.records_kept) == (InjectionState.FAILED, 2, half.records_kept)
    mended = wake(sent(*lines(), name="inventory.jsonl"))
    assert mended.state == InjectionState.COMPLETED
    # A name that was sent says too little to take the place of what is left half-way.
    assert inventory_standing().half_loaded
    document = half.document
    injection_give_up(injection_id=half.pk, actor=ACTOR, reason="mended")
    assert not inventory_standing().half_loaded
    with pytest.raises(InvalidTransition, match="cancelled"):
        injection_resume(injection_id=half.pk, actor=ACTOR)
    assert Injection.objects.get(pk=half.pk).document == ""
    assert document


@pytest.mark.usefixtures("small_batches")
def test_one_that_waits_half_loaded_and_is_cancelled_stays_half_loaded() -> None:
    half = wake(sent(*lines(bad=6)))
    injection_resume(injection_id=half.pk, actor=ACTOR)
    cancelled = injection_cancel(injection_id=half.pk, actor=ACTOR)
    assert (cancelled.state, cancelled.document != "") == (InjectionState.FAILED, True)
    assert inventory_standing().half_loaded


def test_parts_do_not_go_with_a_dry_run() -> None:
    with pytest.raises(InvalidInput, match="batch does not go with dry_run"):
        sent(*lines(), is_dry_run=True)
    assert not Injection.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("after", [1, 3, 5])
def test_bad_records_of_a_document_that_was_sent_are_left_out_once_whatever_worker_died(
    monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    injection = sent(*lines(bad=1), skips_bad=True)
    monkeypatch.setattr(injection_jobs, "inject_by_parts", partial(put_stopped, after=after))
    with pytest.raises(Stop):
        injection_carry_out(injection_id=injection.pk)
    injection.refresh_from_db()
    assert not injection.has_bad_records
    injections_sweep(now=timezone.now() + timedelta(hours=2))
    monkeypatch.setattr(injection_jobs, "inject_by_parts", partial(inject_by_parts, batch_size=4))
    over = wake(injection)
    assert (over.state, over.num_rejects, over.has_bad_records) == (InjectionState.COMPLETED, 3, True)
    with bad_records_open(over) as packed:
        bad = [json.loads(line) for line in gzip.decompress(packed.read()).splitlines()]
    assert [next(iter(line)) for line in bad] == ["meta", "dataset", "datasetreplica", "attrs"]
    assert Dataset.objects.count() == NUM - 1


@pytest.mark.usefixtures("small_batches")
def test_without_bad_records_no_file_of_them_is_left() -> None:
    over = wake(sent(*lines(), skips_bad=True))
    assert (over.state, over.bad_records) == (InjectionState.COMPLETED, "")
    assert not default_storage.exists(f"injections/bad/{over.pk}.jsonl")


def test_a_file_takes_the_place_of_the_same_file_not_of_one_of_the_same_name_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, document in (("one", lines(bad=6)), ("two", lines())):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        write_document(Path("inventory.jsonl"), *document)
        put(Path("inventory.jsonl"), now=NOW)
    assert list(Injection.objects.order_by("pk").values_list("state", flat=True)) == ["FAILED", "COMPLETED"]
    assert inventory_standing().half_loaded
