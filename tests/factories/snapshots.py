"""Snapshots out of inventory documents, without Django: what a cycle would read from the database.

The documents are those that `inject` takes (`site`, `group`, `dataset`, `datasetreplica`), with the sections `attrs`
and `sitepartition` that the shared data add. The fact columns are filled as a complete, fresh feed: what `attrs` does
not name is 0, 1970 or false. Status words become upper case, as policies write them.
"""

from __future__ import annotations

import json
import lzma
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from policies.evaluation.columns import (
    BLOCK_REPLICA_SCHEMA,
    BLOCK_SCHEMA,
    DATASET_SCHEMA,
    GROUP_SCHEMA,
    NOBODY,
    REPLICA_SCHEMA,
    SITE_SCHEMA,
    Snapshot,
)
from policies.language.ast import Condition, PartitionDefinition

#: 2026-01-01T00:00:00Z, the clock of all shared data (s since 1970).
NOW = 1767225600.0

Document = Mapping[str, Any]

DATASET_FACT_SCHEMA = {
    "attributes": pl.String,
    "tape_copy_requested": pl.Boolean,
    "last_access": pl.Float64,
    "usage_rank": pl.Float64,
    "demand_rank": pl.Float64,
    "is_latest_production_release": pl.Boolean,
    "on_protected_site": pl.Boolean,
    "unknown_in_all_dbs": pl.Boolean,
    "unhandled_copy_exists": pl.Boolean,
    "num_access": pl.Float64,
}


def read_documents(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the documents of a JSON-lines file, compressed if its name ends in ``.xz``."""
    with lzma.open(path, "rt") if path.suffix == ".xz" else path.open() as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def release_text(version: Sequence[Any] | None) -> str | None:
    """Return ``10_6_0`` for ``[10, 6, 0, ""]``, ``10_6_0_x`` for ``[10, 6, 0, "x"]``, None for no version."""
    if not version:
        return None
    *numbers, suffix = version
    return "_".join(str(part) for part in [*numbers, *([suffix] if suffix else [])])


@dataclass
class Inventory:
    """Documents gathered into lists; ``snapshot`` sorts them into frames, as often as partitions ask for it.

    Raises ``KeyError`` on a replica of a dataset or a block that no document has named, or at an unknown site or group.
    """

    sites: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, bool] = field(default_factory=dict)
    datasets: dict[str, dict[str, Any]] = field(default_factory=dict)
    replicas: list[dict[str, Any]] = field(default_factory=list)
    attrs: dict[str, dict[str, Any]] = field(default_factory=dict)
    quotas: dict[tuple[str, str], int] = field(default_factory=dict)
    taken_at: float = NOW

    def add(self, document: Document) -> None:
        """Take in one document; sections may come in any order, over any number of documents."""
        if "meta" in document:
            self.taken_at = float(document["meta"]["now"])
        for site in document.get("site", ()):
            self.sites[site["name"]] = site
        for group in document.get("group", ()):
            self.groups[group["name"]] = group["olevel"] == "Dataset"
        for dataset in document.get("dataset", ()):
            self.datasets[dataset["name"]] = dataset
        self.replicas.extend(document.get("datasetreplica", ()))
        for attrs in document.get("attrs", ()):
            self.attrs.setdefault(attrs["dataset"], {}).update(attrs)
        for row in document.get("sitepartition", ()):
            self.quotas[row["site"], row["partition"]] = row["quota"]

    def snapshot(self, partition_names: Collection[str]) -> Snapshot:
        """Return the snapshot for the partition whose leaves are *partition_names*; its quota is the sum of theirs.

        Raises ``ValueError`` where one of several parts has a negative quota (language page, section 4).
        """
        sites, groups = self._sites(partition_names), self._groups()
        datasets = self._datasets()
        blocks = self._blocks(datasets)
        replicas, block_replicas = self._replicas(sites, groups, datasets, blocks)
        return Snapshot(sites, groups, datasets, blocks, replicas, block_replicas, self.taken_at)

    def _sites(self, partition_names: Collection[str]) -> pl.DataFrame:
        parts = sorted(partition_names)
        rows = []
        for name in sorted(self.sites):
            quotas = [self.quotas.get((name, part), 0) for part in parts]
            if len(quotas) > 1 and min(quotas) < 0:
                raise ValueError(
                    f"part of a superpartition has a negative quota at {name}: {dict(zip(parts, quotas, strict=True))}"
                )
            site = self.sites[name]
            rows.append((name, site["status"].upper(), site["storage_type"].upper(), sum(quotas)))
        return pl.DataFrame(rows, schema=SITE_SCHEMA, orient="row")

    def _groups(self) -> pl.DataFrame:
        return pl.DataFrame(sorted(self.groups.items()), schema=GROUP_SCHEMA, orient="row")

    def _datasets(self) -> pl.DataFrame:
        rows = [self._dataset_row(self.datasets[name]) for name in sorted(self.datasets)]
        return pl.DataFrame(rows, schema=DATASET_SCHEMA | DATASET_FACT_SCHEMA, orient="row")

    def _dataset_row(self, dataset: Document) -> tuple[Any, ...]:
        facts = self.attrs.get(dataset["name"], {})
        return (
            dataset["name"],
            dataset["status"].upper(),
            sum(block["size"] for block in dataset.get("blocks", ())),
            float(dataset["last_update"]),
            release_text(dataset.get("software_version")),
            json.dumps(dataset.get("attributes", {}), sort_keys=True),
            bool(facts.get("tape_copy_requested", False)),
            float(facts.get("last_access", 0)),
            float(facts.get("usage_rank", 0)),
            float(facts.get("demand_rank", 0)),
            bool(facts.get("latest_production_release", False)),
            bool(facts.get("on_protected_site", False)),
            bool(facts.get("unknown_in_all_dbs", False)),
            bool(facts.get("unhandled_copy_exists", False)),
            float(facts.get("num_access", 0)),
        )

    def _blocks(self, datasets: pl.DataFrame) -> pl.DataFrame:
        rows = [
            (index, block["name"], block["size"], block["num_files"])
            for index, name in enumerate(datasets["name"])
            for block in sorted(self.datasets[name].get("blocks", ()), key=lambda block: block["name"])
        ]
        return pl.DataFrame(rows, schema=BLOCK_SCHEMA, orient="row")

    def _replicas(
        self, sites: pl.DataFrame, groups: pl.DataFrame, datasets: pl.DataFrame, blocks: pl.DataFrame
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        site_index = {name: index for index, name in enumerate(sites["name"])}
        group_index = {name: index for index, name in enumerate(groups["name"])} | {None: NOBODY}
        dataset_index = {name: index for index, name in enumerate(datasets["name"])}
        block_index: list[dict[str, tuple[int, int, int]]] = [{} for _ in range(datasets.height)]
        for row, (dataset, name, size, num_files) in enumerate(blocks.iter_rows()):
            block_index[dataset][name] = (row, size, num_files)

        ordered = sorted(self.replicas, key=lambda replica: (replica["site"], replica["dataset"]))
        replica_rows, block_rows = [], []
        for row, replica in enumerate(ordered):
            site, dataset = replica["site"], replica["dataset"]
            facts = self.attrs.get(dataset, {})
            replica_rows.append((dataset_index[dataset], site_index[site], site in facts.get("enforcer_protected_replicas", ())))
            locked = facts.get("locked_blocks", {}).get(site, ())
            of_dataset = block_index[dataset_index[dataset]]
            for part in replica.get("blockreplicas", ()):
                name = part["block"]
                block, full_size, full_files = of_dataset[name]
                block_rows.append(
                    (
                        row,
                        block,
                        group_index[part.get("group", replica["group"])],
                        part.get("size", full_size),
                        part.get("num_files", full_files),
                        float(part["last_update"]),
                        locked is None or name in locked,
                    )
                )
        replicas = pl.DataFrame(replica_rows, schema=REPLICA_SCHEMA | {"enforcer_protected": pl.Boolean}, orient="row")
        frame = pl.DataFrame(block_rows, schema=BLOCK_REPLICA_SCHEMA | {"is_locked": pl.Boolean}, orient="row")
        order = np.lexsort((frame["block"].to_numpy(), frame["replica"].to_numpy()))
        return replicas, frame[order]


def load_inventory(documents: Iterable[Document]) -> Inventory:
    """Return the inventory that *documents* describe together."""
    inventory = Inventory()
    for document in documents:
        inventory.add(document)
    return inventory


def snapshot_from_documents(documents: Document | Iterable[Document], *, partition_names: Collection[str]) -> Snapshot:
    """Return the snapshot of one document or of JSON lines, for the partition whose leaves are *partition_names*."""
    return load_inventory([documents] if isinstance(documents, Mapping) else documents).snapshot(partition_names)


def leaf_partitions(definitions: Iterable[PartitionDefinition], name: str) -> tuple[str, ...]:
    """Return the partitions without parts that *name* unites, itself if it has none, each once.

    Raises ``KeyError`` if *name* or one of its parts is not defined.
    """
    return tuple(definition.name for definition in _leaves({d.name: d for d in definitions}, name, ()))


def membership_of(definitions: Iterable[PartitionDefinition], name: str) -> tuple[Condition, ...]:
    """Return the conditions of the partition *name*: a block replica is in it if any of them holds.

    Raises ``KeyError`` if *name* or one of its parts is not defined.
    """
    leaves = _leaves({d.name: d for d in definitions}, name, ())
    return tuple(definition.condition for definition in leaves if definition.condition is not None)


def _leaves(by_name: Mapping[str, PartitionDefinition], name: str, above: tuple[str, ...]) -> list[PartitionDefinition]:
    if name in above:
        raise ValueError(f"partition {name} is a part of itself: {' > '.join([*above, name])}")
    definition = by_name[name]
    if definition.condition is not None:
        return [definition]
    found: dict[str, PartitionDefinition] = {}
    for part in definition.parts:
        found.update({leaf.name: leaf for leaf in _leaves(by_name, part, (*above, name))})
    return list(found.values())
