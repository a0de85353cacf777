"""Records of datasets, with their blocks and files: checked as a whole against what is there, then taken."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from msgspec import UNSET, UnsetType

from inventory.choices import DatasetStatus
from inventory.ingest.attributes import attributes_problem
from inventory.ingest.batch import Batch
from inventory.ingest.names import is_plain_lfn, lfn_problem, name_problem
from inventory.ingest.records import BlockRecord, DatasetHead, DatasetRecord, FileRecord, moment
from inventory.ingest.rejects import BadRecord, Problem, closest, shown
from inventory.ingest.rows import BlockRow, DatasetRow, FileRow

_RELEASE_LENGTH = 64
_ADLER32 = re.compile(r"[0-9a-fA-F]{1,8}")
_PLAIN_ADLER32 = re.compile(r"[0-9a-f]{8}").fullmatch
_CHECKSUM = re.compile(r"[A-Za-z0-9_-]+:[!-~]+")


@dataclass(slots=True)
class _BlockPlan:
    """What a block record comes to, once it is known to be right."""

    record: BlockRecord
    row: BlockRow | None
    size_bytes: int
    num_files: int
    new_files: list[tuple[FileRecord, str]] = field(default_factory=list)
    known_files: list[tuple[FileRow, str | UnsetType]] = field(default_factory=list)


def take_dataset(batch: Batch, record: DatasetRecord) -> None:
    """Create the dataset or extend it: fields that are given are set, blocks and files are added or changed.

    Raises ``BadRecord`` with all that is wrong; then nothing of the record is taken.
    """
    problems: list[Problem] = []
    row = batch.datasets.get(record.name)
    if row is None and (wrong := name_problem(record.name, "name")):
        problems.append(wrong)
    status = _status(record, problems)
    release = release_of(record, problems)
    if record.data_type is not UNSET and not record.data_type.isprintable():
        problems.append(Problem("data_type", shown(record.data_type), "printable characters"))
    if wrong := attributes_problem(record.attributes):
        problems.append(wrong)
    plans = _plan_blocks(batch, record, problems)
    if problems:
        raise BadRecord(problems)

    last_update = UNSET if record.last_update is UNSET else moment(record.last_update)
    if row is None:
        row = DatasetRow(None, record.name, DatasetStatus.UNKNOWN.value, "", None, True, batch.now, {})
        batch.datasets[record.name] = row
    row.take("status", status)
    row.take("data_type", record.data_type)
    row.take("release", release)
    row.take("is_open", record.is_open)
    row.take("last_update", last_update)
    row.take("attributes", record.attributes)
    batch.counts.row("datasets", row)
    for plan in plans:
        _take_block(batch, row, plan)


def _plan_blocks(batch: Batch, record: DatasetRecord, problems: list[Problem]) -> list[_BlockPlan]:
    plans: list[_BlockPlan] = []
    blocks: set[str] = set()
    lfns: set[str] = set()
    for index, block in enumerate(record.blocks):
        path = f"blocks[{index}]"
        row = batch.blocks.get((record.name, block.name))
        if row is None and (wrong := name_problem(block.name, f"{path}.name")):
            problems.append(wrong)
        if block.name in blocks:
            problems.append(Problem(f"{path}.name", shown(block.name), "each block once", "merge the two entries"))
        blocks.add(block.name)
        plan = _BlockPlan(block, row, row.size_bytes if row else 0, row.num_files if row else 0)
        _plan_files(batch, plan, path, lfns, problems)
        _plan_sums(plan, path, problems)
        plans.append(plan)
    return plans


def _plan_files(batch: Batch, plan: _BlockPlan, path: str, lfns: set[str], problems: list[Problem]) -> None:
    if plan.record.files is UNSET:
        return
    known_files, new_files = batch.files, plan.new_files
    for index, file in enumerate(plan.record.files):
        # Nearly all files are new and plain: these cost least.
        if (
            file.checksum is UNSET
            and file.adler32 is not UNSET
            and _PLAIN_ADLER32(file.adler32)
            and file.name not in lfns
            and file.name not in known_files
            and is_plain_lfn(file.name)
        ):
            lfns.add(file.name)
            new_files.append((file, f"adler32:{file.adler32}"))
            continue
        at = f"{path}.files[{index}]"
        if file.name in lfns:
            problems.append(Problem(f"{at}.name", shown(file.name), "each file once in a dataset"))
        lfns.add(file.name)
        checksum = checksum_of(file, at, problems)
        known = batch.files.get(file.name)
        if known is None:
            if wrong := lfn_problem(file.name, f"{at}.name"):
                problems.append(wrong)
            plan.new_files.append((file, "" if checksum is UNSET else checksum))
        elif plan.row is None or known.block is not plan.row:
            owner = f"block {known.block.name} of {known.block.dataset.name}" if known.block else "another block"
            problems.append(Problem(f"{at}.name", shown(file.name), "a file of this block", f"it is a file of {owner} already"))
        elif known.size_bytes != file.size:
            help_ = "the content of a file never changes: invalidate it, then inject the new one under another name"
            problems.append(Problem(f"{at}.size", str(file.size), f"{known.size_bytes}, as it is known", help_))
        else:
            plan.known_files.append((known, checksum))


def _plan_sums(plan: _BlockPlan, path: str, problems: list[Problem]) -> None:
    """Settle size and number of files; where files are listed, they decide, and what is given must agree."""
    given = plan.record
    listed_bytes = sum(file.size for file, _ in plan.new_files) + (plan.row.listed_bytes if plan.row else 0)
    listed_files = len(plan.new_files) + (plan.row.listed_files if plan.row else 0)
    is_listed = listed_files > 0 or (given.files is not UNSET and plan.row is None)
    for name, value, listed, unit in (
        ("size", given.size, listed_bytes, "bytes"),
        ("num_files", given.num_files, listed_files, "files"),
    ):
        if is_listed and value is not UNSET and value != listed:
            expected = f"{listed} {unit}, the sum over the block's files, given and known ones"
            problems.append(Problem(f"{path}.{name}", str(value), expected, f"leave {name} out, or list all files"))
    if is_listed:
        plan.size_bytes, plan.num_files = listed_bytes, listed_files
        if listed_bytes >= 2**63:
            problems.append(Problem(f"{path}.files", f"{listed_bytes} bytes in all", "less than 2^63"))
        return
    if given.size is not UNSET:
        plan.size_bytes = given.size
    if given.num_files is not UNSET:
        plan.num_files = given.num_files


def _take_block(batch: Batch, dataset: DatasetRow, plan: _BlockPlan) -> None:
    given, row = plan.record, plan.row
    last_update = UNSET if given.last_update is UNSET else moment(given.last_update)
    if row is None:
        at = batch.now if last_update is UNSET else last_update
        row = BlockRow(None, dataset, given.name, plan.size_bytes, plan.num_files, given.is_open is True, at)
        batch.blocks[dataset.name, given.name] = row
    else:
        row.take("size_bytes", plan.size_bytes)
        row.take("num_files", plan.num_files)
        row.take("is_open", given.is_open)
        row.take("last_update", last_update)
    row.gains_files = bool(plan.new_files)
    batch.counts.row("blocks", row)
    batch.touched_blocks.append(row)
    if plan.new_files:
        new = [FileRow(None, row, row.pk, file.name, file.size, checksum) for file, checksum in plan.new_files]
        batch.files.update(zip([file.lfn for file in new], new, strict=True))
        batch.touched_files.extend(new)
        row.listed_bytes += sum([file.size_bytes for file in new])
        row.listed_files += len(new)
    batch.counts.add("files", "created", len(plan.new_files))
    for known, known_checksum in plan.known_files:
        known.take("checksum", known_checksum)
        if known.is_dirty:
            batch.touched_files.append(known)
        batch.counts.row("files", known)


def _status(record: DatasetRecord, problems: list[Problem]) -> str | UnsetType:
    if record.status is UNSET:
        return UNSET
    if record.status.upper() in DatasetStatus.values:
        return record.status.upper()
    known = [value.lower() for value in DatasetStatus.values]
    problems.append(Problem("status", shown(record.status), f"one of {', '.join(known)}", closest(record.status.lower(), known)))
    return UNSET


def release_of(record: DatasetHead, problems: list[Problem]) -> str | UnsetType | None:
    """Return ``10_6_0`` for ``[10, 6, 0, ""]``, ``10_6_0_x`` for ``[10, 6, 0, "x"]``, None for an empty version.

    Source: policy language page, section 3, ``dataset.release``.
    """
    version = record.software_version
    if version is UNSET or version is None:
        return version
    if not version:
        return None
    *numbers, suffix = version
    if (
        len(version) != 4
        or not all(isinstance(number, int) and number >= 0 for number in numbers)
        or not isinstance(suffix, str)
        or not suffix.isprintable()
    ):
        problems.append(Problem("software_version", shown(version), 'three numbers and a text, as [10, 6, 0, ""]'))
        return UNSET
    text = "_".join(str(part) for part in [*numbers, *([suffix] if suffix else [])])
    if len(text) > _RELEASE_LENGTH:
        problems.append(Problem("software_version", shown(text), f"at most {_RELEASE_LENGTH} characters"))
    return text


def checksum_of(file: FileRecord, path: str, problems: list[Problem]) -> str | UnsetType:
    """Return algorithm:value in one spelling: adler32 has eight lower-case digits."""
    adler32 = file.adler32
    if file.checksum is not UNSET:
        if not _CHECKSUM.fullmatch(file.checksum):
            problems.append(Problem(f"{path}.checksum", shown(file.checksum), "algorithm:value, as adler32:8a23b1c4"))
            return UNSET
        algorithm, _, value = file.checksum.partition(":")
        if algorithm.lower() != "adler32":
            return f"{algorithm.lower()}:{value}"
        if adler32 is not UNSET and _same(adler32) != _same(value):
            problems.append(Problem(f"{path}.adler32", shown(adler32), "the same as checksum", "give one of the two"))
        adler32 = value
    if adler32 is UNSET:
        return UNSET
    if not _ADLER32.fullmatch(adler32):
        problems.append(Problem(f"{path}.adler32", shown(adler32), "up to eight hexadecimal digits"))
        return UNSET
    return f"adler32:{_same(adler32)}"


def _same(digits: str) -> str:
    return digits.lower().zfill(8)
