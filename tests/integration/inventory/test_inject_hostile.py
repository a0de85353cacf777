"""Input that would fill the memory, and a database that goes away: a report, nothing half-loaded, and the next try works."""

from __future__ import annotations

import gzip
import json
import lzma
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from inventory.exceptions import IngestError
from inventory.models import Dataset, Injection, Site
from inventory.services.audit import Actor
from inventory.services.injections import inject
from tests.conftest import ROOT
from tests.factories.inventory import NOW, small_document, write_document

PIECE = b"x" * (1 << 20)
#: Pieces of a MiB in one line; its reader may hold a thirtieth of them.
PIECES = 300
LIMIT = 4 << 20

#: Reads a document and prints the peak of what it allocated, in bytes, and how it ended.
READ = """
import sys, tracemalloc
import django
django.setup()
from inventory.exceptions import IngestError
from inventory.ingest.documents import open_document
tracemalloc.start()
ended = "read"
try:
    with open_document(sys.argv[1], known_sections=frozenset({"site"}), max_record_bytes=int(sys.argv[2])) as reader:
        for item in reader:
            ended = item.problem.expected if item.problem else ended
except IngestError as error:
    ended = str(error)
print(tracemalloc.get_traced_memory()[1])
print(ended)
"""


def one_long_line() -> Iterator[bytes]:
    yield b'{"site": [{"name": "S1"}]}\n{"site": [{"name": "'
    yield from (PIECE for _ in range(PIECES))
    yield b'"}]}\n'


def one_long_object() -> Iterator[bytes]:
    yield b'{"site":\n [{"name": "'
    yield from (PIECE for _ in range(PIECES))
    yield b'"}]}\n'


@pytest.mark.parametrize("opened", [open, gzip.open, lzma.open], ids=["plain", "gz bomb", "xz bomb"])
@pytest.mark.parametrize(
    ("lines", "ended"),
    [(one_long_line, "at most 4,194,304 bytes"), (one_long_object, "a single record is larger than 4,194,304")],
)
def test_a_line_without_end_is_never_held_in_memory(
    tmp_path: Path, opened: Callable[..., Any], lines: Callable[[], Iterator[bytes]], ended: str
) -> None:
    source = tmp_path / "document"
    with opened(source, "wb") as document:
        for piece in lines():
            document.write(piece)
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "dynamo_site.settings.test"}
    command = [sys.executable, "-c", READ, str(source), str(LIMIT)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    peak, how = done.stdout.split("\n", 1)
    assert ended in how
    assert int(peak) < PIECES * len(PIECE) / 6


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_a_database_that_goes_away_in_the_middle_loses_nothing_and_the_next_try_works(tmp_path: Path) -> None:
    lines = [small_document(), *({"dataset": [{"name": f"/A/{number}/C"}]} for number in range(50))]
    source = write_document(tmp_path / "document.jsonl", *lines)
    seen: list[int] = []

    def hang_up(progress: Any) -> None:
        seen.append(progress.num_records)
        if len(seen) == 3:
            with connection.copy().cursor() as other:
                other.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )
                other.connection.close()

    with pytest.raises(IngestError, match=r"nothing of the document was kept: mend the cause, then inject it again"):
        inject(source=source, actor=Actor("tester"), now=NOW, batch_size=10, on_progress=hang_up)
    assert (Site.objects.count(), Dataset.objects.count()) == (0, 0)
    assert Injection.objects.get().state == "FAILED"
    report = inject(source=source, actor=Actor("tester"), now=NOW)
    assert (report.is_kept, Dataset.objects.count()) == (True, 51)


@pytest.mark.django_db
@pytest.mark.parametrize("indent", [None, 2], ids=["a line", "one object"])
def test_half_a_character_in_a_name_is_refused_and_nothing_is_kept(tmp_path: Path, indent: int | None) -> None:
    source = tmp_path / "document.json"
    source.write_text(json.dumps({"site": [{"name": "T2_A"}], "dataset": [{"name": "/A/\ud800y/C"}]}, indent=indent))
    with pytest.raises(IngestError):
        inject(source=str(source), actor=Actor("tester"), now=NOW)
    assert (Site.objects.count(), Dataset.objects.count()) == (0, 0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ('{"site": DEEP}', 100_000),
        ('{"site":\n DEEP}', 100_000),
        ('{"unknown":\n DEEP}', 990),
        ('{"attrs":\n [{"dataset": "/A/B/C", "attributes": {"deep": DEEP}}]}', 990),
        ('{"dataset": [{"name": "/A/B/C", "attributes": {"deep": DEEP}}]}', 900),
        ('{"dataset":\n [{"name": "/A/B/C", "attributes": {"deep": DEEP}}]}', 50),
        ('{"dataset": [{"name": "/A/B/C", "attributes": {"large": 1e999}}]}', 0),
        ('{"dataset":\n [{"name": "/A/B/C", "attributes": {"large": 1e999}}]}', 0),
    ],
)
def test_what_no_page_could_show_is_refused_with_a_report(tmp_path: Path, text: str, levels: int) -> None:
    source = tmp_path / "document.json"
    source.write_text(text.replace("DEEP", "[" * levels + "]" * levels))
    try:
        report = inject(source=str(source), actor=Actor("tester"), now=NOW)
    except IngestError as error:
        assert re.search(r"deep|overflow", str(error))
    else:
        assert not report.is_kept
    assert (Dataset.objects.count(), Injection.objects.get().state) == (0, "FAILED")


@pytest.mark.django_db
@pytest.mark.parametrize("newline", ["", "\n"], ids=["a line", "one object"])
def test_a_section_that_comes_twice_is_refused_instead_of_losing_one(tmp_path: Path, newline: str) -> None:
    source = tmp_path / "document.json"
    source.write_text('{"site":' + newline + ' [{"name": "T2_A"}], "group": [{"name": "G"}], "site": [{"name": "T2_B"}]}')
    report = inject(source=str(source), actor=Actor("tester"), now=NOW)
    assert [(reject.path, reject.found) for reject in report.rejects] == [("site", "the section for a second time")]
    assert (Site.objects.count(), report.is_kept) == (0, False)


@pytest.mark.django_db
@pytest.mark.parametrize("indent", [None, 2], ids=["a line", "one object"])
def test_a_byte_order_mark_before_the_text_is_passed_by(tmp_path: Path, indent: int | None) -> None:
    source = tmp_path / "document.json"
    source.write_text(json.dumps({"site": [{"name": "T2_A"}]}, indent=indent), encoding="utf-8-sig")
    assert inject(source=str(source), actor=Actor("tester"), now=NOW).num_changes == 1


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("content", "what"),
    [
        (json.dumps({"site": []}).encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04", "zip archive"),
        (b"BZh91AY", "bzip2"),
        (b"\x28\xb5\x2f\xfd", "zstd"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes, what: str) -> None:
    source = tmp_path / "document.json"
    source.write_bytes(content)
    with pytest.raises(IngestError, match=what):
        inject(source=str(source), actor=Actor("tester"), now=NOW)
