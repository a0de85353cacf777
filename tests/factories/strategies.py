"""Random small cycles for Hypothesis: inventories with all oddities of the language page, and policies as text.

Both are tuned so that at least half of the cases delete something; ``tests/unit/policies/test_strategies.py`` measures
it. The policies use every kind of rule, every variable and every operator on few values, so that rules often meet.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import polars as pl
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from policies.evaluation.columns import OPTIONAL_COLUMNS, Snapshot
from tests.factories.inventories import DAY, TB
from tests.factories.snapshots import NOW, load_inventory

DATASETS = ("/A/x/RAW", "/A/y/AOD", "/B/x/RAW", "/B/xy/MINIAOD", "/C/y/RAW", "/C/x/AOD", "/A/xx/RAW", "/a/x/RAW")
BLOCKS = ("b1", "b2", "b3")
GROUPS = {"AnalysisOps": "Dataset", "DataOps": "Block", "RelVal": "Dataset", "local": "Block"}
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
RICH: blockreplica.num_full_disk_copy > 1 or replica.size > 2 TB or dataset.on_tape == FULL
CROWD: [RICH, N]
"""
PARTITION_NAMES = (
    *(*["ALL"] * 9, *["DISK"] * 5, *["AD"] * 5, *["WIDE"] * 4),
    *("DT", "ADN", "ADN", "A", "D", "OLD", "OLD", "N", "T", "RICH", "CROWD", "CROWD"),
)
#: The partitions without parts that each of them unites.
LEAVES = {
    "ALL": ("ALL",),
    "DISK": ("DISK",),
    "A": ("A",),
    "D": ("D",),
    "N": ("N",),
    "T": ("T",),
    "OLD": ("OLD",),
    "AD": ("A", "D"),
    "DT": ("D", "T"),
    "ADN": ("A", "D", "N"),
    "WIDE": ("OLD", "D"),
    "RICH": ("RICH",),
    "CROWD": ("RICH", "N"),
}


@dataclass(frozen=True, slots=True)
class RandomCycle:
    """All that a cycle reads, as text where users write text."""

    policy: str
    partition: str
    guardrails: tuple[str, ...]
    deletion_per_iteration: float
    document: dict[str, Any]
    unknown: dict[str, tuple[bool, ...]]

    def snapshot(self) -> Snapshot:
        """Return the snapshot with the facts made unknown that ``unknown`` names, in some of its rows."""
        snapshot = load_inventory([self.document]).snapshot(LEAVES[self.partition])
        frames = {"datasets": snapshot.datasets, "replicas": snapshot.replicas, "block_replicas": snapshot.block_replicas}
        for name, rows in self.unknown.items():
            frame, column, _ = OPTIONAL_COLUMNS[name]
            mask = pl.Series([rows[row % len(rows)] for row in range(frames[frame].height)], dtype=pl.Boolean)
            frames[frame] = frames[frame].with_columns(pl.when(mask).then(None).otherwise(pl.col(column)).alias(column))
        return Snapshot(snapshot.sites, snapshot.groups, blocks=snapshot.blocks, taken_at=snapshot.taken_at, **frames)


# -- inventories -------------------------------------------------------------------------------------------------------


class Choices:
    """Uniform choices for one object (a site list, a dataset, a rule) out of one drawn number.

    One draw each keeps thousands of cycles affordable; what is shrunk is how many objects there are.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def __call__(self, *options: Any) -> Any:
        return self._random.choice(options)


#: Draws an integer between two bounds, both included: Hypothesis's, or that of a seeded generator.
DrawInteger = Callable[[int, int], int]


def _next(integer: DrawInteger) -> Choices:
    # Below 2**24 Hypothesis draws uniformly; above it prefers small numbers, so the same few objects again and again.
    return Choices(integer(0, 2**24 - 1))


def _document(integer: DrawInteger, quota_partitions: tuple[str, ...]) -> dict[str, Any]:
    """Return an inventory of a few sites and datasets, with quotas of *quota_partitions*."""
    is_large = integer(0, 5) == 5
    sites = _sites(_next(integer), is_large=is_large)
    datasets = [_dataset(name, _next(integer)) for name in DATASETS[: integer(1, 8 if is_large else 4)]]
    replicas = [_replica(dataset, site["name"], _next(integer)) for dataset in datasets for site in sites]
    quota = _next(integer)
    # A negative quota is allowed where the partition is no part of the one that is evaluated.
    special = (-1, -1, 0, None) if len(quota_partitions) == 1 else (0, None)
    return {
        "site": sites,
        "group": [{"name": name, "olevel": level} for name, level in GROUPS.items()],
        "dataset": datasets,
        "datasetreplica": [replica for replica in replicas if replica is not None],
        "attrs": [_attrs(dataset["name"], [site["name"] for site in sites], _next(integer)) for dataset in datasets],
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


def _unknown(choose: Choices) -> dict[str, tuple[bool, ...]]:
    """Choose which facts are unknown, in which rows (repeated)."""
    names = {choose(*sorted(OPTIONAL_COLUMNS)) for _ in range(choose(0, 0, 0, 1, 2, 3))}
    return {name: choose((True,), (True, False), (False, True, False), (True, True, False)) for name in sorted(names)}


# -- policies ----------------------------------------------------------------------------------------------------------

Options = tuple[str, ...]

_NUMBER: Options = ("1", "2", "0", "3", "5.5", "1e1")
_SIZE: Options = ("1 TB", "0", "2 TB", "3e12", "1.5 TB")
_MOMENT: Options = ("30 days ago", "90 days ago", "60 days ago", "2025-12-31", "@0")
_NAME: Options = ("*", "/A/*", "*/RAW", "/A/x/RAW", "/?/x*/*", "/[AB]/y/*", "/C/*")
_RE: Options = ("/A/", "/.*/RAW$", "/[^/]+/x", "(?:/A|/B)/y/.+")
_OWNER: Options = ("AnalysisOps", "DataOps", "RelVal", "None", "*Ops", "local")
_SITE: Options = ("S1", "S2", "S3", "S*", "*_MSS", "X_MSS")
_NUMERIC: Options = ("==", "!=", "<", ">", "<=", ">=")
_EQUAL: Options = ("==", "!=")
_MATCH: Options = ("=~", "!=~")
_WHEN: Options = ("older_than", "newer_than")
_NOT: Options = ("", "not")


@dataclass(frozen=True, slots=True)
class _Listed:
    """``in [...]`` or ``notin [...]`` of up to three of the options."""

    options: Options


#: A predicate: what stands in it word by word; options are chosen from.
Template = tuple[str | Options | _Listed, ...]

_DATASET_PREDICATES: tuple[Template, ...] = (
    ("dataset.name", _EQUAL, _NAME),
    ("dataset.name", _Listed(_NAME)),
    ("dataset.name", _MATCH, _RE),
    ("dataset.status", _EQUAL, ("VALID", "INVALID", "PRODUCTION")),
    ("dataset.status", _Listed(("VALID", "INVALID", "UNKNOWN"))),
    ("dataset.on_tape", _EQUAL, ("NONE", "PARTIAL", "FULL")),
    ("dataset.on_tape", _EQUAL, ("NONE", "PARTIAL", "FULL")),
    ("dataset.release", _EQUAL, ("10_6_0", "10_6_*")),
    (("dataset.usage_rank", "dataset.demand_rank", "replica.num_access"), _NUMERIC, _NUMBER),
    ("replica.num_access", _Listed(_NUMBER)),
    ("dataset.size", _NUMERIC, _SIZE),
    (("dataset.last_update", "dataset.last_access"), _WHEN, _MOMENT),
    ("dataset.num_full_disk_copy", _NUMERIC, _NUMBER),
    ("dataset.num_full_disk_copy", (">", "<"), ("1", "2")),
    (_NOT, ("dataset.tape_copy_requested", "dataset.is_latest_production_release", "dataset.on_protected_site")),
    (_NOT, ("dataset.unknown_in_all_dbs", "dataset.unhandled_copy_exists", "dataset.attr.good")),
    ("dataset.attr.tier", _EQUAL, ("RAW", "A*")),
    ("dataset.attr.runs", _NUMERIC, _NUMBER),
)
_REPLICA_PREDICATES: tuple[Template, ...] = (
    ("replica.size", _NUMERIC, _SIZE),
    (_NOT, ("replica.incomplete", "replica.enforcer_protected")),
    (("replica.last_block_created", "replica.first_block_created"), _WHEN, _MOMENT),
    ("replica.num_full_disk_copy_common_owner", _NUMERIC, _NUMBER),
    ("replica.num_full_other_copy_common_owner", _NUMERIC, _NUMBER),
    ("replica.num_full_other_copy_common_owner", (">", "=="), ("0", "1")),
    ("site.name", _EQUAL, _SITE),
    ("site.name", _Listed(_SITE)),
    ("site.status", _EQUAL, ("READY", "MORGUE")),
    ("site.storage_type", _EQUAL, ("DISK", "MSS")),
)
#: Often true, so that what comes behind them in the stack or the condition is reached.
_EASY_PREDICATES: tuple[Template, ...] = (
    ("dataset.name == *",),
    ("site.name", ("==",), ("S*", "S1", "S2")),
    ("replica.size > 0",),
    ("dataset.last_update older_than 20 days ago",),
    ("blockreplica.owner", ("==", "!="), ("DataOps", "AnalysisOps", "None")),
)
_BLOCK_PREDICATES: tuple[Template, ...] = (
    ("blockreplica.owner", _EQUAL, _OWNER),
    ("blockreplica.owner", ("==",), ("DataOps", "AnalysisOps")),
    ("blockreplica.owner", _Listed(_OWNER)),
    ("blockreplica.last_update", _WHEN, _MOMENT),
    (_NOT, ("blockreplica.is_locked", "blockreplica.on_tape", "blockreplica.is_last_transfer_source")),
    ("blockreplica.num_full_disk_copy", _NUMERIC, _NUMBER),
    ("blockreplica.age_relative_to_newest", _NUMERIC, ("864000", "0", "1000000")),
)
_ALL_PREDICATES = _DATASET_PREDICATES + _REPLICA_PREDICATES + _BLOCK_PREDICATES
_OCCUPANCY: Options = ("0.25", "0.1", "0.5", "0.9", "50 %")
_SITE_CONDITIONS: tuple[Template, ...] = (
    ("site.occupancy", ("<", ">", "<="), _OCCUPANCY),
    ("site.status", _EQUAL, ("MORGUE",)),
    ("site.quota > 3 TB",),
    ("site.quota < 0",),
    ("site.occupancy > 0.5 until 2025-06-01",),
    ("site.name == * from 2025-06-01",),
    ("site.storage_type == DISK and site.occupancy < 0.5",),
    ("site.name", _EQUAL, _SITE),
)
_ORDER_VARIABLES: Options = (
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
_ACTIONS: Options = (
    *("Dismiss", "Delete", "Protect", "DismissBlock", "DeleteBlock", "ProtectBlock", "Ignore"),
    *("Dismiss", "Dismiss", "Delete", "Protect", "DismissBlock", "DismissBlock", "DeleteBlock"),
)
_WINDOWS: Options = (*[""] * 20, "until 2026-06-01", "until 2025-06-01", "from 2025-06-01", "from 2026-06-01")
_LABELS: Options = (*[""] * 8, "@a(owner=x, expires=2025-12-31)", "@b(owner=y, expires=2026-01-31)")


def _filled(template: Template, choose: Choices) -> str:
    words = []
    for word in template:
        if isinstance(word, _Listed):
            elements = [choose(*word.options) for _ in range(choose(1, 2, 3, 0))]
            words.append(f"{choose('in', 'notin')} [{' '.join(elements)}]")
        else:
            words.append(word if isinstance(word, str) else choose(*word))
    return " ".join(word for word in words if word)


def _operand(templates: tuple[Template, ...], choose: Choices, depth: int = 0) -> str:
    shape = choose(*["predicate"] * 10, "or", "not and", "not") if depth < 2 else "predicate"
    if shape == "predicate":
        return _filled(choose(*choose(templates, templates, _EASY_PREDICATES)), choose)
    if shape == "not":
        return f"not ({_operand(templates, choose, depth + 1)})"
    first, second = (_operand(templates, choose, depth + 1) for _ in range(2))
    return f"({first} or {second})" if shape == "or" else f"not ({first} and {second})"


def _condition(templates: tuple[Template, ...], choose: Choices) -> str:
    """Return a replica condition: mostly one or two predicates, at times with groups, negations and a window."""
    words = [_operand(templates, choose)]
    for _ in range(choose(0, 0, 0, 1, 1, 2)):
        words += [choose("and", "and", "and", "or"), _operand(templates, choose)]
    return " ".join([*words, choose(*_WINDOWS)]).rstrip()


def _rule(choose: Choices) -> str:
    action = choose(*_ACTIONS)
    templates = choose(_BLOCK_PREDICATES, _BLOCK_PREDICATES, _ALL_PREDICATES) if action.endswith("Block") else _ALL_PREDICATES
    return " ".join(word for word in (action, choose(*_LABELS), _condition(templates, choose)) if word)


#: Lines that belong together, so that hiding, ignoring, last copies and handing over meet often enough.
_MOTIFS: tuple[tuple[str, ...], ...] = (
    ("DismissBlock blockreplica.owner == DataOps", "Ignore site.name == S1"),
    ("DismissBlock blockreplica.last_update older_than 20 days ago", "Ignore dataset.num_full_disk_copy == 0"),
    ("ProtectBlock blockreplica.last_update newer_than 60 days ago", "Dismiss dataset.num_full_disk_copy == 0"),
    ("ProtectBlock blockreplica.owner == RelVal", "Protect dataset.num_full_disk_copy > 0", "Dismiss"),
    ("Protect dataset.num_full_disk_copy < 2", "Dismiss"),
    ("Protect dataset.num_full_disk_copy < 2", "Dismiss"),
    ("Protect replica.num_full_other_copy_common_owner == 0", "Dismiss replica.size > 0"),
    ("Protect replica.incomplete and site.storage_type == MSS",),
    ("DeleteBlock blockreplica.owner == DataOps",),
    ("DeleteBlock blockreplica.owner in [DataOps local]", "Protect"),
    ("Delete site.name == S2 and dataset.num_full_disk_copy > 1",),
)


def _lines(choose: Choices) -> list[str]:
    """Return a rule, or some that belong together; a bare action there stands for a rule that takes all."""
    if choose(False, False, True):
        return [line if " " in line else f"{line} dataset.name == *" for line in choose(*_MOTIFS)]
    return [_rule(choose)]


def _frame(partition: str, choose: Choices) -> tuple[list[str], list[str]]:
    """Return the lines above the rules and those below."""
    targets = choose(*[["site.name == *"]] * 8, ["site.storage_type == DISK"], None)
    triggers = choose(["always"], ["always"], ["always"], None)
    stops = choose(["never"], ["never"], None)
    above = [f"Partition {partition}"]
    for word, texts in (("On", targets), ("When", triggers), ("Until", stops)):
        drawn = texts or [_filled(choose(*_SITE_CONDITIONS), choose) for _ in range(choose(1, 2))]
        above += [f"{word} {text}" for text in drawn]
    below = [choose(*["Dismiss"] * 7, *["Protect"] * 3, "Delete", "Ignore")]
    keys = [f"{choose('increasing', 'decreasing')} {choose(*_ORDER_VARIABLES)}" for _ in range(choose(0, 1, 2))]
    below += [f"Order {' '.join(keys)}"] if keys else []
    below += choose([], [], ["Algo Static"])
    return above, below


def random_cycle(integer: DrawInteger) -> RandomCycle:
    """Return a whole cycle out of drawn integers."""
    choose = _next(integer)
    partition = choose(*PARTITION_NAMES)
    above, below = _frame(partition, choose)
    rules = [line for _ in range(integer(1, 5)) for line in _lines(_next(integer))]
    return RandomCycle(
        policy="\n".join([*above, *rules, *below]) + "\n",
        partition=partition,
        guardrails=tuple(_condition(_ALL_PREDICATES, choose) for _ in range(choose(0, 0, 0, 0, 0, 1, 2))),
        deletion_per_iteration=choose(0.01, 0.05, 0.2, 1.0, 0.0),
        unknown=_unknown(choose),
        document=_document(integer, LEAVES[partition]),
    )


@st.composite
def random_cycles(draw: DrawFn) -> RandomCycle:
    """Draw a whole cycle."""
    return random_cycle(lambda low, high: draw(st.integers(min_value=low, max_value=high)))


def seeded_cycle(seed: int) -> RandomCycle:
    """Return the cycle of *seed*: for long hunts, evenly spread where Hypothesis prefers variations of what it has seen."""
    return random_cycle(random.Random(seed).randint)
