"""Records that say what is there already, found before anything is built for them: what makes a repeated injection cheap.

A record passes only if taking it would change nothing and refuse nothing. Most are compared as a whole, column by column, which
can only tell that all is the same, in the same order; what differs there is looked at one by one, and whatever is not plain goes
the long way, which decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import UNSET

from inventory.ingest.datasets import checksum_of, release_of
from inventory.ingest.looking import Known, KnownParts
from inventory.ingest.places import Places
from inventory.ingest.records import (
    BlockRecord,
    BlockReplicaRecord,
    DatasetHead,
    DatasetRecord,
    DatasetReplicaRecord,
    FileRecord,
    moment,
)
from inventory.ingest.rows import Counts, DatasetRow

_MICROSECONDS = 10**6

_block_columns = attrgetter("name", "size", "num_files", "is_open", "last_update", "files")
_part_columns = attrgetter("block", "group", "size", "num_files", "is_custodial", "last_update", "files")
_encoder = msgspec.json.Encoder()
_file_list = msgspec.json.Decoder(list[FileRecord])


def sieve(records: Sequence[Any], known: Mapping[str, Known], *, places: Places, counts: Counts) -> list[bool]:
    """Tell of each record whether it is in the inventory as it stands; those that are, are counted.

    *known* is what `look` has found. A replica passes only if the batch changes nothing of its dataset.
    """
    passed = [False] * len(records)
    changing: set[str] = set()
    for place, record in enumerate(records):
        if isinstance(record, DatasetRecord):
            dataset = known.get(record.name)
            passed[place] = dataset is not None and _is_same_dataset(dataset, record)
            if passed[place]:
                _count(counts, record)
            else:
                changing.add(record.name)
    for place, record in enumerate(records):
        if isinstance(record, DatasetReplicaRecord) and record.dataset not in changing:
            dataset = known.get(record.dataset)
            passed[place] = dataset is not None and _is_same_replica(dataset, record, places)
            if passed[place]:
                counts.add("dataset replicas", "unchanged")
                counts.add("block replicas", "unchanged", len(record.blockreplicas))
    return passed


def is_same_head(row: DatasetRow, record: DatasetHead) -> bool:
    """Tell whether what a record says of a dataset itself is as it is."""
    if (
        (record.status is not UNSET and record.status.upper() != row.status)
        or record.data_type not in {UNSET, row.data_type}
        or record.is_open not in {UNSET, row.is_open}
        or (record.last_update is not UNSET and moment(record.last_update) != row.last_update)
        or (record.attributes is not UNSET and record.attributes != row.attributes)
    ):
        return False
    if record.software_version is UNSET:
        return True
    problems: list[Any] = []
    return release_of(record, problems) == row.release and not problems


def _is_same_dataset(known: Known, record: DatasetRecord) -> bool:
    if not is_same_head(known.row, record):
        return False
    return not record.blocks or _are_same_columns(known, record.blocks) or _are_same_blocks(known, record.blocks)


def _are_same_columns(known: Known, given: Sequence[BlockRecord]) -> bool:
    """Tell whether all blocks of a dataset are the given ones, each with the same fields given, in the same order."""
    names, sizes, nums, opens, updates, files = zip(*map(_block_columns, given), strict=True)
    blocks = known.blocks
    return (
        "\n".join(names) == blocks.names
        and _are_unset(sizes)
        and _are_unset(nums)
        and (_are_unset(opens) or (UNSET not in opens and "\n".join(["1" if value else "0" for value in opens]) == blocks.opens))
        and _are_same_moments(updates, blocks.updates)
        and (_are_unset(files) or (UNSET not in files and _listings(files) == blocks.listings))
    )


def _listings(files: Sequence[Any]) -> str:
    """Return these lists of files, a line for each, as `look` has them made."""
    return _encoder.encode_lines(files).decode()[:-1]


def _are_unset(column: Sequence[Any]) -> bool:
    return column.count(UNSET) == len(column)


def _are_same_moments(given: Sequence[Any], known: str | None) -> bool:
    """Tell whether no moments are given, or all are, and are those known; fractions of seconds are not compared here."""
    return _are_unset(given) or "000000\n".join(map(str, given)) + "000000" == known


def _are_same_blocks(known: Known, given: Sequence[BlockRecord]) -> bool:
    if len({block.name for block in given}) < len(given):
        return False
    columns = [column.split("\n") for column in known.blocks]
    if any(len(column) != len(columns[0]) for column in columns):  # a name with what no name of ours has
        return False
    by_name = dict(zip(columns[0], zip(*columns[2:], strict=True), strict=True))
    return all(_is_same_block(by_name.get(block.name), block) for block in given)


def _is_same_block(known: tuple[str, ...] | None, given: BlockRecord) -> bool:
    if known is None:
        return False
    sizes, is_open, updated, listing = known
    size_bytes, num_files = map(int, sizes.split("\t"))
    if (
        (given.size is not UNSET and given.size != size_bytes)
        or (given.num_files is not UNSET and given.num_files != num_files)
        or (given.is_open is not UNSET and given.is_open != (is_open == "1"))
        or not _is_same_moment(given.last_update, updated)
    ):
        return False
    if given.files is UNSET:
        return True
    if len(given.files) != num_files or not num_files or not listing:
        return False
    if _listings([given.files]) == listing:
        return True
    try:
        there = _plain_files(_file_list.decode(listing))
    except msgspec.DecodeError:  # a checksum that no document may give
        return False
    return there is not None and _plain_files(given.files) == there


def _plain_files(files: Sequence[FileRecord]) -> list[tuple[str, int, str]] | None:
    """Return the files in the order of their names, with checksums as they are kept; None if one of these is wrong."""
    problems: list[Any] = []
    plain = []
    for file in files:
        checksum = checksum_of(file, "", problems)
        plain.append((file.name, file.size, "" if checksum is UNSET else str(checksum)))
    return None if problems else sorted(plain)


def _is_same_moment(given: Any, known: str) -> bool:
    return given is UNSET or bool(given * _MICROSECONDS == int(known))


def _is_same_replica(known: Known, record: DatasetReplicaRecord, places: Places) -> bool:
    problems: list[Any] = []
    found = known.replicas.get(places.site_id(record.site, "", problems))
    if found is None or problems:
        return False
    group: Any = UNSET if record.group is UNSET else places.group_id(record.group, "", problems)
    if problems or group not in {UNSET, found.group_id} or record.growing not in {UNSET, found.is_growing}:
        return False
    given = record.blockreplicas
    return not given or _are_same_part_columns(known, found, given, group) or _are_same_parts(known, found, given, group, places)


def _are_same_part_columns(known: Known, found: KnownParts, given: Sequence[BlockReplicaRecord], group: Any) -> bool:
    """Tell whether all block replicas of a dataset replica are the given ones, all of them complete, in the same order."""
    blocks, groups, sizes, nums, custodials, updates, files = zip(*map(_part_columns, given), strict=True)
    if not (_are_unset(groups) and _are_unset(sizes) and _are_unset(nums) and _are_unset(custodials) and _are_unset(files)):
        return False
    try:
        complete = "\n".join([known.complete[name] for name in blocks])
    except KeyError:
        return False
    if complete != found.sizes or not _are_same_moments(updates, found.updates):
        return False
    return group is UNSET or "\n".join(["" if group is None else str(group)] * len(given)) == found.groups


def _are_same_parts(
    known: Known, found: KnownParts, given: Sequence[BlockReplicaRecord], replica_group: Any, places: Places
) -> bool:
    if found.sizes is None:
        return False
    parts: dict[str, list[str]] = {}
    for size, *part in zip(*((column or "").split("\n") for column in found[2:]), strict=True):
        block, _, full = size.partition("\t")
        parts[block] = [full, *part]
    problems: list[Any] = []
    for one in given:
        if (line := known.complete.get(one.block)) is None or one.files is not UNSET:
            return False
        block, _, full = line.partition("\t")
        # Taken out, so that a block that is named twice is not found again.
        if block not in parts:
            return False
        size, group, is_custodial, updated = parts.pop(block)
        if one.size is UNSET and one.num_files is UNSET:
            if size != full:
                return False
        elif size != f"{one.size}\t{one.num_files}" or not one.num_files:
            return False
        wanted = replica_group if one.group is UNSET else places.group_id(one.group, "", problems)
        if wanted is not UNSET and ("" if wanted is None else str(wanted)) != group:
            return False
        if one.is_custodial is not UNSET and one.is_custodial != (is_custodial == "1"):
            return False
        if not _is_same_moment(one.last_update, updated):
            return False
    return not problems


def _count(counts: Counts, record: DatasetRecord) -> None:
    counts.add("datasets", "unchanged")
    counts.add("blocks", "unchanged", len(record.blocks))
    counts.add("files", "unchanged", sum([len(block.files) for block in record.blocks if block.files is not UNSET]))
