"""Random small inventories with all oddities of the language page: incomplete and empty copies, owners, locks, strange quotas."""

from __future__ import annotations

from typing import Any

from policies.evaluation.columns import OPTIONAL_COLUMNS
from tests.factories.inventories import DAY, TB
from tests.factories.random_choices import Choices, DrawInteger, next_choices
from tests.factories.snapshots import NOW

DATASETS = ("/A/x/RAW", "/A/y/AOD", "/B/x/RAW", "/B/xy/MINIAOD", "/C/y/RAW", "/C/x/AOD", "/A/xx/RAW", "/a/x/RAW")
BLOCKS = ("b1", "b2", "b3")
GROUPS = {"AnalysisOps": "Dataset", "DataOps": "Block", "RelVal": "Dataset", "local": "Block"}
#: Moments around the limits that the conditions name (90 and 30 days ago), and the limit itself.
TIMES = tuple(int(NOW) - days * DAY for days in (0, 10, 30, 31, 90, 400))


def random_document(integer: DrawInteger, quota_partitions: tuple[str, ...]) -> dict[str, Any]:
    """Return an inventory of a few sites and datasets, with quotas of *quota_partitions*."""
    is_large = integer(0, 5) == 5
    sites = _sites(next_choices(integer), is_large=is_large)
    datasets = [_dataset(name, next_choices(integer)) for name in DATASETS[: integer(1, 8 if is_large else 4)]]
    replicas = [_replica(dataset, site["name"], next_choices(integer)) for dataset in datasets for site in sites]
    quota = next_choices(integer)
    # A negative quota is allowed where the partition is no part of the one that is evaluated.
    special = (-1, -1, 0, None) if len(quota_partitions) == 1 else (0, None)
    return {
        "site": sites,
        "group": [{"name": name, "olevel": level} for name, level in GROUPS.items()],
        "dataset": datasets,
        "datasetreplica": [replica for replica in replicas if replica is not None],
        "attrs": [_attrs(dataset["name"], [site["name"] for site in sites], next_choices(integer)) for dataset in datasets],
        "sitepartition": [
            {"site": site["name"], "partition": partition, "quota": size}
            for site in sites
            for partition in quota_partitions
            if (size := quota(10 * TB, 5 * TB, 2 * TB, TB, 10 * TB, 100 * TB, 3 * TB, *special)) is not None
        ],
    }


def _sites(choose: Choices, *, is_large: bool) -> list[dict[str, Any]]:
    def status() -> str:
        return choose(*["ready"] * 6, "waitroom", "morgue", "unknown")

    found = [
        {"name": name, "storage_type": "disk", "status": status()} for name in ("S1", "S2", "S4", "S5")[: 4 if is_large else 2]
    ]
    if choose(False, True):
        found.append({"name": "S3", "storage_type": choose("disk", "buffer", "unknown"), "status": status()})
    if choose(False, True):
        found.append({"name": "X_MSS", "storage_type": "mss", "status": status()})
    return found


def _dataset(name: str, choose: Choices) -> dict[str, Any]:
    blocks = BLOCKS[: choose(1, 2, 2, 3, 3, 3, 3, 0)]
    return {
        "name": name,
        "status": choose("valid", "valid", "production", "invalid"),
        "last_update": choose(*TIMES),
        "software_version": choose([10, 6, 0, ""], [10, 6, 0, "x"], None),
        "attributes": choose({}, {"tier": "RAW", "runs": 7}, {"tier": "AOD", "good": True}, {"runs": 3.5, "good": False}),
        "blocks": [{"name": block, "size": choose(TB, TB, 2 * TB, 0), "num_files": 10, "last_update": 0} for block in blocks],
    }


def _replica(dataset: dict[str, Any], site: str, choose: Choices) -> dict[str, Any] | None:
    if not choose(*[True] * 7, False):
        return None
    is_pure = choose(True, False, False)
    group = choose("AnalysisOps", "DataOps", "RelVal", "local", None)
    parts = []
    for block in dataset["blocks"]:
        part: dict[str, Any] = {"block": block["name"], "last_update": choose(*TIMES)}
        if not is_pure:
            part["group"] = choose(
                "AnalysisOps", "AnalysisOps", "DataOps", "DataOps", "DataOps", "RelVal", "RelVal", "local", None
            )
        presence = choose(*["complete"] * 14, "nothing", "half", "a file less", "absent", "absent")
        if presence != "absent":
            size = block["size"]
            holds = {"nothing": (0, 0), "half": (size // 2, 5), "a file less": (size, 9)}.get(presence, (size, 10))
            parts.append(part | dict(zip(("size", "num_files"), holds, strict=True)))
    return {"dataset": dataset["name"], "site": site, "group": group, "growing": True, "blockreplicas": parts}


def _attrs(name: str, sites: list[str], choose: Choices) -> dict[str, Any]:
    where = choose(*sites)
    flags = (
        "tape_copy_requested",
        "unhandled_copy_exists",
        "unknown_in_all_dbs",
        "on_protected_site",
        "latest_production_release",
    )
    return {
        "dataset": name,
        "last_access": choose(0, *TIMES),
        "locked_blocks": choose({}, {}, {}, {where: ["b2"]}, {where: None}),
        "enforcer_protected_replicas": choose([], [], [], [where]),
        **{rank: choose(0, 1, 5, 5.5, 10) for rank in ("usage_rank", "demand_rank", "num_access")},
        **{flag: choose(False, True) for flag in flags},
    }


def random_unknown(choose: Choices) -> dict[str, tuple[bool, ...]]:
    """Choose which facts are unknown, in which rows (repeated)."""
    names = {choose(*sorted(OPTIONAL_COLUMNS)) for _ in range(choose(0, 0, 0, 1, 2, 3))}
    return {name: choose((True,), (True, False), (False, True, False), (True, True, False)) for name in sorted(names)}
