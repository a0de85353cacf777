"""Documents of any size to inject, as JSON lines: a dataset with its blocks, files, replicas and facts on each line."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import msgspec

from tests.factories import snapshots

NOW = int(snapshots.NOW)
NUM_SITES = 64
GROUPS = ("AnalysisOps", "DataOps", "RelVal")

#: Per dataset: blocks, and per block on the average 2.4 files and as many replicas, so that 41,500 datasets are 1 M of both.
BLOCKS = 10


def document_lines(num_datasets: int, *, seed: int = 1) -> Iterator[bytes]:
    """Yield a document of *num_datasets* datasets, 24 files and 24 block replicas each; the same seed gives the same bytes."""
    sites = [{"name": f"T2_Site_{number:02}", "storage_type": "disk", "status": "ready"} for number in range(NUM_SITES)]
    places = {"meta": {"now": NOW}, "site": sites, "group": [{"name": name, "olevel": "Dataset"} for name in GROUPS]}
    yield msgspec.json.encode(places) + b"\n"
    rng = random.Random(seed)
    for number in range(num_datasets):
        yield msgspec.json.encode(_dataset(rng, number)) + b"\n"


def _dataset(rng: random.Random, number: int) -> dict[str, Any]:
    name = f"/TTJets_TuneCP5_13TeV-{number:06}/RunIISummer20UL16-106X_v{number % 7}/MINIAODSIM"
    blocks, parts_of = [], []
    for index in range(BLOCKS):
        block = f"{number:08x}-{index:04x}-4b1c-9e9f-{rng.getrandbits(48):012x}"
        folder = f"/store/mc/RunIISummer20UL16/{number:06}/MINIAODSIM/106X/{index:05}"
        files = [
            {
                "name": f"{folder}/{rng.getrandbits(64):016x}.root",
                "size": rng.randrange(10**8, 4 * 10**9),
                "adler32": f"{rng.getrandbits(32):08x}",
            }
            for _ in range(2 + (index % 5 < 2))
        ]
        blocks.append({"name": block, "last_update": NOW - rng.randrange(10**7), "files": files})
        parts_of.append(block)
    replicas: list[dict[str, Any]] = [
        {
            "dataset": name,
            "site": f"T2_Site_{site:02}",
            "group": rng.choice(GROUPS),
            "blockreplicas": [
                {"block": block, "last_update": NOW - rng.randrange(10**7)} for block in (parts_of if copy < 2 else parts_of[:4])
            ],
        }
        for copy, site in enumerate(rng.sample(range(NUM_SITES), 3))
    ]
    facts = {"dataset": name, "usage_rank": rng.randrange(400), "num_access": rng.randrange(50)}
    dataset = {"name": name, "status": "valid", "is_open": False, "last_update": NOW - 10**6, "blocks": blocks}
    return {"dataset": [dataset], "datasetreplica": replicas, "attrs": [facts]}
