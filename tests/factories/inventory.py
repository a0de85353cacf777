"""Rows of the inventory, complete and consistent unless a test says otherwise."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import factory
from factory.django import DjangoModelFactory

from inventory.models import Block, BlockReplica, Dataset, DatasetReplica, File, Group, Lock, Site

#: A fixed moment, so that nothing depends on the clock of the machine.
NOW = datetime(2026, 1, 1, tzinfo=UTC)


class SiteFactory(DjangoModelFactory[Site]):
    class Meta:
        model = Site

    name = factory.Sequence(lambda number: f"T2_XX_Site{number}")


class GroupFactory(DjangoModelFactory[Group]):
    class Meta:
        model = Group

    name = factory.Sequence(lambda number: f"group{number}")


class DatasetFactory(DjangoModelFactory[Dataset]):
    class Meta:
        model = Dataset

    name = factory.Sequence(lambda number: f"/Primary{number}/Run2026A-v1/AOD")
    status = "VALID"
    last_update = NOW


class BlockFactory(DjangoModelFactory[Block]):
    class Meta:
        model = Block

    dataset = factory.SubFactory(DatasetFactory)
    name = factory.Sequence(lambda number: f"block{number}")
    size_bytes = 100
    num_files = 2
    last_update = NOW


class FileFactory(DjangoModelFactory[File]):
    class Meta:
        model = File

    block = factory.SubFactory(BlockFactory)
    lfn = factory.Sequence(lambda number: f"/store/data/file{number}.root")
    size_bytes = 50


class DatasetReplicaFactory(DjangoModelFactory[DatasetReplica]):
    class Meta:
        model = DatasetReplica

    dataset = factory.SubFactory(DatasetFactory)
    site = factory.SubFactory(SiteFactory)


class BlockReplicaFactory(DjangoModelFactory[BlockReplica]):
    """A complete replica of a block, with the dataset replica that it belongs to."""

    class Meta:
        model = BlockReplica

    block = factory.SubFactory(BlockFactory)
    site = factory.SubFactory(SiteFactory)
    dataset_replica = factory.LazyAttribute(
        lambda row: DatasetReplica.objects.get_or_create(dataset=row.block.dataset, site=row.site)[0]
    )
    size_bytes = factory.LazyAttribute(lambda row: row.block.size_bytes)
    num_files = factory.LazyAttribute(lambda row: row.block.num_files)
    last_update = NOW


class LockFactory(DjangoModelFactory[Lock]):
    class Meta:
        model = Lock

    dataset_pattern = "/A/B/C"
    owner = "somebody"


def small_document() -> dict[str, Any]:
    """Return a document with two sites, one dataset of one block with two files, and a complete replica of it."""
    return {
        "site": [
            {
                "name": "T2_US_MIT",
                "host": "se.mit.example",
                "storage_type": "disk",
                "backend": "file:///data/mit",
                "status": "ready",
            },
            {"name": "T3_US_MIT", "storage_type": "disk"},
        ],
        "group": [{"name": "AnalysisOps", "olevel": "Dataset"}, {"name": "DataOps", "olevel": "Block"}],
        "dataset": [
            {
                "name": "/A/B/C",
                "status": "valid",
                "data_type": "production",
                "is_open": False,
                "last_update": 1764547200,
                "software_version": [10, 6, 0, "patch1"],
                "blocks": [
                    {
                        "name": "b1",
                        "last_update": 1764547200,
                        "files": [
                            {"name": "/store/a/1.root", "size": 60, "adler32": "8A23B1C"},
                            {"name": "/store/a/2.root", "size": 40},
                        ],
                    }
                ],
            }
        ],
        "datasetreplica": [
            {
                "dataset": "/A/B/C",
                "site": "T2_US_MIT",
                "group": "AnalysisOps",
                "growing": True,
                "blockreplicas": [{"block": "b1", "last_update": 1764547200}],
            }
        ],
    }


def write_document(path: Path, *documents: dict[str, Any]) -> str:
    """Write one document, or several as JSON lines; return the path as ``inject`` takes it."""
    path.write_text("".join(json.dumps(document) + "\n" for document in documents))
    return str(path)
