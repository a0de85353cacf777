"""Random small cycles for Hypothesis: inventories with all oddities of the language page, and policies as text.

Both are tuned so that at least half of the cases delete something; ``tests/unit/policies/test_strategies.py`` measures
it. The policies use every kind of rule, every variable and every operator on few values, so that rules often meet.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from policies.evaluation.columns import OPTIONAL_COLUMNS, Snapshot
from tests.factories.inventories import DAY, TB
from tests.factories.snapshots import NOW, load_inventory

DATASETS = ("/A/x/RAW", "/A/y/AOD", "/B/x/RAW", "/B/xy/MINIAOD")
BLOCKS = ("b1", "b2", "b3")
GROUPS = ("AnalysisOps", "DataOps", "RelVal", "local")
#: Moments around the limits that the conditions name (90 and 30 days ago), and the limit itself.
TIMES = tuple(int(NOW) - days * DAY for days in (0, 10, 30, 31, 90, 400))

PARTITIONS = """\
ALL: site.name == *
DISK: site.storage_type == DISK
A: blockreplica.owner == AnalysisOps and site.storage_type == DISK
D: blockreplica.owner == DataOps
N: blockreplica.owner == None
T: site.storage_type == MSS
OLD: blockreplica.last_update older_than 20 days ago or dataset.name == */RAW
AD: [A, D]
DT: [D, T]
ADN: [AD, N]
WIDE: [OLD, D]
"""
PARTITION_NAMES = ("ALL", "ALL", "ALL", "DISK", "DISK", "A", "D", "N", "T", "OLD", "AD", "DT", "ADN", "WIDE")


@dataclass(frozen=True, slots=True)
class RandomCycle:
    """All that a cycle reads, as text where users write text."""

    policy: str
    partition: str
    guardrails: tuple[str, ...]
    deletion_per_iteration: float
    document: dict[str, Any]
    unknown: dict[str, tuple[bool, ...] | None]

    def snapshot(self, leaves: tuple[str, ...]) -> Snapshot:
        """Return the snapshot with the facts made unknown that ``unknown`` names: a column, or some of its rows."""
        snapshot = load_inventory([self.document]).snapshot(leaves)
        frames = {"datasets": snapshot.datasets, "replicas": snapshot.replicas, "block_replicas": snapshot.block_replicas}
        for name, rows in self.unknown.items():
            frame, column, _ = OPTIONAL_COLUMNS[name]
            if rows is None:
                frames[frame] = frames[frame].drop(column)
                continue
            mask = pl.Series([rows[row % len(rows)] for row in range(frames[frame].height)], dtype=pl.Boolean)
            frames[frame] = frames[frame].with_columns(pl.when(mask).then(None).otherwise(pl.col(column)).alias(column))
        return Snapshot(snapshot.sites, snapshot.groups, blocks=snapshot.blocks, taken_at=snapshot.taken_at, **frames)


# -- inventories -------------------------------------------------------------------------------------------------------


@st.composite
def documents(draw: DrawFn) -> dict[str, Any]:
    """Draw an inventory of a few sites and datasets."""
    sites = draw(_sites())
    datasets = draw(st.lists(st.sampled_from(DATASETS), min_size=1, max_size=4, unique=True).map(sorted))
    described = [draw(_dataset(name)) for name in datasets]
    replicas = [found for dataset in described for site in sites if (found := draw(_replica(dataset, site["name"]))) is not None]
    partitions = [line.split(":")[0] for line in PARTITIONS.splitlines() if "[" not in line]
    return {
        "site": sites,
        "group": [
            {"name": name, "olevel": level} for name, level in zip(GROUPS, ("Dataset", "Block", "Dataset", "Block"), strict=True)
        ],
        "dataset": described,
        "datasetreplica": replicas,
        "attrs": [draw(_attrs(dataset, [site["name"] for site in sites])) for dataset in described],
        "sitepartition": [
            {"site": site["name"], "partition": partition, "quota": quota}
            for site in sites
            for partition in partitions
            if (quota := draw(st.sampled_from((0, TB, 2 * TB, 5 * TB, 10 * TB, 10 * TB, 100 * TB, None)))) is not None
        ],
    }


@st.composite
def _sites(draw: DrawFn) -> list[dict[str, Any]]:
    statuses = st.sampled_from(("ready", "ready", "ready", "waitroom", "morgue", "unknown"))
    found = [{"name": name, "storage_type": "disk", "status": draw(statuses)} for name in ("S1", "S2")]
    if draw(st.booleans()):
        found.append(
            {"name": "S3", "storage_type": draw(st.sampled_from(("disk", "buffer", "unknown"))), "status": draw(statuses)}
        )
    if draw(st.booleans()):
        found.append({"name": "X_MSS", "storage_type": "mss", "status": draw(statuses)})
    return found


@st.composite
def _dataset(draw: DrawFn, name: str) -> dict[str, Any]:
    blocks = BLOCKS[: draw(st.sampled_from((1, 2, 2, 3, 3, 0)))]
    attributes = draw(
        st.sampled_from(({}, {"tier": "RAW", "runs": 7}, {"tier": "AOD", "good": True}, {"runs": 3.5, "good": False}))
    )
    return {
        "name": name,
        "status": draw(st.sampled_from(("valid", "valid", "production", "invalid"))),
        "last_update": draw(st.sampled_from(TIMES)),
        "software_version": draw(st.sampled_from((None, [10, 6, 0, ""], [10, 6, 0, "x"]))),
        "attributes": attributes,
        "blocks": [
            {"name": block, "size": draw(st.sampled_from((0, TB, TB, 2 * TB))), "num_files": 10, "last_update": 0}
            for block in blocks
        ],
    }


@st.composite
def _replica(draw: DrawFn, dataset: dict[str, Any], site: str) -> dict[str, Any] | None:
    if not draw(st.sampled_from((True, True, True, False))):
        return None
    is_pure = draw(st.booleans())
    group = draw(st.sampled_from((*GROUPS, None)))
    parts = []
    for block in dataset["blocks"]:
        presence = draw(st.sampled_from(("complete", "complete", "complete", "complete", "partial", "absent")))
        if presence == "absent":
            continue
        part = {"block": block["name"], "last_update": draw(st.sampled_from(TIMES))}
        if not is_pure:
            part["group"] = draw(st.sampled_from(("AnalysisOps", "DataOps", "DataOps", "RelVal", "local", None)))
        if presence == "partial":
            part |= draw(
                st.sampled_from(({"size": 0, "num_files": 0}, {"size": block["size"] // 2, "num_files": 5}, {"num_files": 9}))
            )
        parts.append(part)
    return {"dataset": dataset["name"], "site": site, "group": group, "growing": True, "blockreplicas": parts}


@st.composite
def _attrs(draw: DrawFn, dataset: dict[str, Any], sites: list[str]) -> dict[str, Any]:
    small = st.sampled_from((0, 1, 5, 5.5, 10))
    locked = draw(st.sampled_from((None, None, "some", "all")))
    where = draw(st.sampled_from(sites))
    return {
        "dataset": dataset["name"],
        "usage_rank": draw(small),
        "demand_rank": draw(small),
        "num_access": draw(small),
        "last_access": draw(st.sampled_from((0, *TIMES))),
        "tape_copy_requested": draw(st.booleans()),
        "unhandled_copy_exists": draw(st.booleans()),
        "unknown_in_all_dbs": draw(st.booleans()),
        "on_protected_site": draw(st.booleans()),
        "latest_production_release": draw(st.booleans()),
        "locked_blocks": {} if locked is None else {where: ["b2"] if locked == "some" else None},
        "enforcer_protected_replicas": draw(st.sampled_from(([], [where]))),
    }


@st.composite
def _unknown(draw: DrawFn) -> dict[str, tuple[bool, ...] | None]:
    """Draw which facts were not loaded: None for a whole column, else which of its rows."""
    names = draw(st.lists(st.sampled_from(sorted(OPTIONAL_COLUMNS)), max_size=3, unique=True))
    return {name: draw(st.none() | st.tuples(st.booleans(), st.booleans(), st.booleans())) for name in names}


# -- policies ----------------------------------------------------------------------------------------------------------

_NUMBER = st.sampled_from(("0", "1", "2", "3", "5.5", "1e1"))
_SIZE = st.sampled_from(("0", "1 TB", "2 TB", "3e12", "1.5 TB"))
_MOMENT = st.sampled_from(("30 days ago", "90 days ago", "60 days ago", "2025-12-31", "@0"))
_NAME = st.sampled_from(("/A/*", "*/RAW", "/A/x/RAW", "/?/x*/*", "/[AB]/y/*", "/C/*", "*"))
_OWNER = st.sampled_from(("AnalysisOps", "DataOps", "RelVal", "None", "*Ops", "local"))
_SITE = st.sampled_from(("S1", "S2", "S3", "S*", "*_MSS", "X_MSS"))
_NUMERIC = st.sampled_from(("==", "!=", "<", ">", "<=", ">="))
_EQUAL = st.sampled_from(("==", "!="))


def _joined(*parts: str | SearchStrategy[str]) -> SearchStrategy[str]:
    return st.tuples(*(st.just(part) if isinstance(part, str) else part for part in parts)).map(" ".join)


def _listed(element: SearchStrategy[str]) -> SearchStrategy[str]:
    elements = st.lists(element, max_size=3).map(lambda found: "[" + " ".join(found) + "]")
    return _joined(st.sampled_from(("in", "notin")), elements)


def _flag(*names: str) -> SearchStrategy[str]:
    return _joined(st.sampled_from(("", "not")), st.sampled_from(names)).map(str.strip)


_DATASET_PREDICATE = st.one_of(
    _joined("dataset.name", _EQUAL, _NAME),
    _joined("dataset.name", _listed(_NAME)),
    _joined("dataset.name", st.sampled_from(("=~", "!=~")), st.sampled_from(("/A/", "/.*/RAW$", "/[^/]+/x", "(?:/A|/B)/y/.+"))),
    _joined("dataset.status", _EQUAL, st.sampled_from(("VALID", "INVALID", "PRODUCTION"))),
    _joined("dataset.status in [VALID INVALID]"),
    _joined("dataset.on_tape", _EQUAL, st.sampled_from(("NONE", "PARTIAL", "FULL"))),
    _joined("dataset.release", _EQUAL, st.sampled_from(("10_6_0", "10_6_*"))),
    _joined(st.sampled_from(("dataset.usage_rank", "dataset.demand_rank", "replica.num_access")), _NUMERIC, _NUMBER),
    _joined("dataset.size", _NUMERIC, _SIZE),
    _joined(
        st.sampled_from(("dataset.last_update", "dataset.last_access")), st.sampled_from(("older_than", "newer_than")), _MOMENT
    ),
    _joined("dataset.num_full_disk_copy", _NUMERIC, _NUMBER),
    _joined("dataset.num_full_disk_copy", _NUMERIC, _NUMBER),
    _flag(
        "dataset.tape_copy_requested",
        "dataset.is_latest_production_release",
        "dataset.on_protected_site",
        "dataset.unknown_in_all_dbs",
        "dataset.unhandled_copy_exists",
        "dataset.attr.good",
    ),
    _joined("dataset.attr.tier", _EQUAL, st.sampled_from(("RAW", "A*"))),
    _joined("dataset.attr.runs", _NUMERIC, _NUMBER),
)
_REPLICA_PREDICATE = st.one_of(
    _joined("replica.size", _NUMERIC, _SIZE),
    _flag("replica.incomplete", "replica.enforcer_protected"),
    _joined(
        st.sampled_from(("replica.last_block_created", "replica.first_block_created")),
        st.sampled_from(("older_than", "newer_than")),
        _MOMENT,
    ),
    _joined(
        st.sampled_from(("replica.num_full_disk_copy_common_owner", "replica.num_full_other_copy_common_owner")),
        _NUMERIC,
        _NUMBER,
    ),
    _joined("site.name", _EQUAL, _SITE),
    _joined("site.name", _listed(_SITE)),
    _joined("site.status", _EQUAL, st.sampled_from(("READY", "MORGUE"))),
    _joined("site.storage_type", _EQUAL, st.sampled_from(("DISK", "MSS"))),
)
_BLOCK_PREDICATE = st.one_of(
    _joined("blockreplica.owner", _EQUAL, _OWNER),
    _joined("blockreplica.owner", _EQUAL, _OWNER),
    _joined("blockreplica.owner", _listed(_OWNER)),
    _joined("blockreplica.last_update", st.sampled_from(("older_than", "newer_than")), _MOMENT),
    _flag("blockreplica.is_locked", "blockreplica.on_tape", "blockreplica.is_last_transfer_source"),
    _joined("blockreplica.num_full_disk_copy", _NUMERIC, _NUMBER),
    _joined("blockreplica.age_relative_to_newest", _NUMERIC, st.sampled_from(("0", "1000000", "864000"))),
)
_PREDICATE = st.one_of(_DATASET_PREDICATE, _REPLICA_PREDICATE, _BLOCK_PREDICATE)
_WINDOW = st.sampled_from(
    ("", "", "", "", "", "", "", " until 2026-06-01", " until 2025-06-01", " from 2025-06-01", " from 2026-06-01")
)


def _grouped(inner: SearchStrategy[str]) -> SearchStrategy[str]:
    several = st.lists(inner, min_size=2, max_size=3)
    return st.one_of(
        several.map(lambda found: "(" + " or ".join(found) + ")"),
        several.map(lambda found: "not (" + " and ".join(found) + ")"),
        inner.map(lambda found: f"not ({found})"),
    )


def conditions(predicate: SearchStrategy[str] = _PREDICATE) -> SearchStrategy[str]:
    """Draw a replica condition: mostly one or two predicates, at times with groups, negations and a window."""
    operand = st.one_of(predicate, predicate, predicate, _grouped(st.one_of(predicate, predicate, _grouped(predicate))))
    anded = st.lists(operand, min_size=1, max_size=2).map(" and ".join)
    return _joined(st.one_of(anded, anded, anded, _joined(anded, "or", anded)), _WINDOW).map(str.rstrip)


_OCCUPANCY = st.sampled_from(("0.1", "0.25", "0.5", "0.9", "50 %"))
_SITE_CONDITION = st.one_of(
    _joined("site.occupancy", st.sampled_from(("<", ">", "<=")), _OCCUPANCY),
    _joined("site.status", _EQUAL, st.just("MORGUE")),
    _joined("site.quota > 3 TB"),
    _joined("site.storage_type == DISK and site.occupancy < 0.5"),
)
_ORDER_VARIABLES = (
    "dataset.usage_rank",
    "dataset.last_update",
    "dataset.last_access",
    "dataset.size",
    "dataset.num_full_disk_copy",
    "replica.size",
    "replica.last_block_created",
    "replica.num_full_other_copy_common_owner",
    "dataset.attr.runs",
)


@st.composite
def policy_texts(draw: DrawFn, partition: str) -> str:
    """Draw the text of a policy on *partition*."""
    is_always = draw(st.sampled_from((True, True, False)))
    lines = [f"Partition {partition}", *(f"On {line}" for line in draw(_targets()))]
    triggers = ["always"] if is_always else draw(st.lists(_SITE_CONDITION, min_size=1, max_size=2))
    lines += [f"When {trigger}" for trigger in triggers]
    stop = draw(st.one_of(st.just("never"), _SITE_CONDITION, _joined("site.occupancy <", _OCCUPANCY)))
    lines.append(f"Until {stop}")
    lines += draw(st.lists(_rule(), min_size=1, max_size=6))
    lines.append(draw(st.sampled_from(("Dismiss", "Dismiss", "Dismiss", "Protect", "Protect", "Delete", "Ignore"))))
    if draw(st.booleans()):
        keys = draw(
            st.lists(
                _joined(st.sampled_from(("increasing", "decreasing")), st.sampled_from(_ORDER_VARIABLES)), min_size=1, max_size=2
            )
        )
        lines.append("Order " + " ".join(keys))
    if draw(st.sampled_from((False, False, False, True))):
        lines.append("Algo Static")
    return "\n".join(lines) + "\n"


def _targets() -> SearchStrategy[list[str]]:
    rare = st.lists(st.one_of(_joined("site.name", _EQUAL, _SITE), _SITE_CONDITION), min_size=1, max_size=2)
    everything = st.just(["site.name == *"])
    return st.one_of(everything, everything, everything, st.just(["site.storage_type == DISK"]), rare)


@st.composite
def _rule(draw: DrawFn) -> str:
    action = draw(
        st.sampled_from(
            (
                "Dismiss",
                "Dismiss",
                "Delete",
                "Protect",
                "Protect",
                "Ignore",
                "ProtectBlock",
                "DismissBlock",
                "DismissBlock",
                "DeleteBlock",
                "DeleteBlock",
            )
        )
    )
    label = draw(st.sampled_from(("", "", "", "", "", "@a(owner=x, expires=2025-12-31) ", "@b(owner=y, expires=2026-01-31) ")))
    predicate = st.one_of(_BLOCK_PREDICATE, _PREDICATE) if action.endswith("Block") else _PREDICATE
    return f"{action} {label}{draw(conditions(predicate))}"


@st.composite
def random_cycles(draw: DrawFn) -> RandomCycle:
    """Draw a whole cycle."""
    partition = draw(st.sampled_from(PARTITION_NAMES))
    document = draw(documents())
    if partition in ("ALL", "DISK", "A", "D", "N", "T", "OLD") and draw(st.booleans()):
        # A negative quota is allowed where the partition is no part of the one that is evaluated.
        for row in document["sitepartition"]:
            if row["partition"] == partition and draw(st.booleans()):
                row["quota"] = -1
                break
    return RandomCycle(
        policy=draw(policy_texts(partition)),
        partition=partition,
        guardrails=tuple(draw(st.one_of(st.just([]), st.just([]), st.lists(conditions(), min_size=1, max_size=2)))),
        deletion_per_iteration=draw(st.sampled_from((0.01, 0.01, 0.05, 0.2, 1.0))),
        document=document,
        unknown=draw(st.one_of(st.just({}), st.just({}), _unknown())),
    )
