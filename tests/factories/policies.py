"""Documents into the database in a few lines, and the partition, policy and actor that most tests of cycles start from.

For tests that are not about ``inject``: the rows are those that it would write, the feeds are complete and taken at ``meta.now``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils import timezone

from inventory.choices import FactFeedName, InjectionState
from inventory.models import (
    Block,
    BlockReplica,
    Dataset,
    DatasetFacts,
    DatasetReplica,
    EnforcedReplica,
    FactFeed,
    Group,
    Injection,
    Lock,
    Site,
)
from inventory.services.audit import Actor
from policies.models import Partition
from policies.services.injected_quotas import quotas_inject
from policies.services.partitions import partition_define
from tests.factories.snapshots import NOW, release_text

CLOCK = datetime.fromtimestamp(NOW, tz=UTC)
ACTOR = Actor("test")


def define(partition: str = "P", condition: str = "site.storage_type == DISK") -> Partition:
    """Define a partition and return it."""
    partition_define(name=partition, condition=condition, actor=ACTOR)
    return Partition.objects.get(name=partition)


def store(documents: Mapping[str, Any] | Iterable[Mapping[str, Any]], *, injected_at: datetime | None = None) -> None:
    """Write inventory documents to an empty database, with one completed injection at *injected_at* (default: now)."""
    documents = [documents] if isinstance(documents, Mapping) else list(documents)
    taken = next((float(d["meta"]["now"]) for d in documents if "meta" in d), NOW)
    sites = {row["name"]: _site(row) for d in documents for row in d.get("site", ())}
    groups = {row["name"]: _group(row) for d in documents for row in d.get("group", ())}
    Site.objects.bulk_create(sites.values())
    Group.objects.bulk_create(groups.values())
    blocks = _store_datasets([row for d in documents for row in d.get("dataset", ())])
    _store_replicas([row for d in documents for row in d.get("datasetreplica", ())], sites, groups, blocks)
    _store_facts([row for d in documents for row in d.get("attrs", ())])
    for name in FactFeedName.values:
        FactFeed.objects.create(name=name, source="test", measured_at=_time(taken))
    for d in documents:
        quotas_inject(d.get("sitepartition", ()), now=_time(taken), lacks=lambda *_: "")
    Injection.objects.create(
        source="test", started_by="test", state=InjectionState.COMPLETED, finished_at=injected_at or timezone.now()
    )


def _site(row: Mapping[str, Any]) -> Site:
    return Site(name=row["name"], storage_type=row["storage_type"].upper(), status=row["status"].upper())


def _group(row: Mapping[str, Any]) -> Group:
    return Group(name=row["name"], ownership_level=row["olevel"].upper())


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)


def _store_datasets(rows: list[Mapping[str, Any]]) -> dict[tuple[str, str], Block]:
    datasets = [
        Dataset(
            name=row["name"],
            status=row["status"].upper(),
            last_update=_time(row["last_update"]),
            release=release_text(row.get("software_version")),
            attributes=row.get("attributes", {}),
            size_bytes=sum(block["size"] for block in row.get("blocks", ())),
            num_blocks=len(row.get("blocks", ())),
        )
        for row in rows
    ]
    Dataset.objects.bulk_create(datasets, batch_size=500)
    blocks = {
        (row["name"], block["name"]): Block(
            dataset=dataset,
            name=block["name"],
            size_bytes=block["size"],
            num_files=block["num_files"],
            last_update=_time(block["last_update"]),
        )
        for row, dataset in zip(rows, datasets, strict=True)
        for block in row.get("blocks", ())
    }
    Block.objects.bulk_create(blocks.values(), batch_size=2000)
    return blocks


def _store_replicas(
    rows: list[Mapping[str, Any]],
    sites: Mapping[str, Site],
    groups: Mapping[str, Group],
    blocks: Mapping[tuple[str, str], Block],
) -> None:
    datasets = {dataset.name: dataset for dataset in Dataset.objects.all()}
    replicas = [
        DatasetReplica(dataset=datasets[row["dataset"]], site=sites[row["site"]], group=groups.get(row["group"])) for row in rows
    ]
    DatasetReplica.objects.bulk_create(replicas, batch_size=2000)
    BlockReplica.objects.bulk_create(
        [
            BlockReplica(
                dataset_replica=replica,
                block=(block := blocks[row["dataset"], part["block"]]),
                site=sites[row["site"]],
                group=groups.get(part.get("group", row["group"])),
                size_bytes=part.get("size", block.size_bytes),
                num_files=part.get("num_files", block.num_files),
                last_update=_time(part["last_update"]),
            )
            for row, replica in zip(rows, replicas, strict=True)
            for part in row.get("blockreplicas", ())
        ],
        batch_size=2000,
    )


def _store_facts(rows: list[Mapping[str, Any]]) -> None:
    datasets = dict(Dataset.objects.values_list("name", "pk"))
    DatasetFacts.objects.bulk_create(
        [
            DatasetFacts(
                dataset_id=datasets[row["dataset"]],
                num_accesses=row.get("num_access"),
                last_access_at=_time(row["last_access"]) if "last_access" in row else None,
                usage_rank=row.get("usage_rank"),
                demand_rank=row.get("demand_rank"),
                tape_copy_requested=row.get("tape_copy_requested"),
                unhandled_copy_exists=row.get("unhandled_copy_exists"),
                unknown_in_all_dbs=row.get("unknown_in_all_dbs"),
                on_protected_site=row.get("on_protected_site"),
                is_latest_production_release=row.get("latest_production_release"),
            )
            for row in rows
        ],
        batch_size=2000,
    )
    keys = {(dataset, site): pk for dataset, site, pk in DatasetReplica.objects.values_list("dataset__name", "site__name", "pk")}
    EnforcedReplica.objects.bulk_create(
        EnforcedReplica(dataset_replica_id=keys[row["dataset"], site])
        for row in rows
        for site in row.get("enforcer_protected_replicas", ())
        if (row["dataset"], site) in keys
    )
    Lock.objects.bulk_create(
        Lock(dataset_pattern=row["dataset"], block_pattern=block, site_pattern=site, owner="test")
        for row in rows
        for site, names in row.get("locked_blocks", {}).items()
        for block in (["*"] if names is None else names)
    )
