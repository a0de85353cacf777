"""The demo's scan: a site at which a disk has lost files and somebody has left others.

It lies outside the partition and has a dataset of its own, so that no decision of the policy depends on it. A little more of it
is dark than the limit takes: its scan is held, and shows what a scan finds and what a person is asked then.
"""

from __future__ import annotations

import hashlib
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from dynamo_site.demo.sample import MARKER, SampleBlock, SampleDataset, SampleFile, dataset_record, replica_record, site_record
from inventory.services.audit import Actor
from operations.selectors.scans import scan_rows
from operations.services.scan_worker import scan_work
from operations.services.scans import scan_start

SITE = "T2_US_Lakeside"
DATASET = "/HeavyIons/Run2018A-17Sep2018-v2/AOD"
NUM_BLOCKS, FILES_PER_BLOCK, FILE_BYTES = 12, 20, 600
FOLDER = "/store/data/Run2018A/HeavyIons/AOD/17Sep2018-v2"
#: Two of 240 files, below the limit of 1 %: block and file in it, by number.
LOST = ((3, 5), (3, 6))
#: Four beside 238, above the limit: path, bytes, and how old.
LEFT = (
    ("/store/user/jdoe/ntuples/muons 2016.root", 2_400, timedelta(days=730)),
    ("/store/user/jdoe/ntuples/muons 2016 (copy).root", 2_400, timedelta(days=700)),
    ("/store/unmerged/Run2018A/HeavyIons/part-0017.root", 1_300, timedelta(days=45)),
    ("/store/temp/transfer-4711.part", 500, timedelta(days=2)),
)


def scanned_dataset() -> SampleDataset:
    """Return what the inventory believes to lie at the site."""
    return SampleDataset(DATASET, tuple(_block(number) for number in range(NUM_BLOCKS)), (SITE,), 0.0)


def scanned_document(*, storage: Path, now: datetime) -> dict[str, Any]:
    """Return site and dataset as an inject document."""
    dataset = scanned_dataset()
    return {
        "meta": {"now": int(now.timestamp())},
        "site": [site_record(SITE, storage)],
        "dataset": [dataset_record(dataset, now)],
        "datasetreplica": [replica_record(dataset, SITE, now)],
    }


def scanned_write(*, storage: Path, now: datetime) -> None:
    """Write what really lies at the site: the files of the dataset but for those that are lost, and what was left there."""
    root = storage / SITE
    blocks = scanned_dataset().blocks
    for number, block in enumerate(blocks):
        for index, file in enumerate(block.files):
            if (number, index) not in LOST:
                _write(root, file)
    for path, size_bytes, age in LEFT:
        written = _write(root, SampleFile(path, size_bytes))
        moment = (now - age).timestamp()
        os.utime(written, (moment, moment))
    (root / MARKER).write_text(SITE)


def scanned_scan(operator: Actor) -> str:
    """Scan the site, unless an interrupted start has done it, and return a line about it."""
    scans = scan_rows(site_name=SITE, limit=1) or [scan_start(site_name=SITE, actor=operator, now=timezone.now())]
    scan_work(worker="demo", only=scans[0].pk)
    state = scan_rows(site_name=SITE, limit=1)[0].get_state_display()
    return f"Scan of {SITE}, where {len(LOST)} files are missing and {len(LEFT)}, more than 1 %, are dark: {state}"


def _block(number: int) -> SampleBlock:
    name = hashlib.sha256(f"{DATASET}#{number}".encode()).hexdigest()
    start = f"{FOLDER}/{number:05d}/{name[:8]}"
    files = tuple(SampleFile(f"{start}-{index:04d}.root", FILE_BYTES) for index in range(FILES_PER_BLOCK))
    return SampleBlock(f"{name[:8]}-{name[8:12]}-{name[12:16]}-{name[16:20]}-{name[20:32]}", files, timedelta(days=200))


def _write(root: Path, file: SampleFile) -> Path:
    path = root / file.lfn.lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.content())
    return path
