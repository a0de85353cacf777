"""Records of dataset replicas, with their block replicas: checked as a whole against what is there, then taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from msgspec import UNSET, UnsetType

from inventory.ingest.batch import Batch
from inventory.ingest.records import BlockReplicaRecord, DatasetReplicaRecord, moment
from inventory.ingest.rejects import BadRecord, Problem, shown
from inventory.ingest.rows import BlockReplicaRow, BlockRow, DatasetRow, FileRow, ReplicaRow


@dataclass(slots=True)
class _Part:
    """What a block replica record comes to; ``present`` is None where the record does not say which files are there."""

    record: BlockReplicaRecord
    block: BlockRow
    group_id: int | UnsetType | None
    size_bytes: int
    num_files: int
    present: list[FileRow] | None


def known_dataset(batch: Batch, name: str, problems: list[Problem]) -> DatasetRow | None:
    """Return the dataset; adds a problem if there is none of that name."""
    row = batch.datasets.get(name)
    if row is None:
        number = batch.rejected_datasets.get(name)
        hint = "inject the dataset first" if number is None else f"its own record, number {number}, was rejected"
        problems.append(Problem("dataset", shown(name), "the name of a dataset", hint))
    return row


def take_replica(batch: Batch, record: DatasetReplicaRecord) -> None:
    """Create the dataset replica or extend it: fields that are given are set, block replicas are added or changed.

    Raises ``BadRecord`` with all that is wrong; then nothing of the record is taken.
    """
    problems: list[Problem] = []
    dataset = known_dataset(batch, record.dataset, problems)
    site_id = batch.places.site_id(record.site, "site", problems)
    group_id: int | UnsetType | None = UNSET
    if record.group is not UNSET:
        group_id = batch.places.group_id(record.group, "group", problems)
    parts: list[_Part] = []
    if dataset is not None:
        parts = _plan_parts(batch, record, site_id, group_id, problems)
    if problems or dataset is None:
        raise BadRecord(problems)

    row = batch.replicas.get((record.dataset, site_id))
    if row is None:
        row = ReplicaRow(None, dataset, site_id, None, False)
        batch.replicas[record.dataset, site_id] = row
    row.take("group_id", group_id)
    row.take("is_growing", record.growing)
    batch.counts.row("dataset replicas", row)
    batch.touched_replicas.append(row)
    for part in parts:
        _take_part(batch, row, part)


def _plan_parts(
    batch: Batch, record: DatasetReplicaRecord, site_id: int, group_id: int | UnsetType | None, problems: list[Problem]
) -> list[_Part]:
    parts: list[_Part] = []
    seen: set[str] = set()
    for index, given in enumerate(record.blockreplicas):
        name = given.block
        block = batch.blocks.get((record.dataset, name))
        if block is None:
            hint = "inject the dataset's record with this block first"
            problems.append(Problem(f"blockreplicas[{index}].block", shown(name), f"a block of {record.dataset}", hint))
            continue
        if name in seen:
            problems.append(Problem(f"blockreplicas[{index}].block", shown(name), "each block once", "merge the two entries"))
        seen.add(name)
        if (gone := batch.gone.get((record.dataset, name, record.site))) is not None and (
            record.dataset,
            name,
            site_id,
        ) not in batch.block_replicas:
            found = f"{shown(name)}, whose files at {record.site} were deleted on {gone:%Y-%m-%d %H:%M:%S} UTC"
            help_ = "leave it out, or inject with --bring-back (API: bring_back) if the files are there again"
            problems.append(Problem(f"blockreplicas[{index}].block", found, "no replica deleted after meta.now", help_))
        part = _Part(given, block, group_id, block.size_bytes, block.num_files, [])
        if given.group is not UNSET:
            part.group_id = batch.places.group_id(given.group, f"blockreplicas[{index}].group", problems)
        if given.files is not UNSET:
            _settle_listed(batch, part, given.files, f"blockreplicas[{index}]", problems)
        elif given.size is not UNSET or given.num_files is not UNSET:
            _settle_counted(part, f"blockreplicas[{index}]", problems)
        parts.append(part)
    return parts


def _settle_counted(part: _Part, path: str, problems: list[Problem]) -> None:
    """Take how much is there from the record, which does not name the files; it may turn out complete."""
    given, block = part.record, part.block
    if given.size is UNSET or given.num_files is UNSET:
        missing = "size" if given.size is UNSET else "num_files"
        help_ = "give both, or neither where the block is complete there"
        problems.append(Problem(f"{path}.{missing}", "nothing", f"a value for {missing}", help_))
        return
    part.size_bytes, part.num_files = given.size, given.num_files
    for name, value, full in (("size", given.size, block.size_bytes), ("num_files", given.num_files, block.num_files)):
        if value > full:
            problems.append(Problem(f"{path}.{name}", str(value), f"at most {full}, that of the block", "inject the block first"))
    is_complete = (part.size_bytes, part.num_files) == (block.size_bytes, block.num_files)
    part.present = [] if is_complete or part.num_files == 0 else None


def _settle_listed(batch: Batch, part: _Part, lfns: Sequence[str], path: str, problems: list[Problem]) -> None:
    """Take exactly the files that the record names; they may be all files of the block."""
    given, block = part.record, part.block
    present: dict[str, FileRow] = {}
    for index, lfn in enumerate(lfns):
        file = batch.files.get(lfn)
        at = f"{path}.files[{index}]"
        if file is None or (file.block is not block and (file.block_pk is None or file.block_pk != block.pk)):
            problems.append(Problem(at, shown(lfn), f"a file of block {block.name}", "inject the block with its files first"))
        elif lfn in present:
            problems.append(Problem(at, shown(lfn), "each file once"))
        else:
            present[lfn] = file
    part.size_bytes, part.num_files = sum(file.size_bytes for file in present.values()), len(present)
    if len(present) == len(lfns):
        for name, value, listed in (("size", given.size, part.size_bytes), ("num_files", given.num_files, part.num_files)):
            if value is not UNSET and value != listed:
                problems.append(Problem(f"{path}.{name}", str(value), f"{listed}, the sum over its files", f"leave {name} out"))
    is_complete = (part.size_bytes, part.num_files) == (block.size_bytes, block.num_files)
    part.present = [] if is_complete else list(present.values())


def _take_part(batch: Batch, replica: ReplicaRow, part: _Part) -> None:
    given, block = part.record, part.block
    key = (replica.dataset.name, block.name, replica.site_id)
    row = batch.block_replicas.get(key)
    last_update = UNSET if given.last_update is UNSET else moment(given.last_update)
    if row is None:
        row = BlockReplicaRow(
            None,
            replica,
            block,
            replica.group_id if part.group_id is UNSET else part.group_id,
            part.size_bytes,
            part.num_files,
            given.is_custodial is True,
            batch.now if last_update is UNSET else last_update,
            part.present,
        )
        batch.block_replicas[key] = row
        batch.touched_block_replicas.append(row)
        return
    row.present = part.present
    is_complete = (row.size_bytes, row.num_files) == (block.size_bytes, block.num_files)
    row.stays_complete = part.present == [] and is_complete and not block.gains_files
    if (row.size_bytes, row.num_files) != (part.size_bytes, part.num_files):
        last_update = batch.now if last_update is UNSET else last_update
        # Other bytes than before, and nobody says of which files: what was recorded is not known to hold any more.
        row.present = part.present or []
    row.take("size_bytes", part.size_bytes)
    row.take("num_files", part.num_files)
    row.take("group_id", part.group_id)
    row.take("is_custodial", given.is_custodial)
    row.take("last_update", last_update)
    batch.touched_block_replicas.append(row)
