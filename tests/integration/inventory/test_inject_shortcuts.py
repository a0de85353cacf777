"""What makes injections fast must not be seen: names that are not looked up, records that are passed by."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from inventory.ingest.batch import Batch
from inventory.ingest.documents import open_document
from inventory.ingest.loader import Loader, known_sections
from inventory.models import Block, BlockReplica, Dataset, DatasetReplica, File
from inventory.services.audit import Actor
from inventory.services.injections import InjectionReport, inject
from tests.factories.inventory import NOW, small_document, write_document

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]

Edit = Callable[[dict[str, Any]], object]


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., InjectionReport]:
    """Return what injects documents after the first, sites and groups: only those may be passed by."""

    def inject_documents(*documents: dict[str, Any]) -> InjectionReport:
        without = [{name: part for name, part in one.items() if name not in {"site", "group"}} for one in documents]
        return inject(source=write_document(tmp_path / "document.jsonl", *without), actor=Actor("tester"), now=NOW)

    inject(source=write_document(tmp_path / "places.jsonl", places()), actor=Actor("tester"), now=NOW)
    return inject_documents


def places() -> dict[str, Any]:
    return {name: small_document()[name] for name in ("site", "group")}


def rows() -> list[Any]:
    return [list(model.objects.order_by("pk").values_list()) for model in (Dataset, Block, File, DatasetReplica, BlockReplica)]


def test_a_repeated_document_is_passed_by_without_building_its_rows(put: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    put(small_document())
    before = rows()
    loaded: list[int] = []
    load = Batch.load
    monkeypatch.setattr(
        Batch, "load", lambda self, records, known=None: (loaded.append(len(records)), load(self, records, known))
    )
    report = put(small_document())
    assert loaded == []
    assert (report.num_changes, rows()) == (0, before)
    unchanged = {name: counts["unchanged"] for name, counts in report.counts.items()}
    assert unchanged == {"datasets": 1, "blocks": 1, "files": 2, "dataset replicas": 1, "block replicas": 1}


def dataset(document: dict[str, Any]) -> dict[str, Any]:
    return document["dataset"][0]


def replica(document: dict[str, Any]) -> dict[str, Any]:
    return document["datasetreplica"][0]


CHANGES: dict[str, Edit] = {
    "status": lambda d: dataset(d).update(status="invalid"),
    "data type": lambda d: dataset(d).update(data_type="test"),
    "open": lambda d: dataset(d).update(is_open=True),
    "dataset time": lambda d: dataset(d).update(last_update=5),
    "release": lambda d: dataset(d).update(software_version=[10, 6, 1, ""]),
    "attributes": lambda d: dataset(d).update(attributes={"era": "B"}),
    "another block": lambda d: dataset(d)["blocks"].append({"name": "b2", "size": 1, "num_files": 1}),
    "block time": lambda d: dataset(d)["blocks"][0].update(last_update=5),
    "block open": lambda d: dataset(d)["blocks"][0].update(is_open=True),
    "another file": lambda d: dataset(d)["blocks"][0]["files"].append({"name": "/store/a/3.root", "size": 1}),
    "checksum": lambda d: dataset(d)["blocks"][0]["files"][1].update(adler32="1"),
    "group": lambda d: replica(d).update(group="DataOps"),
    "nobody": lambda d: replica(d).update(group=None),
    "growing": lambda d: replica(d).update(growing=False),
    "another site": lambda d: replica(d).update(site="T3_US_MIT"),
    "custodial": lambda d: replica(d)["blockreplicas"][0].update(is_custodial=True),
    "replica time": lambda d: replica(d)["blockreplicas"][0].update(last_update=5),
    "part of the files": lambda d: replica(d)["blockreplicas"][0].update(files=["/store/a/1.root"]),
    "less bytes": lambda d: replica(d)["blockreplicas"][0].update(size=60, num_files=1),
}


@pytest.mark.parametrize("edit", CHANGES.values(), ids=CHANGES)
def test_a_document_that_differs_in_one_value_is_taken(put: Any, edit: Edit) -> None:
    put(small_document())
    before = rows()
    changed = copy.deepcopy(small_document())
    edit(changed)
    report = put(changed)
    assert report.num_rejects == 0
    assert report.num_changes > 0
    assert rows() != before
    after = rows()
    assert put(changed).num_changes == 0
    assert rows() == after


WRONG: dict[str, tuple[Edit, str]] = {
    "size of a file": (lambda d: dataset(d)["blocks"][0]["files"][0].update(size=61), "dataset[0].blocks[0].files[0].size"),
    "sum": (lambda d: dataset(d)["blocks"][0].update(size=99), "dataset[0].blocks[0].size"),
    "block twice": (lambda d: dataset(d)["blocks"].append(dataset(d)["blocks"][0]), "dataset[0].blocks[1].name"),
    "two checksums": (
        lambda d: dataset(d)["blocks"][0]["files"][0].update(checksum="adler32:1"),
        "dataset[0].blocks[0].files[0].adler32",
    ),
    "replica twice": (
        lambda d: replica(d)["blockreplicas"].append(replica(d)["blockreplicas"][0]),
        "datasetreplica[0].blockreplicas[1].block",
    ),
    "unknown site": (lambda d: replica(d).update(site="T9"), "datasetreplica[0].site"),
    "unknown group": (lambda d: replica(d).update(group="X"), "datasetreplica[0].group"),
    "half a sum": (lambda d: replica(d)["blockreplicas"][0].update(size=100), "datasetreplica[0].blockreplicas[0].num_files"),
}


@pytest.mark.parametrize(("edit", "path"), WRONG.values(), ids=WRONG)
def test_a_repeated_document_that_is_wrong_is_refused_as_a_first_one_is(put: Any, edit: Edit, path: str) -> None:
    put(small_document())
    wrong = copy.deepcopy(small_document())
    edit(wrong)
    report = put(wrong)
    assert not report.is_kept
    assert report.rejects[0].path == path


def test_a_file_of_another_dataset_is_refused_although_names_of_new_files_are_not_looked_up(put: Any) -> None:
    put(small_document())
    stolen = {"name": "/D/E/F", "blocks": [{"name": "d1", "files": [{"name": "/store/a/1.root", "size": 60}]}]}
    good = {"name": "/G/H/I", "blocks": [{"name": "g1", "files": [{"name": "/store/g/1.root", "size": 1}]}]}
    report = put({"dataset": [good, stolen]})
    assert (report.is_kept, report.num_rejects) == (False, 1)
    assert str(report.rejects[0]) == (
        'record 1: dataset[1].blocks[0].files[0].name: found "/store/a/1.root", expected a file of this block; '
        "it is a file of another block already"
    )
    assert report.counts["datasets"] == {"created": 1}
    assert File.objects.count() == 2


def test_portions_of_a_document_with_a_dataset_on_each_line_share_no_dataset(tmp_path: Path) -> None:
    """Those that do wait for one another: the database would be idle while rows are made up, and the other way round."""
    lines = [
        {
            "dataset": [{"name": f"/A/{number}/C", "blocks": [{"name": "b"}]}],
            "datasetreplica": [{"dataset": f"/A/{number}/C", "site": site, "blockreplicas": [{"block": "b"}]} for site in "ST"],
            "attrs": [{"dataset": f"/A/{number}/C", "num_access": 1}],
        }
        for number in range(20)
    ]
    loader = Loader(source="document", now=NOW, clock=NOW, batch_size=10, lacks=lambda *_: "")
    source = write_document(tmp_path / "document.jsonl", *lines)
    with open_document(source, known_sections=known_sections()) as reader:
        portions = list(loader.portions(reader))
    assert len(portions) == 10
    assert [portion.end for portion in portions] == [8 * number for number in range(1, 11)]
    assert all(one.names.isdisjoint(other.names) for one, other in pairwise(portions))


def test_a_portion_does_not_wait_for_the_end_of_a_dataset_without_end(tmp_path: Path) -> None:
    parts = [{"block": "b"}]
    replicas = [{"dataset": "/A/B/C", "site": f"S{number}", "blockreplicas": parts} for number in range(50)]
    loader = Loader(source="document", now=NOW, clock=NOW, batch_size=10, lacks=lambda *_: "")
    source = write_document(tmp_path / "document.jsonl", {"datasetreplica": replicas})
    with open_document(source, known_sections=known_sections()) as reader:
        assert max(len(portion.entries) for portion in loader.portions(reader)) == 8
