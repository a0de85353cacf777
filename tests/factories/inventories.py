"""Small inventory documents in a few words, for tests that need one fact of the language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TB = 10**12
#: 2024-11-27T00:00:00Z, long before the shared clock: the ``last_update`` of what a test does not care about.
LONG_AGO = 1732665600
DAY = 86400

#: Owners of the tests: the ownership level decides about handing over.
GROUPS = (
    {"name": "AnalysisOps", "olevel": "Dataset"},
    {"name": "DataOps", "olevel": "Block"},
    {"name": "RelVal", "olevel": "Dataset"},
)

PARTITIONS = """\
P: site.storage_type == DISK
ALL: site.name == *
A: blockreplica.owner == AnalysisOps and site.storage_type == DISK
D: blockreplica.owner == DataOps and site.storage_type == DISK
T: site.storage_type == MSS
AD: [A, D]
"""


def site(name: str, storage_type: str = "disk", status: str = "ready") -> dict[str, Any]:
    """Return a site."""
    return {"name": name, "storage_type": storage_type, "status": status}


def dataset(name: str, blocks: Sequence[str] = ("b1",), *, size: int = TB, **more: Any) -> dict[str, Any]:
    """Return a dataset whose blocks have *size* bytes in ten files each."""
    document = {"name": name, "status": "valid", "last_update": LONG_AGO, "software_version": [10, 6, 0, ""]}
    document["blocks"] = [{"name": block, "size": size, "num_files": 10, "last_update": LONG_AGO} for block in blocks]
    return document | more


def replica(
    name: str, at: str, blocks: Mapping[str, Mapping[str, Any]] | Sequence[str] = ("b1",), *, group: str | None = "AnalysisOps"
) -> dict[str, Any]:
    """Return a replica of dataset *name* at the site *at*; *blocks* may say what differs per block."""
    special = blocks if isinstance(blocks, Mapping) else {block: {} for block in blocks}
    parts = [{"block": block, "last_update": LONG_AGO} | dict(more) for block, more in special.items()]
    return {"dataset": name, "site": at, "group": group, "growing": True, "blockreplicas": parts}


def document(
    sites: Sequence[Mapping[str, Any]],
    datasets: Sequence[Mapping[str, Any]],
    replicas: Sequence[Mapping[str, Any]],
    *,
    quotas: Mapping[str, int] | Mapping[tuple[str, str], int] | None = None,
    attrs: Sequence[Mapping[str, Any]] = (),
    partition: str = "P",
) -> dict[str, Any]:
    """Return one inventory document; *quotas* go by site name or by (site, partition), 10 TB each where not given."""
    given = quotas if quotas is not None else {found["name"]: 10 * TB for found in sites}
    rows = []
    for key, quota in given.items():
        name, of = key if isinstance(key, tuple) else (key, partition)
        rows.append({"site": name, "partition": of, "quota": quota})
    return {
        "site": list(sites),
        "group": list(GROUPS),
        "dataset": list(datasets),
        "datasetreplica": list(replicas),
        "attrs": list(attrs),
        "sitepartition": rows,
    }
