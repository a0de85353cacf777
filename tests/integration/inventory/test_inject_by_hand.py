"""Small things without a file, and tables: the same records by another way."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from inventory.exceptions import IngestError
from inventory.models import BlockReplica, Dataset, DatasetFacts, FactFeed, File, Group, Site
from inventory.services.audit import Actor
from inventory.services.injections import InjectionReport, inject
from tests.factories.inventory import NOW, small_document, write_document

pytestmark = pytest.mark.django_db


def run(*words: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("inject", *words, stdout=out, stderr=err)
        return 0, out.getvalue(), err.getvalue()
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)


TWO_SITES = ("--site", "T2_US_MIT", "storage_type=disk", "status=ready", "--site", "T3_US_MIT", "storage_type=disk")
ONE_DATASET = (
    *("--group", "AnalysisOps", "olevel=Dataset", "--dataset", "/A/B/C", "status=valid", "--block", "/A/B/C#b1", "is_open=no"),
    *("--file", "/A/B/C#b1", "/store/a/1.root", "size=60", "adler32=12345678"),
    *("--file", "/A/B/C#b1", "/store/a/2.root", "size=40"),
    *("--replica", "/A/B/C#b1", "T2_US_MIT", "group=AnalysisOps", "is_custodial=yes"),
)


def test_sites_and_a_dataset_with_a_replica_are_given_as_options() -> None:
    code, out, err = run(*TWO_SITES)
    assert (code, err) == (0, "")
    assert "options: 2 changes" in out
    code, out, err = run(*ONE_DATASET)
    assert (code, err) == (0, "")
    assert list(Site.objects.order_by("name").values_list("name", "storage_type", "status")) == [
        ("T2_US_MIT", "DISK", "READY"),
        ("T3_US_MIT", "DISK", "READY"),
    ]
    assert Dataset.objects.values_list("status", "size_bytes", "num_files", "num_blocks").get() == ("VALID", 100, 2, 1)
    assert list(File.objects.order_by("lfn").values_list("lfn", "checksum")) == [
        ("/store/a/1.root", "adler32:12345678"),
        ("/store/a/2.root", ""),
    ]
    part = BlockReplica.objects.get()
    assert (part.site.name, part.group, part.size_bytes, part.is_custodial) == ("T2_US_MIT", Group.objects.get(), 100, True)
    assert "options: 0 changes" in run(*ONE_DATASET)[1]


def test_a_whole_dataset_replica_of_nobody_and_part_of_a_block(tmp_path: Path) -> None:
    run(write_document(tmp_path / "document.json", small_document()))
    code, _, err = run("--replica", "/A/B/C#b1", "T3_US_MIT", "group=", "size=60", "num_files=1", "growing=yes")
    assert (code, err) == (0, "")
    part = BlockReplica.objects.get(site__name="T3_US_MIT")
    assert (part.group, part.size_bytes, part.num_files, part.dataset_replica.is_growing) == (None, 60, 1, True)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ((), 2, "name a file, - for standard input, or give --site"),
        (("--site", "S", "disk"), 2, "--site: found 'disk', expected key=value"),
        (("--site", "S", "host=a", "host=b"), 2, "--site: host stands twice"),
        (("--block", "/A/B/C"), 2, "--block /A/B/C: expected DATASET#BLOCK"),
        (("--file", "/A/B/C#b1"), 2, "expected DATASET#BLOCK LFN size=BYTES"),
        (("--replica", "/A/B/C"), 2, "expected DATASET#BLOCK SITE"),
        (("--file", "/A/B/C#b", "/x", "size=big"), 1, 'dataset[0].blocks[0].files[0].size: found "big", expected int'),
        (("--site", "S", "size=1"), 1, 'found an unknown field "size"'),
        (("--replica", "/A/B/C#b", "T9"), 1, 'datasetreplica[0].dataset: found "/A/B/C"'),
        (("--feeds", "popular", "--site", "S"), 1, "feeds: found 'popular', expected some of popularity"),
    ],
)
def test_wrong_words_are_named_and_change_nothing(words: tuple[str, ...], code: int, message: str) -> None:
    got, _, err = run(*words)
    assert got == code
    assert message in err
    assert Site.objects.count() == Dataset.objects.count() == 0


def table(tmp_path: Path, text: str, name: str = "table.csv", **options: Any) -> InjectionReport:
    path = tmp_path / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return inject(source=str(path), actor=Actor("tester"), now=NOW, **options)


@pytest.mark.parametrize(("name", "separator"), [("sites.csv", ","), ("sites.tsv", "\t"), ("sites.csv.gz", ",")])
def test_sites_come_as_a_table(tmp_path: Path, name: str, separator: str) -> None:
    text = "name,storage_type,status,host\nT2_A,disk,ready,se.example\nT2_B,mss,,\n".replace(",", separator)
    report = table(tmp_path, text, name)
    assert (report.num_rejects, report.num_changes) == (0, 2)
    assert list(Site.objects.order_by("name").values_list("name", "storage_type", "status", "host")) == [
        ("T2_A", "DISK", "READY", "se.example"),
        ("T2_B", "MSS", "READY", ""),
    ]
    assert table(tmp_path, text, name).num_changes == 0


def test_quotas_come_as_a_table_by_the_way_of_a_document(tmp_path: Path) -> None:
    from policies.models import WaitingQuota  # noqa: PLC0415 - of another application

    table(tmp_path, "name\nT2_A\nT2_B\n")
    report = table(tmp_path, 'site,partition,quota\nT2_A,"IB RelVal",1000\nT2_B,IB RelVal,-1\n')
    assert report.counts == {"sitepartition": {"created": 2}}
    assert sorted(WaitingQuota.objects.values_list("partition_name", "size_bytes")) == [("IB RelVal", -1), ("IB RelVal", 1000)]


def test_facts_come_as_a_table_of_a_named_feed(tmp_path: Path) -> None:
    inject(source=write_document(tmp_path / "d.json", small_document()), actor=Actor("tester"), now=NOW)
    text = "dataset,num_access,last_access,usage_rank\n/A/B/C,3,1764547200,1.5\n"
    report = table(tmp_path, text, feeds=["popularity"], feed_source="popdb")
    assert report.feeds == ("popularity",)
    assert DatasetFacts.objects.values_list("num_accesses", "usage_rank").get() == (3, 1.5)
    assert list(FactFeed.objects.values_list("name", "source", "measured_at")) == [("popularity", "popdb", NOW)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "found no header, expected a header with the columns of a section"),
        ("a,b\n1,2\n", "line 1: found a, b, expected a header"),
        ("name,storage\nA,disk\n", "found a column 'storage', expected each column of site once; did you mean storage_type?"),
        ("name,name\nA,B\n", "found a column 'name', expected each column of site once"),
        ('name\n"A\n', "no table: unexpected end of data"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(IngestError, match=message.replace("?", r"\?")):
        table(tmp_path, text)
    assert Site.objects.count() == 0


def test_a_table_in_another_encoding_names_its_line(tmp_path: Path) -> None:
    (tmp_path / "sites.csv").write_bytes(b"name\nA\nB\xe9\n")
    with pytest.raises(IngestError, match=r"line 3: invalid UTF-8 at byte 1"):
        inject(source=str(tmp_path / "sites.csv"), actor=Actor("tester"), now=NOW)


def test_bad_lines_of_a_table_are_named_and_kept_as_json(tmp_path: Path) -> None:
    with (tmp_path / "bad.jsonl").open("wb") as bad:
        report = table(tmp_path, "name,status\nA,up\nB,ready,more\nC,ready\n", bad_records=bad)
    assert sorted(str(reject).split(";")[0] for reject in report.rejects) == [
        'record 2: site[0].status: found "up", expected one of ready, waitroom, morgue, unknown',
        "record 3: site[0]: found 3 cells, expected 2, as in the header",
    ]
    assert list(Site.objects.values_list("name", flat=True)) == ["C"]
    assert '{"site":[{"name":"A","status":"up"}]}' in (tmp_path / "bad.jsonl").read_text()
