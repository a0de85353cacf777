"""Makes the demo's data: small real files at two sites, and the document that tells the inventory of them.

The same clock gives the same bytes: names, sizes, contents and ranks follow from constants alone; times are relative to the
clock, so that the popularity feed is fresh and the one new dataset is new.
"""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

TIER2 = "T2_US_MIT"
TIER3 = "T3_US_MIT"
PARTITION = "MyCache"
GROUPS = ("AnalysisOps", "DataOps")
#: File at the top of a site's folder that names the site (docs/deleting.md); it is not data.
MARKER = ".dynamo-storage"
#: Occupancies at the start. A site's quota is what it holds, divided by this.
OCCUPANCY = {TIER2: 0.72, TIER3: 0.95}

PRIMARIES = ("SingleMuon", "SingleElectron", "DoubleMuon", "JetHT", "MET", "Tau", "ZeroBias", "Charmonium")
ERAS = (("Run2016G", "07Aug17-v1"), ("Run2017C", "31Mar2018-v1"), ("Run2017F", "31Mar2018-v1"), ("Run2018A", "17Sep2018-v2"))
TIERS = ("MINIAOD", "AOD")

#: The dataset that nobody else has any more: its only copy is at the Tier-3.
LAST_COPY = "/Commissioning/Run2016G-07Aug17-v1/RAW-RECO"
#: A dataset at both sites that a coordinator locks; nothing is less popular, so that only the lock keeps it.
LOCKED = "/SingleMuon/Run2016G-07Aug17-v1/AOD"
#: The dataset that everybody reads.
POPULAR = "/SingleMuon/Run2017F-31Mar2018-v1/MINIAOD"
#: A dataset whose last block came today: the policy protects it.
NEW = "/ParkingBPH/Run2018A-17Sep2018-v2/MINIAOD"


@dataclass(frozen=True, slots=True)
class SampleSize:
    """How much to make. The defaults give a few dozen datasets of some 150 kB."""

    files_per_block: int = 3
    file_size_bytes: int = 24_000


@dataclass(frozen=True, slots=True)
class SampleFile:
    lfn: str
    size_bytes: int

    def content(self) -> bytes:
        """Return the bytes of the file; they follow from its name."""
        return hashlib.shake_256(self.lfn.encode()).digest(self.size_bytes)


@dataclass(frozen=True, slots=True)
class SampleBlock:
    name: str
    files: tuple[SampleFile, ...]
    age: timedelta

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class SampleDataset:
    """A dataset with the sites that hold a complete copy of it, and its popularity (a higher rank is less popular)."""

    name: str
    blocks: tuple[SampleBlock, ...]
    sites: tuple[str, ...]
    usage_rank: float

    @property
    def size_bytes(self) -> int:
        return sum(block.size_bytes for block in self.blocks)


def sample_datasets(size: SampleSize) -> tuple[SampleDataset, ...]:
    """Return the datasets of the demo, sorted by name."""
    names = [f"/{primary}/{era}-{processing}/{tier}" for primary in PRIMARIES for era, processing in ERAS for tier in TIERS]
    names = [name for name in names if name in (LOCKED, POPULAR) or _number(name, "pick", 8) < 5]
    datasets = [_dataset(name, size) for name in names]
    datasets += [_dataset(LAST_COPY, size), _dataset(NEW, size)]
    return tuple(sorted(datasets, key=lambda dataset: dataset.name))


def sample_document(datasets: tuple[SampleDataset, ...], *, storage: Path, now: datetime) -> dict[str, Any]:
    """Return the datasets as an inject document, with the sites' storage below ``storage`` and quotas in ``PARTITION``."""
    return {
        "meta": {"now": int(now.timestamp())},
        "site": [site_record(site, storage) for site in (TIER2, TIER3)],
        "group": [{"name": name, "olevel": "Dataset" if name == "AnalysisOps" else "Block"} for name in GROUPS],
        "dataset": [dataset_record(dataset, now) for dataset in datasets],
        "datasetreplica": [replica_record(dataset, site, now) for dataset in datasets for site in dataset.sites],
        "attrs": [_facts_record(dataset, now) for dataset in datasets],
        "sitepartition": [
            {"site": site, "partition": PARTITION, "quota": round(held_bytes(datasets, site) / OCCUPANCY[site])}
            for site in (TIER2, TIER3)
        ],
    }


def site_record(site: str, storage: Path) -> dict[str, Any]:
    """Return a site, with its folder below *storage*, as an inject document has it."""
    return {
        "name": site,
        "host": f"se.{site.lower().replace('_', '-')}.example.org",
        "storage_type": "disk",
        "backend": (storage / site).as_uri(),
        "status": "ready",
    }


def data_files(folder: Path) -> Iterator[Path]:
    """Yield the files of data below *folder*, in order; what Dynamo keeps there itself (marker, trash) is none.

    Files and folders may go meanwhile.
    """
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith(".dynamo-"))
        yield from (Path(parent, name) for name in sorted(names) if not name.startswith(".dynamo-"))


def held_bytes(datasets: tuple[SampleDataset, ...], site: str) -> int:
    """Return the bytes that ``site`` holds of ``datasets``."""
    return sum(dataset.size_bytes for dataset in datasets if site in dataset.sites)


def sample_write(datasets: tuple[SampleDataset, ...], *, storage: Path) -> int:
    """Write the files of every site below ``storage`` and return how many; a file that is there with its size stays as it is.

    Each site's folder also gets the marker by which the deleting side knows whose storage it is.
    """
    count = 0
    for site in (TIER2, TIER3):
        (storage / site).mkdir(parents=True, exist_ok=True)
        (storage / site / MARKER).write_text(site)
    for dataset in datasets:
        for file in _files(dataset):
            for site in dataset.sites:
                path = storage / site / file.lfn.lstrip("/")
                count += 1
                if path.exists() and path.stat().st_size == file.size_bytes:
                    continue
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(file.content())
    return count


def sample_document_write(document: dict[str, Any], path: Path) -> None:
    """Write the document as JSON, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(document, indent=1) + "\n")
    part.replace(path)


def _dataset(name: str, size: SampleSize) -> SampleDataset:
    rank = float(_number(name, "rank", 400))
    sites: tuple[str, ...] = (TIER2, TIER3) if _number(name, "tier3", 3) else (TIER2,)
    age = timedelta(days=30 + _number(name, "age", 900))
    if name == LAST_COPY:
        rank, sites = 600.0, (TIER3,)
    elif name == LOCKED:
        rank, sites = 500.0, (TIER2, TIER3)
    elif name == POPULAR:
        rank, sites = 0.0, (TIER2, TIER3)
    elif name == NEW:
        rank, sites, age = 450.0, (TIER2, TIER3), timedelta(hours=2)
    blocks = tuple(_block(name, number, age, size) for number in range(1 + _number(name, "blocks", 3)))
    return SampleDataset(name, blocks, sites, rank)


def _block(dataset: str, number: int, age: timedelta, size: SampleSize) -> SampleBlock:
    digest = hashlib.sha256(f"{dataset}#{number}".encode()).hexdigest()
    name = f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}"
    primary, processed, tier = dataset.strip("/").split("/")
    era, processing = processed.split("-", 1)
    folder = f"/store/data/{era}/{primary}/{tier}/{processing}/{number:05d}"
    half = size.file_size_bytes // 2
    num_files = 1 + size.files_per_block // 2 + _number(digest, "files", size.files_per_block)
    files = tuple(
        SampleFile(f"{folder}/{digest[32:40]}-{index:04d}.root", half + _number(f"{digest}{index}", "size", size.file_size_bytes))
        for index in range(num_files)
    )
    return SampleBlock(name, files, age)


def dataset_record(dataset: SampleDataset, now: datetime) -> dict[str, Any]:
    """Return a dataset with its blocks and files as an inject document has it."""
    newest = max(_epoch(now - block.age) for block in dataset.blocks)
    return {
        "name": dataset.name,
        "status": "valid",
        "data_type": "data",
        "is_open": False,
        "last_update": newest,
        "software_version": [9, 4, 0, ""],
        "blocks": [
            {
                "name": block.name,
                "size": block.size_bytes,
                "num_files": len(block.files),
                "is_open": False,
                "last_update": _epoch(now - block.age),
                "files": [
                    {"name": file.lfn, "size": file.size_bytes, "checksum": f"adler32:{zlib.adler32(file.content()):08x}"}
                    for file in block.files
                ],
            }
            for block in dataset.blocks
        ],
    }


def replica_record(dataset: SampleDataset, site: str, now: datetime) -> dict[str, Any]:
    """Return a complete copy of a dataset as an inject document has it."""
    return {
        "dataset": dataset.name,
        "site": site,
        "group": GROUPS[0],
        "growing": False,
        "blockreplicas": [{"block": block.name, "last_update": _epoch(now - block.age)} for block in dataset.blocks],
    }


def _facts_record(dataset: SampleDataset, now: datetime) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "usage_rank": dataset.usage_rank,
        "num_access": max(0, 420 - int(dataset.usage_rank)),
        "last_access": _epoch(now - timedelta(days=1 + dataset.usage_rank)),
    }


def _files(dataset: SampleDataset) -> Iterator[SampleFile]:
    for block in dataset.blocks:
        yield from block.files


def _epoch(moment: datetime) -> int:
    return int(moment.timestamp())


def _number(text: str, purpose: str, below: int) -> int:
    """Return a number from 0 to ``below`` - 1 that follows from ``text`` alone."""
    return int.from_bytes(hashlib.sha256(f"{purpose}:{text}".encode()).digest()[:8], "big") % below
