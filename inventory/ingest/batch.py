"""What a batch of records touches, read from the database before they are applied: a few queries, whatever the batch."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from django.db.models import Count, Sum
from msgspec import UNSET

from inventory.ingest.places import Places
from inventory.ingest.records import AttrsRecord, DatasetRecord, DatasetReplicaRecord
from inventory.ingest.rows import BlockReplicaRow, BlockRow, Counts, DatasetRow, FileRow, ReplicaRow
from inventory.models import Block, BlockReplica, Dataset, DatasetReplica, File

_IDS_PER_QUERY = 10_000


@dataclass
class Batch:
    """The rows that the batch's records name, as far as they exist; records add to them and change them in memory."""

    places: Places
    counts: Counts
    now: datetime
    rejected_datasets: dict[str, int]
    datasets: dict[str, DatasetRow] = field(default_factory=dict)
    blocks: dict[tuple[str, str], BlockRow] = field(default_factory=dict)
    files: dict[str, FileRow] = field(default_factory=dict)
    replicas: dict[tuple[str, int], ReplicaRow] = field(default_factory=dict)
    block_replicas: dict[tuple[str, str, int], BlockReplicaRow] = field(default_factory=dict)
    touched_files: list[FileRow] = field(default_factory=list)
    touched_blocks: list[BlockRow] = field(default_factory=list)
    touched_replicas: list[ReplicaRow] = field(default_factory=list)
    touched_block_replicas: list[BlockReplicaRow] = field(default_factory=list)
    attrs: list[AttrsRecord] = field(default_factory=list)

    def load(self, records: Sequence[Any]) -> None:
        """Read what *records* name. Only named rows are kept in memory."""
        datasets = [record for record in records if isinstance(record, DatasetRecord)]
        replicas = [record for record in records if isinstance(record, DatasetReplicaRecord)]
        attrs = [record for record in records if isinstance(record, AttrsRecord)]
        self._load_datasets({r.name for r in datasets} | {r.dataset for r in replicas} | {r.dataset for r in attrs})
        self._load_blocks(_named_blocks(datasets, replicas, attrs))
        self._load_files(datasets, replicas)
        self._load_listed(datasets)
        self._load_replicas(replicas, attrs)
        self._load_block_replicas(replicas)

    def _load_datasets(self, names: set[str]) -> None:
        columns = ("pk", "name", "status", "data_type", "release", "is_open", "last_update", "attributes")
        for some in _chunks(_askable(names)):
            for row in Dataset.objects.filter(name__in=some).order_by().values_list(*columns):
                self.datasets[row[1]] = DatasetRow(*row)

    def _load_blocks(self, wanted: dict[str, set[str]]) -> None:
        by_pk = {row.pk: row for name, row in self.datasets.items() if name in wanted}
        columns = ("dataset_id", "pk", "name", "size_bytes", "num_files", "is_open", "last_update")
        for some in _chunks(sorted(by_pk)):
            rows = Block.objects.filter(dataset_id__in=some).order_by().values_list(*columns)
            for dataset_pk, pk, name, *rest in rows.iterator(chunk_size=5000):
                dataset = by_pk[dataset_pk]
                if name in wanted[dataset.name]:
                    self.blocks[dataset.name, name] = BlockRow(pk, dataset, name, *rest)

    def _load_files(self, datasets: Iterable[DatasetRecord], replicas: Iterable[DatasetReplicaRecord]) -> None:
        names = {file.name for record in datasets for block in record.blocks if block.files is not UNSET for file in block.files}
        names |= {lfn for record in replicas for part in record.blockreplicas if part.files is not UNSET for lfn in part.files}
        by_pk = {row.pk: row for row in self.blocks.values()}
        columns = ("pk", "block_id", "lfn", "size_bytes", "checksum")
        for some in _chunks(_askable(names)):
            for pk, block_pk, *rest in File.objects.filter(lfn__in=some).order_by().values_list(*columns):
                self.files[rest[0]] = FileRow(pk, by_pk.get(block_pk), block_pk, *rest)

    def _load_listed(self, datasets: Iterable[DatasetRecord]) -> None:
        """Read what the listed files of existing blocks add up to, for the blocks that the records may change."""
        named = (self.blocks.get((record.name, block.name)) for record in datasets for block in record.blocks)
        by_pk = {row.pk: row for row in named if row is not None}
        for some in _chunks(sorted(by_pk)):
            sums = File.objects.filter(block_id__in=some).order_by().values("block_id").annotate(Sum("size_bytes"), Count("pk"))
            for block_pk, listed_bytes, listed_files in sums.values_list("block_id", "size_bytes__sum", "pk__count"):
                by_pk[block_pk].listed_bytes = listed_bytes
                by_pk[block_pk].listed_files = listed_files

    def _load_replicas(self, replicas: Iterable[DatasetReplicaRecord], attrs: Iterable[AttrsRecord]) -> None:
        names = {record.dataset for record in replicas}
        names |= {record.dataset for record in attrs if record.enforcer_protected_replicas is not UNSET}
        by_pk = {row.pk: row for name in names if (row := self.datasets.get(name)) is not None}
        columns = ("dataset_id", "pk", "site_id", "group_id", "is_growing")
        for some in _chunks(sorted(by_pk)):
            for dataset_pk, pk, site_id, group_id, is_growing in (
                DatasetReplica.objects.filter(dataset_id__in=some).order_by().values_list(*columns)
            ):
                dataset = by_pk[dataset_pk]
                self.replicas[dataset.name, site_id] = ReplicaRow(pk, dataset, site_id, group_id, is_growing)

    def _load_block_replicas(self, replicas: Iterable[DatasetReplicaRecord]) -> None:
        wanted_sites = {(record.dataset, self.places.site_id(record.site, "", [])) for record in replicas}
        by_pk = {row.pk: row for key in wanted_sites if (row := self.replicas.get(key)) is not None}
        block_by_pk = {row.pk: row for row in self.blocks.values()}
        columns = ("dataset_replica_id", "block_id", "pk", "group_id", "size_bytes", "num_files", "is_custodial", "last_update")
        for some in _chunks(sorted(by_pk)):
            rows = BlockReplica.objects.filter(dataset_replica_id__in=some).order_by().values_list(*columns)
            for replica_pk, block_pk, pk, *rest in rows.iterator(chunk_size=5000):
                block = block_by_pk.get(block_pk)
                if block is not None:
                    replica = by_pk[replica_pk]
                    key = (replica.dataset.name, block.name, replica.site_id)
                    self.block_replicas[key] = BlockReplicaRow(pk, replica, block, *rest)


def _named_blocks(
    datasets: Iterable[DatasetRecord], replicas: Iterable[DatasetReplicaRecord], attrs: Iterable[AttrsRecord]
) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for record in datasets:
        wanted.setdefault(record.name, set()).update(block.name for block in record.blocks)
    for replica in replicas:
        wanted.setdefault(replica.dataset, set()).update(part.block for part in replica.blockreplicas)
    for facts in attrs:
        if facts.locked_blocks is not UNSET:
            for names in facts.locked_blocks.values():
                wanted.setdefault(facts.dataset, set()).update(names or ())
    return {name: blocks for name, blocks in wanted.items() if blocks}


def _askable(names: Iterable[str]) -> list[str]:
    """Return *names* in order without those that hold NUL: none can be there, and PostgreSQL refuses to look for them."""
    return sorted(name for name in names if "\0" not in name)


def _chunks(values: Iterable[Any]) -> Iterable[list[Any]]:
    rest = iter(values)
    while some := list(islice(rest, _IDS_PER_QUERY)):
        yield some
