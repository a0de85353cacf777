"""What an injection finds unchanged before it builds rows: the same in any spelling, and nothing that differs."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from inventory.ingest.looking import look
from inventory.ingest.places import Places
from inventory.ingest.records import DatasetRecord, DatasetReplicaRecord, decode_record
from inventory.ingest.rows import Counts
from inventory.ingest.sieve import sieve
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
