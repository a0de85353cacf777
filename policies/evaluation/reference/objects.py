"""The inventory as plain objects, one per thing: what the reference evaluator walks through.

Nothing here is fast. The objects are read from the same ``Snapshot`` as the columns of the fast evaluator, and share
nothing else with it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from policies.evaluation.columns import NOBODY, NOBODY_NAME, Snapshot

#: What an attribute of an object may be; None is unknown.
Value = str | float | int | bool | None

_DATASET_FACTS = (
    "tape_copy_requested",
    "last_access",
    "usage_rank",
    "demand_rank",
    "is_latest_production_release",
    "on_protected_site",
    "unknown_in_all_dbs",
    "unhandled_copy_exists",
    "num_access",
)


@dataclass(eq=False, slots=True)
class Site:
    """A site with the partition's quota there (bytes; negative = unlimited)."""

    name: str
    status: str
    storage_type: str
    quota: int


@dataclass(eq=False, slots=True)
class Group:
    """An owner of block replicas; nobody is one too, by the name ``None`` (section 3)."""

    name: str
    is_dataset_level: bool


@dataclass(eq=False, slots=True)
class Block:
    """A block with the size (bytes) and the number of files that make a replica of it complete."""

    name: str
    size: int
    num_files: int


@dataclass(eq=False, slots=True)
class Dataset:
    """A dataset with its facts; an unknown fact is None, one that the snapshot does not hold is absent (``KeyError``)."""

    name: str
    status: str
    size: int
    last_update: float
    release: str | None
    attributes: dict[str, object] | None
    facts: dict[str, Value]
    blocks: list[Block] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class BlockReplica:
    """A block at a site: what is physically there, who owns it, and what the cycle decided so far.

    ``decision`` is one of ``protect``, ``keep``, ``candidate``, ``delete``, ``ignore`` or None, ``rule`` the index of the
    rule that decided; ``handed_to`` is the owner that it was handed over to.
    """

    block: Block
    owner: Group
    size: int
    num_files: int
    last_update: float
    facts: dict[str, Value]
    decision: str | None = None
    rule: int | None = None
    handed_to: Group | None = None

    @property
    def is_complete(self) -> bool:
        """Section 3: bytes and number of files both equal the block's."""
        return self.size == self.block.size and self.num_files == self.block.num_files


@dataclass(eq=False, slots=True)
class Replica:
    """A dataset at a site, with its block replicas in the order of their names.

    The same class serves the whole inventory and, with fewer blocks, the cycle's scope.
    """

    dataset: Dataset
    site: Site
    facts: dict[str, Value]
    blocks: list[BlockReplica] = field(default_factory=list)

    def is_full(self, visible: Iterable[BlockReplica]) -> bool:
        """Section 3: every block of the dataset has a complete block replica among *visible*."""
        complete = {id(replica.block) for replica in visible if replica.is_complete}
        return all(id(block) in complete for block in self.dataset.blocks)


@dataclass(eq=False, slots=True)
class Inventory:
    """All sites by name, and all replicas in the order (site name, dataset name)."""

    sites: list[Site]
    replicas: list[Replica]


def read_inventory(snapshot: Snapshot) -> Inventory:
    """Return the objects of *snapshot*; null is unknown."""
    sites = [Site(**row) for row in snapshot.sites.select("name", "status", "storage_type", "quota").iter_rows(named=True)]
    groups = {index: Group(**row) for index, row in enumerate(snapshot.groups.iter_rows(named=True))}
    groups[NOBODY] = Group(NOBODY_NAME, is_dataset_level=False)
    datasets = _read_datasets(snapshot)
    blocks: list[Block] = []
    for row in snapshot.blocks.iter_rows(named=True):
        block = Block(row["name"], row["size"], row["num_files"])
        blocks.append(block)
        datasets[row["dataset"]].blocks.append(block)
    replicas = [
        Replica(datasets[row["dataset"]], sites[row["site"]], _facts(row, "enforcer_protected"))
        for row in snapshot.replicas.iter_rows(named=True)
    ]
    for row in snapshot.block_replicas.iter_rows(named=True):
        replica = BlockReplica(
            block=blocks[row["block"]],
            owner=groups[row["group"]],
            size=row["size"],
            num_files=row["num_files"],
            last_update=row["last_update"],
            facts=_facts(row, "is_locked"),
        )
        replicas[row["replica"]].blocks.append(replica)
    for whole in replicas:
        whole.blocks.sort(key=lambda part: part.block.name)
    return Inventory(sites, sorted(replicas, key=lambda whole: (whole.site.name, whole.dataset.name)))


def _facts(row: dict[str, Any], *names: str) -> dict[str, Value]:
    return {name: row[name] for name in names if name in row}


def _read_datasets(snapshot: Snapshot) -> list[Dataset]:
    return [
        Dataset(
            name=row["name"],
            status=row["status"],
            size=row["size"],
            last_update=row["last_update"],
            release=row["release"],
            attributes=json.loads(row["attributes"] or "{}") if "attributes" in row else None,
            facts=_facts(row, *_DATASET_FACTS),
        )
        for row in snapshot.datasets.iter_rows(named=True)
    ]
