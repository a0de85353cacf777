"""What an injection finds unchanged before it builds rows: the same in any spelling, and nothing that differs."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import pytest
from django.db import transaction

from inventory.ingest import documents
from inventory.ingest.looking import look
from inventory.ingest.places import Places
from inventory.ingest.records import DatasetRecord, DatasetReplicaRecord, decode_record, texts_of_section
from inventory.ingest.rows import Counts
from inventory.ingest.sieve import sieve
from inventory.ingest.verbatim import Verbatim
from inventory.models import Block, BlockReplica, Dataset, DatasetFacts, DatasetReplica, File, PresentFile
from inventory.services.audit import Actor
from inventory.services.injections import inject
from tests.factories.inventory import NOW, write_document

pytestmark = [pytest.mark.django_db, pytest.mark.postgres]
NAME = "/A/B/C"
Document = dict[str, Any]


def document() -> Document:
    """Return a document that gives each field in one of its spellings."""
    files = [[{"name": f"/f{block}{n}", "size": 10 + n, "adler32": f"0000000{n}"} for n in range(3)] for block in range(3)]
    files[2] = [
        {"name": '/with "quotes" and \\', "size": 1},
        {"name": "/Müon", "size": 2, "checksum": "sha256:ab"},
        {"name": "/f", "size": 3, "checksum": "adler32:ab"},
    ]
    blocks = [{"name": f"b{n}", "is_open": n == 1, "last_update": 100 + n, "files": files[n]} for n in range(3)]
    parts = [{"block": f"b{n}", "last_update": 200 + n} for n in range(3)]
    counted = {"block": "b0", "size": 11, "num_files": 1, "is_custodial": True, "group": None, "last_update": 1.5}
    return {
        "site": [{"name": "S1"}, {"name": "S2"}],
        "group": [{"name": "G1"}, {"name": "G2"}],
        "dataset": [{"name": NAME, "status": "valid", "last_update": 300, "blocks": blocks}],
        "datasetreplica": [
            {"dataset": NAME, "site": "S1", "group": "G1", "blockreplicas": parts},
            {"dataset": NAME, "site": "S2", "blockreplicas": [counted]},
        ],
    }


def passed(given: Document) -> list[bool]:
    """Tell of the dataset and its two replicas whether they are found unchanged."""
    records = [decode_record(section, body) for section in ("dataset", "datasetreplica") for body in given[section]]
    assert all(isinstance(record, DatasetRecord | DatasetReplicaRecord) for record in records)
    places = Places(Counts(), lacks=lambda *_: "")
    return sieve(records, look(records, places), places=places, counts=Counts())


def blocks_of(given: Document) -> list[Document]:
    return list(given["dataset"][0]["blocks"])


def parts_of(given: Document, replica: int = 0) -> list[Document]:
    return list(given["datasetreplica"][replica]["blockreplicas"])


@pytest.fixture
def known(tmp_path: Path) -> Document:
    """Return the document that was injected."""
    source = write_document(tmp_path / "document.jsonl", document())
    assert inject(source=source, actor=Actor("tester"), now=NOW).num_rejects == 0
    return document()


def drop(given: list[Document], *fields: str) -> None:
    for entry in given:
        for field in fields:
            entry.pop(field, None)


SAME: dict[str, Callable[[Document], object]] = {
    "as it was": lambda given: None,
    "blocks in another order": lambda given: given["dataset"][0]["blocks"].reverse(),
    "files in another order": lambda given: blocks_of(given)[0]["files"].reverse(),
    "a checksum in capitals": lambda given: blocks_of(given)[2]["files"][2].update(checksum="adler32:000000ab"),
    "a checksum by the other field": lambda given: blocks_of(given)[2].update(
        files=[*blocks_of(given)[2]["files"][:2], {"name": "/f", "size": 3, "adler32": "AB"}]
    ),
    "sums": lambda given: blocks_of(given)[0].update(size=33, num_files=3),
    "no times": lambda given: drop([*blocks_of(given), *parts_of(given), *parts_of(given, 1)], "last_update"),
    "times as fractions": lambda given: parts_of(given)[1].update(last_update=201.0),
    "no files": lambda given: drop(blocks_of(given), "files"),
    "the first without files": lambda given: drop(blocks_of(given)[:1], "files"),
    "some blocks": lambda given: given["dataset"][0]["blocks"].pop(),
    "no blocks": lambda given: given["dataset"][0].pop("blocks"),
    "block replicas in another order": lambda given: given["datasetreplica"][0]["blockreplicas"].reverse(),
    "some block replicas": lambda given: given["datasetreplica"][0]["blockreplicas"].pop(0),
    "groups one by one": lambda given: drop([part.update(group="G1") or part for part in parts_of(given)], "is_custodial"),
    "no group": lambda given: drop(given["datasetreplica"], "group"),
    "counted though complete": lambda given: parts_of(given)[0].update(size=33, num_files=3),
}
# Which of the three do not pass.
OTHER: dict[str, tuple[set[int], Callable[[Document], object]]] = {
    "status": ({0, 1, 2}, lambda given: given["dataset"][0].update(status="invalid")),
    "time of the dataset": ({0, 1, 2}, lambda given: given["dataset"][0].update(last_update=301)),
    "time of a block": ({0, 1, 2}, lambda given: blocks_of(given)[1].update(last_update=102)),
    "part of a second": ({0, 1, 2}, lambda given: blocks_of(given)[1].update(last_update=101.5)),
    "open": ({0, 1, 2}, lambda given: blocks_of(given)[1].update(is_open=False)),
    "a new block": ({0, 1, 2}, lambda given: given["dataset"][0]["blocks"].append({"name": "new"})),
    "a block twice": ({0, 1, 2}, lambda given: given["dataset"][0]["blocks"].append(blocks_of(given)[0])),
    "a new file": ({0, 1, 2}, lambda given: blocks_of(given)[0]["files"].append({"name": "/new", "size": 1})),
    "another file": ({0, 1, 2}, lambda given: blocks_of(given)[0]["files"][0].update(name="/other")),
    "size of a file": ({0, 1, 2}, lambda given: blocks_of(given)[0]["files"][0].update(size=11)),
    "checksum": ({0, 1, 2}, lambda given: blocks_of(given)[0]["files"][0].update(adler32="00000009")),
    "wrong sum": ({0, 1, 2}, lambda given: blocks_of(given)[0].update(size=34)),
    "group of the replica": ({1}, lambda given: given["datasetreplica"][0].update(group="G2")),
    "group of a part": ({1}, lambda given: parts_of(given)[1].update(group=None)),
    "custodial": ({2}, lambda given: parts_of(given, 1)[0].update(is_custodial=False)),
    "bytes of a part": ({2}, lambda given: parts_of(given, 1)[0].update(size=12)),
    "time of a part": ({1}, lambda given: parts_of(given)[2].update(last_update=203)),
    "a new part": ({2}, lambda given: given["datasetreplica"][1]["blockreplicas"].append({"block": "b1"})),
    "a part of no block": ({1}, lambda given: parts_of(given)[0].update(block="nothing")),
    "a part twice": ({1}, lambda given: given["datasetreplica"][0]["blockreplicas"].append(parts_of(given)[0])),
    "growing": ({1}, lambda given: given["datasetreplica"][0].update(growing=True)),
    "files by name": ({1}, lambda given: parts_of(given)[0].update(files=["/f00", "/f01", "/f02"])),
    "complete by not being counted": ({2}, lambda given: drop(parts_of(given, 1), "size", "num_files")),
}


@pytest.mark.parametrize("how", SAME)
def test_what_says_the_same_in_other_words_is_found_unchanged(known: Document, how: str, tmp_path: Path) -> None:
    SAME[how](known)
    assert passed(known) == [True, True, True]
    source = write_document(tmp_path / "again.jsonl", known)
    assert inject(source=source, actor=Actor("tester"), now=NOW).num_changes == 0


@pytest.mark.parametrize("how", OTHER)
def test_what_differs_is_left_to_be_looked_at(known: Document, how: str) -> None:
    others, change = OTHER[how]
    before = deepcopy(known)
    change(known)
    assert known != before
    assert [place for place, is_same in enumerate(passed(known)) if not is_same] == sorted(others)


# -- verbatim ------------------------------------------------------------------------------------------------------------


def plain(name: str = NAME) -> Document:
    """Return `document` of a dataset of this name, in the words that the database would use, with files of its own."""
    given = document()
    blocks_of(given)[2]["files"][2] = {"name": "/f", "size": 3, "adler32": "000000ab"}
    parts_of(given, 1)[0]["last_update"] = 7
    given["dataset"][0]["name"] = name
    for replica in given["datasetreplica"]:
        replica["dataset"] = name
    for file in [file for block in blocks_of(given) for file in block["files"]]:
        file["name"] = f"{name}{file['name']}"
    return given


def verbatim(given: Document, write: Callable[[Any], bytes] = msgspec.json.encode) -> list[bool]:
    """Tell of the dataset and its two replicas whether they are found by their texts alone; each replica has words of its own."""
    (dataset,), replicas = (texts_of_section(section, write(given[section])) for section in ("dataset", "datasetreplica"))
    found = []
    for replica in replicas:
        texts = Verbatim([dataset, replica], Places(Counts(), lacks=lambda *_: ""))
        texts.ask()
        texts.take()
        found.append(texts.same(Counts()))
    return [found[0][0], *(of_replica for _, of_replica in found)]


@pytest.fixture
def told(tmp_path: Path) -> Document:
    source = write_document(tmp_path / "document.jsonl", plain())
    assert inject(source=source, actor=Actor("tester"), now=NOW).num_rejects == 0
    return plain()


@pytest.mark.parametrize("how", ["as it was", "no times", "no files", "no blocks", "no group", "sums"])
def test_what_says_the_same_in_the_same_words_is_found_by_its_text(told: Document, how: str) -> None:
    for block in blocks_of(told) if how == "sums" else []:
        block |= {"size": sum(file["size"] for file in block["files"]), "num_files": 3}
    if how != "sums":
        SAME[how](told)
    assert verbatim(told) == [True, True, True]


@pytest.mark.parametrize(
    "write",
    [lambda body: json.dumps(body).encode(), lambda body: json.dumps(body, indent=1, ensure_ascii=False).encode()],
    ids=["blanks and escapes", "many lines"],
)
def test_how_a_text_is_laid_out_tells_nothing(told: Document, write: Callable[[Any], bytes]) -> None:
    assert verbatim(told, write) == [True, True, True]


@pytest.mark.parametrize("how", OTHER)
def test_no_text_is_found_that_says_something_else(told: Document, how: str) -> None:
    others, change = OTHER[how]
    change(told)
    found = verbatim(told)
    assert not any(found[place] for place in others)


def test_a_text_in_other_words_is_found_by_nothing(told: Document) -> None:
    blocks_of(told)[0]["unknown"] = 1
    parts_of(told)[0]["unknown"] = 1
    assert verbatim(told) == [False, False, False]
    assert verbatim(plain("/Not/there/RAW")) == [False, False, False]


def test_the_text_of_a_very_large_dataset_is_not_made(told: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inventory.ingest.verbatim._MOST_ENTRIES", 11)
    assert verbatim(told) == [False, False, False]
    monkeypatch.setattr("inventory.ingest.verbatim._MOST_ENTRIES", 12)
    assert verbatim(told) == [True, True, True]


def content() -> list[list[tuple[Any, ...]]]:
    """Return all that the inventory says of datasets, without the keys of rows."""
    return [
        sorted(Dataset.objects.values_list("name", "status", "size_bytes", "num_files", "num_blocks", "last_update")),
        sorted(Block.objects.values_list("dataset__name", "name", "size_bytes", "num_files", "is_open", "last_update")),
        sorted(File.objects.values_list("block__dataset__name", "block__name", "lfn", "size_bytes", "checksum")),
        sorted(DatasetReplica.objects.values_list("dataset__name", "site__name", "group__name", "is_growing"), key=str),
        sorted(
            BlockReplica.objects.values_list(
                "block__dataset__name", "block__name", "site__name", "group__name", "size_bytes", "num_files", "last_update"
            ),
            key=str,
        ),
        sorted(PresentFile.objects.values_list("block_replica__block__dataset__name", "file__lfn")),
        sorted(DatasetFacts.objects.values_list("dataset__name", "usage_rank")),
    ]


@pytest.mark.parametrize("batch_size", [20, 100])
def test_a_document_that_mostly_repeats_what_is_there_comes_to_the_same_by_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch_size: int
) -> None:
    places = {section: plain()[section] for section in ("site", "group")}
    lines = [plain(f"/A{number:02}/B/C") for number in range(3 * len(OTHER) + 20)]
    for number, line in enumerate(lines):
        del line["site"], line["group"]
        line["attrs"] = [{"dataset": line["dataset"][0]["name"], "usage_rank": number}]
    source = write_document(tmp_path / "document.jsonl", places, *lines)
    assert inject(source=source, actor=Actor("tester"), now=NOW).num_rejects == 0
    for number, (_, change) in enumerate(OTHER.values()):
        change(lines[20 + 3 * number])
    for place in (3, 40, len(lines)):  # new ones amid known ones, with facts
        name = f"/New{place}/B/C"
        new = {section: records for section, records in plain(name).items() if section not in places}
        lines.insert(place, new | {"attrs": [{"dataset": name, "usage_rank": 1}]})
    for change in ({"site": "Nowhere"}, {"group": "Nobody"}):
        lines[7]["datasetreplica"].append(lines[7]["datasetreplica"][0] | change)
    lines[9]["dataset"][0] |= {"name": "/With\na line/C", "blocks": []}
    source = write_document(tmp_path / "again.jsonl", *lines)
    asked: list[int] = []
    ask = Verbatim.ask
    monkeypatch.setattr(Verbatim, "ask", lambda self: asked.append(len(self.records)) or ask(self))

    def again() -> tuple[Any, ...]:
        with transaction.atomic():
            report = inject(source=source, actor=Actor("tester"), now=NOW, batch_size=batch_size, bad_records=BytesIO())
            told = report.num_changes, report.counts, report.num_rejects, report.rejects, content()
            transaction.set_rollback(True)
        return told

    by_text = again()
    assert sum(asked) > 2 * len(lines)
    asked.clear()
    monkeypatch.setattr(documents, "texts_of_section", lambda section, body: ())
    assert again() == by_text
    assert not asked
    assert by_text[2]


def test_one_object_that_repeats_what_is_there_comes_to_the_same_by_its_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: Document = {section: plain()[section] for section in ("site", "group")} | {"dataset": [], "datasetreplica": []}
    for given in (plain(f"/A{number:02}/B/C") for number in range(60)):
        whole["dataset"] += given["dataset"]
        whole["datasetreplica"] += given["datasetreplica"]
    source = str(tmp_path / "whole.json")
    Path(source).write_text(json.dumps({"meta": {"now": 1}} | whole | {"attrs": []}, indent=1))
    assert inject(source=source, actor=Actor("tester"), now=NOW, batch_size=20).num_changes > 60
    before = content()
    asked: list[int] = []
    ask = Verbatim.ask
    monkeypatch.setattr(Verbatim, "ask", lambda self: asked.append(len(self.records)) or ask(self))
    again = inject(source=source, actor=Actor("tester"), now=NOW, batch_size=20)
    assert (again.num_changes, again.num_rejects, content()) == (0, 0, before)
    assert sum(asked) > 60
