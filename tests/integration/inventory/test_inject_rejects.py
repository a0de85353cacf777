"""Bad records: each is named with its number and path, what was found, what was expected; nothing of it is taken."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inventory.exceptions import IngestError
from inventory.models import Dataset, Site
from inventory.services.audit import Actor
from inventory.services.injections import InjectionReport, inject
from tests.factories.inventory import NOW, small_document, write_document

pytestmark = pytest.mark.django_db
ACTOR = Actor("tester")


def dataset(**fields: Any) -> dict[str, Any]:
    return {"dataset": [{"name": "/X/Y/Z"} | fields]}


def block(**fields: Any) -> dict[str, Any]:
    return dataset(blocks=[{"name": "x1"} | fields])


def replica(**fields: Any) -> dict[str, Any]:
    return {"datasetreplica": [{"dataset": "/A/B/C", "site": "T2_US_MIT"} | fields]}


def part(**fields: Any) -> dict[str, Any]:
    return replica(blockreplicas=[{"block": "b1"} | fields])


def attrs(**fields: Any) -> dict[str, Any]:
    return {"attrs": [{"dataset": "/A/B/C"} | fields]}


FILE = {"name": "/store/x.root", "size": 5}

#: record -> path in the document, what was found, part of what was expected
CASES: dict[str, tuple[dict[str, Any], str, str, str]] = {
    "text for a size": (block(size="big"), "dataset[0].blocks[0].size", '"big"', "int"),
    "negative size": (block(size=-1), "dataset[0].blocks[0].size", "-1", ">= 0"),
    "size beyond 63 bits": (block(size=2**63), "dataset[0].blocks[0].size", str(2**63), "<= 9223372036854775807"),
    "fractional number of files": (block(num_files=1.5), "dataset[0].blocks[0].num_files", "1.5", "int"),
    "negative time": (dataset(last_update=-5), "dataset[0].last_update", "-5", ">= 0"),
    "unknown field": (block(sise=1), "dataset[0].blocks[0]", 'an unknown field "sise"', "documented fields"),
    "missing name": ({"site": [{"host": "x"}]}, "site[0].name", "nothing", "a value for name"),
    "missing file size": (block(files=[{"name": "/x"}]), "dataset[0].blocks[0].files[0].size", "nothing", "a value"),
    "status word": (dataset(status="great"), "dataset[0].status", '"great"', "valid"),
    "storage word": ({"site": [{"name": "S", "storage_type": "disc"}]}, "site[0].storage_type", '"disc"', "disk"),
    "site status word": ({"site": [{"name": "S", "status": "up"}]}, "site[0].status", '"up"', "ready"),
    "level word": ({"group": [{"name": "G", "olevel": "File"}]}, "group[0].olevel", '"File"', "dataset, block"),
    "group called None": ({"group": [{"name": "None"}]}, "group[0].name", '"None"', "another name"),
    "empty name": (dataset(name=""), "dataset[0].name", '""', "length >= 1"),
    "long name": (dataset(name="/" + "x" * 512), "dataset[0].name", '"/xxx', "length <= 512"),
    "control character": (dataset(name="/A/\n/C"), "dataset[0].name", '"/A/\\n/C"', "printable"),
    "NUL in a file name": (block(files=[{"name": "/a\0", "size": 1}]), "dataset[0].blocks[0].files[0].name", "x00", "printable"),
    "NUL in a dataset name": (replica(dataset="/A\0"), "datasetreplica[0].dataset", "x00", "name of a dataset"),
    "NUL in free-form metadata": (dataset(attributes={"a": "\0"}), "dataset[0].attributes", "a NUL", "every database"),
    "NUL in a rule for names": (
        {"site": [{"name": "S", "lfn_rules": [{"pattern": "a\0", "replacement": ""}]}]},
        "site[0].lfn_rules[0]",
        "x00",
        "printable",
    ),
    "blank at the end": (dataset(name="/A/B/C "), "dataset[0].name", '"/A/B/C "', "no blank"),
    "wildcard in a dataset": (dataset(name="/A/*/C"), "dataset[0].name", '"/A/*/C"', "without * and ?"),
    "wildcard in a block": (dataset(blocks=[{"name": "b?"}]), "dataset[0].blocks[0].name", '"b?"', "without * and ?"),
    "file name that climbs": (
        block(files=[{"name": "/a/../b", "size": 1}]),
        "dataset[0].blocks[0].files[0].name",
        "..",
        "without .",
    ),
    "block twice": (dataset(blocks=[{"name": "x"}, {"name": "x"}]), "dataset[0].blocks[1].name", '"x"', "once"),
    "file twice": (block(files=[FILE, FILE]), "dataset[0].blocks[0].files[1].name", '"/store/x.root"', "once"),
    "file of another block": (
        block(files=[{"name": "/store/a/1.root", "size": 60}]),
        "dataset[0].blocks[0].files[0].name",
        "/store/a/1.root",
        "a file of this block",
    ),
    "file with another size": (
        {"dataset": [{"name": "/A/B/C", "blocks": [{"name": "b1", "files": [{"name": "/store/a/1.root", "size": 61}]}]}]},
        "dataset[0].blocks[0].files[0].size",
        "61",
        "60, as it is known",
    ),
    "size against files": (block(size=6, files=[FILE]), "dataset[0].blocks[0].size", "6", "5 bytes"),
    "number against files": (block(num_files=2, files=[FILE]), "dataset[0].blocks[0].num_files", "2", "1 files"),
    "version without suffix": (
        dataset(software_version=[10, 6, 0]),
        "dataset[0].software_version",
        "[10, 6, 0]",
        "three numbers",
    ),
    "bad adler32": (block(files=[FILE | {"adler32": "xyz"}]), "dataset[0].blocks[0].files[0].adler32", '"xyz"', "hexadecimal"),
    "bad checksum": (
        block(files=[FILE | {"checksum": "12"}]),
        "dataset[0].blocks[0].files[0].checksum",
        '"12"',
        "algorithm:value",
    ),
    "unknown dataset": (replica(dataset="/No/Such/Set"), "datasetreplica[0].dataset", "/No/Such/Set", "name of a dataset"),
    "unknown site": (replica(site="T2_US_MIT2"), "datasetreplica[0].site", '"T2_US_MIT2"', "name of a site"),
    "unknown group": (replica(group="AnalysisOp"), "datasetreplica[0].group", '"AnalysisOp"', "name of a group"),
    "unknown group of a block": (part(group="Nope"), "datasetreplica[0].blockreplicas[0].group", '"Nope"', "name of a group"),
    "block of another dataset": (part(block="d1"), "datasetreplica[0].blockreplicas[0].block", '"d1"', "a block of /A/B/C"),
    "block replica twice": (
        replica(blockreplicas=[{"block": "b1"}, {"block": "b1"}]),
        "datasetreplica[0].blockreplicas[1].block",
        '"b1"',
        "once",
    ),
    "more bytes than the block": (part(size=101, num_files=2), "datasetreplica[0].blockreplicas[0].size", "101", "at most 100"),
    "size without number": (part(size=1), "datasetreplica[0].blockreplicas[0].num_files", "nothing", "num_files"),
    "file not of the block": (part(files=["/no"]), "datasetreplica[0].blockreplicas[0].files[0]", '"/no"', "a file of block b1"),
    "file present twice": (
        part(files=["/store/a/1.root", "/store/a/1.root"]),
        "datasetreplica[0].blockreplicas[0].files[1]",
        "1.root",
        "once",
    ),
    "present size against files": (
        part(files=["/store/a/1.root"], size=1),
        "datasetreplica[0].blockreplicas[0].size",
        "1",
        "60, the sum",
    ),
    "facts of an unknown dataset": (attrs(dataset="/No/Such/Set"), "attrs[0].dataset", "/No/Such/Set", "name of a dataset"),
    "lock at an unknown site": (attrs(locked_blocks={"T9": None}), "attrs[0].locked_blocks.T9", '"T9"', "name of a site"),
    "lock of an unknown block": (
        attrs(locked_blocks={"T2_US_MIT": ["b9"]}),
        "attrs[0].locked_blocks.T2_US_MIT[0]",
        '"b9"',
        "a block of /A/B/C",
    ),
    "enforced where there is no replica": (
        attrs(enforcer_protected_replicas=["T3_US_MIT"]),
        "attrs[0].enforcer_protected_replicas[0]",
        "T3_US_MIT",
        "a site that has a replica",
    ),
    "negative number of accesses": (attrs(num_access=-1), "attrs[0].num_access", "-1", ">= 0"),
    "unknown section": ({"datasets": []}, "datasets", 'a section "datasets"', "dataset"),
    "section that is no list": ({"site": {"name": "S"}}, "site", "something else", "a list"),
    "bad rule for names": (
        {"site": [{"name": "S", "lfn_rules": [{"pattern": "(", "replacement": ""}]}]},
        "site[0].lfn_rules[0].pattern",
        '"("',
        "a regular expression",
    ),
    "two endpoints": (
        {"site": [{"name": "S", "backend": "file:///a", "endpoint": "file:///b"}]},
        "site[0].endpoint",
        "b",
        "same",
    ),
}


def known() -> dict[str, Any]:
    """Return what is there before: the small document, and a dataset with a block d1."""
    document = small_document()
    document["dataset"].append({"name": "/D/E/F", "blocks": [{"name": "d1", "size": 1, "num_files": 1}]})
    return document


@pytest.mark.parametrize(
    ("form", "case"),
    [(form, case) for case in CASES for form in ("lines", "object") if (form, case) != ("object", "size beyond 63 bits")],
)
def test_a_bad_record_is_named_by_number_path_found_and_expected(tmp_path: Path, case: str, form: str) -> None:
    inject(source=write_document(tmp_path / "known.json", known()), actor=ACTOR, now=NOW)
    before = (Dataset.objects.count(), Site.objects.count())
    document, path, found, expected = CASES[case]
    if form == "lines":
        source, number = write_document(tmp_path / "bad.jsonl", {}, document), 2
    else:
        source, number = str(tmp_path / "bad.json"), 1
        Path(source).write_text(json.dumps(document, indent=2))
    report = inject(source=source, actor=ACTOR, now=NOW)
    assert not report.is_kept
    reject = report.rejects[0]
    assert (reject.number, reject.path) == (number, path)
    assert found in reject.found
    assert expected in reject.expected
    assert (Dataset.objects.count(), Site.objects.count()) == before


def inject_text(path: Path, text: bytes, **options: Any) -> InjectionReport:
    path.write_bytes(text)
    return inject(source=str(path), actor=ACTOR, now=NOW, **options)


GOOD_LINE = b'{"site": [{"name": "S1"}]}\n'


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (b'{"site": [{"name": "S2"}]', "cut off or no JSON"),
        (b'{"site":[{"name": "S\xff"}]}', "invalid UTF-8 (byte 0xff)"),
        (b'{"site":[{"name": "S2"}]}\xff', "invalid UTF-8 (byte 0xff at position 25"),
        (b"[1, 2]", "something else"),
        (b"hello", "cut off or no JSON"),
    ],
)
def test_a_line_that_cannot_be_read_is_one_bad_record(tmp_path: Path, line: bytes, found: str) -> None:
    bad = tmp_path / "bad.jsonl"
    with bad.open("wb") as handle:
        report = inject_text(tmp_path / "lines", GOOD_LINE + line + b"\n" + GOOD_LINE.replace(b"S1", b"S3"), bad_records=handle)
    assert [reject.number for reject in report.rejects] == [2]
    assert found in report.rejects[0].found
    assert list(Site.objects.values_list("name", flat=True)) == ["S1", "S3"]
    assert bad.read_bytes().splitlines()[1] == line


def test_a_line_that_is_too_large_is_skipped_without_reading_it_at_once(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl"
    text = GOOD_LINE + b'{"site": "' + b"x" * 100_000 + b'"}\n' + GOOD_LINE.replace(b"S1", b"S3")
    with bad.open("wb") as handle:
        report = inject_text(tmp_path / "lines", text, max_record_bytes=1000, bad_records=handle)
    assert (report.rejects[0].number, report.rejects[0].expected) == (2, "at most 1,000 bytes")
    assert Site.objects.count() == 2


def test_a_record_of_one_object_that_is_too_large_ends_the_reading(tmp_path: Path) -> None:
    text = b'{"site":\n [{"name": "S1"}, {"name": "S2", "host": "' + b"x" * 500_000 + b'"}]}'
    with pytest.raises(IngestError, match="larger than 1,000 bytes"):
        inject_text(tmp_path / "object", text, max_record_bytes=1000)
    assert Site.objects.count() == 0


def test_values_nested_without_end_are_refused(tmp_path: Path) -> None:
    text = GOOD_LINE + b'{"dataset": [{"name": "/A/B/C", "attributes": {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}}]}\n"
    report = inject_text(tmp_path / "lines", text)
    assert report.num_rejects == 1
    assert Dataset.objects.count() == 0


@pytest.mark.parametrize("text", [b"", b"\n\n"])
def test_an_empty_document_is_refused(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(IngestError, match="empty"):
        inject_text(tmp_path / "empty", text)


@pytest.mark.parametrize("now", ['"today"', "true", "-1", "1e20", "[]"])
def test_a_wrong_meta_now_ends_the_load_because_all_facts_would_bear_it(tmp_path: Path, now: str) -> None:
    with (tmp_path / "bad").open("wb") as bad, pytest.raises(IngestError, match=r"meta\.now"):
        inject_text(tmp_path / "meta", b'{"meta": {"now": ' + now.encode() + b"}}\n" + GOOD_LINE, bad_records=bad)
    assert Site.objects.count() == 0


def test_two_moments_in_one_document_are_refused(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="facts of several moments"):
        inject_text(tmp_path / "meta", b'{"meta": {"now": 1}}\n{"meta": {"now": 2}}\n')


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match=r"nowhere\.json cannot be opened: No such file"):
        inject(source=str(tmp_path / "nowhere.json"), actor=ACTOR, now=NOW)


@pytest.mark.parametrize(
    "text", [b'{"site":\n [{"name": "S\xff"}]}', b'{"dataset":\n [{"name": "/A", "last_update": 9223372036854775808}]}']
)
def test_an_object_that_the_streaming_parser_refuses_is_no_half_taken(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(IngestError, match=r"near byte .* write one object per line"):
        inject_text(tmp_path / "object", text)
    assert Site.objects.count() == 0
