"""What a batch of records touches, read from the database before they are applied: a few queries, whatever the batch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from msgspec import UNSET

from inventory.ingest.ahead import Ahead
from inventory.ingest.gone import Place
from inventory.ingest.places import Places
from inventory.ingest.reading import rows_of
from inventory.ingest.records import AttrsRecord, DatasetRecord, DatasetReplicaRecord
from inventory.ingest.rows import BlockReplicaRow, BlockRow, Counts, DatasetRow, FileRow, ReplicaRow
from inventory.models import Block, BlockReplica, Dataset, DatasetReplica, File

#: What a ``DatasetRow`` is made of.
DATASET_COLUMNS = ("id", "name", "status", "data_type", "release", "is_open", "last_update", "attributes")


@dataclass
class Batch:
    """The rows that the batch's records name, as far as they exist; records add to them and change them in memory.

    Without ``looks_for_files`` names of files that the named blocks do not have are taken for new ones: a million look-ups less
    for a million files, and `flush` finds out where that is wrong. ``gone`` tells which block replicas were deleted after
    the document's moment. ``made_up`` is what `flush` sends where all has been made up beforehand, ``facts`` those to be
    written where that is known beforehand.
    """

    places: Places
    counts: Counts
    now: datetime
    rejected_datasets: dict[str, int]
    looks_for_files: bool = True
    gone: Mapping[Place, datetime] = field(default_factory=dict)
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
    made_up: Ahead | None = None
    facts: list[tuple[Any, ...]] | None = None

    def load(self, records: Sequence[Any], known: Mapping[str, DatasetRow] | None = None) -> None:
        """Read what *records* name. Only named rows are kept in memory. *known* are the datasets, if they were read already."""
        datasets = [record for record in records if isinstance(record, DatasetRecord)]
        replicas = [record for record in records if isinstance(record, DatasetReplicaRecord)]
        attrs = [record for record in records if isinstance(record, AttrsRecord)]
        names = {r.name for r in datasets} | {r.dataset for r in replicas} | {r.dataset for r in attrs}
        if known is None:
            self._load_datasets(names)
        else:
            self.datasets.update((name, known[name]) for name in names & known.keys())
        self._load_blocks(_named_blocks(datasets, replicas, attrs))
        self._load_files(datasets, replicas)
        self._load_replicas(replicas, attrs)
        self._load_block_replicas(replicas)

    def forget_rows(self) -> None:
        """Let go of the rows that `flush` needs no more; what facts are compared with stays."""
        for rows in (self.touched_files, self.touched_blocks, self.touched_replicas, self.touched_block_replicas):
            rows.clear()
        self.files.clear()
        self.block_replicas.clear()

    def _load_datasets(self, names: set[str]) -> None:
        for row in rows_of(Dataset, DATASET_COLUMNS, key="name", values=askable(names)):
            self.datasets[row[1]] = DatasetRow(*row)

    def _load_blocks(self, wanted: dict[str, set[str]]) -> None:
        by_pk = {row.pk: row for name, row in self.datasets.items() if name in wanted}
        columns = ("dataset_id", "id", "name", "size_bytes", "num_files", "is_open", "last_update")
        for dataset_pk, pk, name, *rest in rows_of(Block, columns, key="dataset_id", values=sorted(by_pk)):
            dataset = by_pk[dataset_pk]
            if name in wanted[dataset.name]:
                self.blocks[dataset.name, name] = row = BlockRow(pk, dataset, name, *rest)
                row.bytes_before = row.size_bytes

    def _load_files(self, datasets: Iterable[DatasetRecord], replicas: Iterable[DatasetReplicaRecord]) -> None:
        """Read named files, and what the listed files of existing blocks add up to, for the blocks that the records may change.

        A block of which most files are named is read as a whole: its files lie together, names lie anywhere.
        """
        whole: dict[int, BlockRow] = {}
        summed: dict[int, BlockRow] = {}
        names: set[str] = set()
        for record in datasets:
            for block in record.blocks:
                row = self.blocks.get((record.name, block.name))
                given = block.files if block.files is not UNSET else ()
                if row is None or row.pk is None:
                    if self.looks_for_files:
                        names.update(file.name for file in given)
                elif given and 2 * len(given) >= row.num_files:
                    whole[row.pk] = row
                    if self.looks_for_files:
                        names.update(file.name for file in given)
                else:
                    names.update(file.name for file in given)
                    if given or block.size not in {UNSET, row.size_bytes} or block.num_files not in {UNSET, row.num_files}:
                        summed[row.pk] = row
        names |= {lfn for record in replicas for part in record.blockreplicas if part.files is not UNSET for lfn in part.files}
        columns = ("id", "block_id", "lfn", "size_bytes", "checksum")
        for pk, block_pk, *rest in rows_of(File, columns, key="block_id", values=sorted(whole)):
            row = whole[block_pk]
            self.files[rest[0]] = FileRow(pk, row, block_pk, *rest)
            row.listed_bytes += rest[1]
            row.listed_files += 1
        by_pk = {row.pk: row for row in self.blocks.values()}
        for pk, block_pk, *rest in rows_of(File, columns, key="lfn", values=askable(names - self.files.keys())):
            self.files[rest[0]] = FileRow(pk, by_pk.get(block_pk), block_pk, *rest)
        for block_pk, size_bytes in rows_of(File, ("block_id", "size_bytes"), key="block_id", values=sorted(summed)):
            summed[block_pk].listed_bytes += size_bytes
            summed[block_pk].listed_files += 1

    def _load_replicas(self, replicas: Iterable[DatasetReplicaRecord], attrs: Iterable[AttrsRecord]) -> None:
        names = {record.dataset for record in replicas}
        names |= {record.dataset for record in attrs if record.enforcer_protected_replicas is not UNSET}
        by_pk = {row.pk: row for name in names if (row := self.datasets.get(name)) is not None}
        columns = ("dataset_id", "id", "site_id", "group_id", "is_growing")
        for dataset_pk, pk, site_id, group_id, is_growing in rows_of(
            DatasetReplica, columns, key="dataset_id", values=sorted(by_pk)
        ):
            dataset = by_pk[dataset_pk]
            self.replicas[dataset.name, site_id] = ReplicaRow(pk, dataset, site_id, group_id, is_growing)

    def _load_block_replicas(self, replicas: Iterable[DatasetReplicaRecord]) -> None:
        wanted_sites = {(record.dataset, self.places.site_id(record.site, "", [])) for record in replicas}
        by_pk = {row.pk: row for key in wanted_sites if (row := self.replicas.get(key)) is not None}
        block_by_pk = {row.pk: row for row in self.blocks.values()}
        columns = ("dataset_replica_id", "block_id", "id", "group_id", "size_bytes", "num_files", "is_custodial", "last_update")
        rows = rows_of(BlockReplica, columns, key="dataset_replica_id", values=sorted(by_pk))
        for replica_pk, block_pk, pk, *rest in rows:
            block = block_by_pk.get(block_pk)
            if block is not None:
                replica = by_pk[replica_pk]
                part = BlockReplicaRow(pk, replica, block, *rest)
                part.bytes_before = part.size_bytes
                self.block_replicas[replica.dataset.name, block.name, replica.site_id] = part


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


def askable(names: Iterable[str]) -> list[str]:
    """Return *names* in order without those that hold NUL: none can be there, and PostgreSQL refuses to look for them."""
    return sorted(name for name in names if "\0" not in name)
