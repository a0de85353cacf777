"""The demo's data: the same clock gives the same bytes, and the story that the demo tells is in them."""

from __future__ import annotations

import json
import shutil
import zlib
from datetime import UTC, datetime
from pathlib import Path

from dynamo_site.demo.sample import (
    LAST_COPY,
    LOCKED,
    MARKER,
    NEW,
    PARTITION,
    TIER2,
    TIER3,
    SampleSize,
    data_files,
    held_bytes,
    sample_datasets,
    sample_document,
    sample_document_write,
    sample_write,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DATASETS = sample_datasets(SampleSize())


def test_same_clock_gives_the_same_document(tmp_path: Path) -> None:
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    for path in (first, second):
        sample_document_write(sample_document(sample_datasets(SampleSize()), storage=tmp_path, now=NOW), path)
    assert first.read_bytes() == second.read_bytes()
    assert list(tmp_path.iterdir()) == [first, second]


def test_tier3_holds_copies_of_the_tier2_and_one_last_copy() -> None:
    only_tier3 = [dataset.name for dataset in DATASETS if dataset.sites == (TIER3,)]
    assert only_tier3 == [LAST_COPY]
    both = {dataset.name for dataset in DATASETS if dataset.sites == (TIER2, TIER3)}
    assert {LOCKED, NEW} <= both
    assert len(DATASETS) > 30


def test_tier3_is_95_percent_full_and_tier2_is_below_the_mark() -> None:
    document = sample_document(DATASETS, storage=Path("/storage"), now=NOW)
    quotas = {row["site"]: row["quota"] for row in document["sitepartition"]}
    assert {row["partition"] for row in document["sitepartition"]} == {PARTITION}
    assert abs(held_bytes(DATASETS, TIER3) / quotas[TIER3] - 0.95) < 1e-6
    assert abs(held_bytes(DATASETS, TIER2) / quotas[TIER2] - 0.72) < 1e-6


def test_nothing_is_less_popular_than_the_protected_ones_and_ranks_differ() -> None:
    ranks = sorted((dataset.usage_rank, dataset.name) for dataset in DATASETS)
    assert [name for _rank, name in ranks[-3:]] == [NEW, LOCKED, LAST_COPY]
    assert len({rank for rank, _name in ranks}) > 25


def test_files_on_disk_are_what_the_document_says(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    count = sample_write(DATASETS, storage=storage)
    document = sample_document(DATASETS, storage=storage, now=NOW)
    expected: dict[Path, tuple[int, str]] = {}
    datasets = {row["name"]: row for row in document["dataset"]}
    roots = {row["name"]: Path(row["backend"].removeprefix("file://")) for row in document["site"]}
    for replica in document["datasetreplica"]:
        for block in datasets[replica["dataset"]]["blocks"]:
            assert block["size"] == sum(file["size"] for file in block["files"])
            assert block["num_files"] == len(block["files"])
            for file in block["files"]:
                expected[roots[replica["site"]] / file["name"].lstrip("/")] = (file["size"], file["checksum"])
    found = {path: path.read_bytes() for path in storage.rglob("*") if path.is_file() and path.name != MARKER}
    assert len(found) == count
    assert {path: (len(content), f"adler32:{zlib.adler32(content):08x}") for path, content in found.items()} == expected


def test_writing_again_restores_what_is_damaged_and_touches_nothing_else(tmp_path: Path) -> None:
    sample_write(DATASETS, storage=tmp_path)
    files = sorted(path for path in tmp_path.rglob("*.root"))
    before = {path: path.stat().st_mtime_ns for path in files}
    damaged, *others = files
    whole = damaged.read_bytes()
    damaged.write_bytes(whole[:100])
    sample_write(DATASETS, storage=tmp_path)
    assert damaged.read_bytes() == whole
    assert {path: path.stat().st_mtime_ns for path in others} == {path: before[path] for path in others}


def test_each_site_folder_says_whose_it_is(tmp_path: Path) -> None:
    sample_write(DATASETS, storage=tmp_path)
    assert {path.parent.name: path.read_text() for path in tmp_path.glob(f"*/{MARKER}")} == {TIER2: TIER2, TIER3: TIER3}


def test_document_is_plain_json() -> None:
    document = sample_document(DATASETS, storage=Path("/storage"), now=NOW)
    assert json.loads(json.dumps(document)) == document
    assert set(document) == {"meta", "site", "group", "dataset", "datasetreplica", "attrs", "sitepartition"}


def test_data_that_go_while_they_are_listed_are_left_out(tmp_path: Path) -> None:
    for name in ("a/1", "b/2", "b/c/3", ".dynamo-trash/4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = data_files(tmp_path)
    assert next(found) == tmp_path / "a/1"
    shutil.rmtree(tmp_path / "b/c")
    assert list(found) == [tmp_path / "b/2"]
