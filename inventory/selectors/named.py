"""Datasets, blocks and files by name, down to single files: what a list of names means in the inventory as it is now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from inventory.models import Block, BlockReplica, Dataset, File
from inventory.selectors.replicas import KEYS_PER_QUERY, BlockReplicaRow, FileRow, block_replicas_by_key, in_chunks

_NAMES_PER_QUERY = 5000


@dataclass(frozen=True, slots=True)
class Target:
    """A name: of a dataset, of a block of it, or of a file (LFN), with the block and dataset that it must be in where given."""

    dataset: str = ""
    block: str = ""
    file: str = ""

    def __str__(self) -> str:
        if self.file:
            return self.file
        return f"{self.dataset}#{self.block}" if self.block else self.dataset


@dataclass(frozen=True, slots=True)
class NamedBlock:
    """A block that was named, or of which ``files`` were; ``is_whole``: all of it, now and with what the inventory knows of it.

    ``files``: those that were named; of a whole block all that are known by name. ``size_bytes`` and ``num_files``: of the block.
    """

    key: int
    dataset: str
    block: str
    size_bytes: int
    num_files: int
    is_whole: bool
    files: tuple[FileRow, ...]

    def __str__(self) -> str:
        return f"{self.dataset}#{self.block}"


@dataclass(frozen=True, slots=True)
class Named:
    """What a list of names means. ``datasets``: those named as a whole; ``unknown``: names that mean nothing."""

    blocks: tuple[NamedBlock, ...]
    datasets: tuple[str, ...]
    unknown: tuple[str, ...]


def named_look_up(targets: Iterable[Target]) -> Named:
    """Return what *targets* name, blocks by dataset and name; a file that its dataset or block does not have is unknown."""
    wanted = list(dict.fromkeys(targets))
    datasets = _dataset_keys({target.dataset for target in wanted if target.dataset})
    whole = {target.dataset for target in wanted if not target.block and not target.file and target.dataset in datasets}
    unknown = [str(target) for target in wanted if not target.file and target.dataset not in datasets]
    blocks = {row.pk: row for row in _blocks_of({datasets[name] for name in whole})}
    whole_blocks = set(blocks)
    pairs = {(target.dataset, target.block): target for target in wanted if target.block and not target.file}
    for row in _blocks_named(pairs, datasets):
        blocks[row.pk] = row
        whole_blocks.add(row.pk)
        del pairs[row.dataset.name, row.name]
    unknown += [str(target) for name, target in pairs.items() if name[0] in datasets]
    files, missing = _files_named([target for target in wanted if target.file])
    unknown += missing
    partial = set(files) - whole_blocks
    blocks |= {row.pk: row for row in _blocks_with(partial)}
    of_whole = _files_of(whole_blocks | {key for key in partial if len(files[key]) == blocks[key].num_files})
    named = [_named(row, of_whole.get(key), files.get(key, {}), is_whole=key in whole_blocks) for key, row in blocks.items()]
    return Named(tuple(sorted(named, key=lambda one: (one.dataset, one.block))), tuple(sorted(whole)), tuple(sorted(unknown)))


def block_replicas_of(block_keys: Collection[int]) -> list[BlockReplicaRow]:
    """Return all replicas of these blocks, by their keys."""
    keys: list[int] = []
    for some in in_chunks(sorted(block_keys)):
        keys.extend(BlockReplica.objects.filter(block_id__in=some).values_list("pk", flat=True))
    return list(dict(sorted(block_replicas_by_key(sorted(keys)).items())).values())


def _named(row: Block, all_files: dict[str, FileRow] | None, files: dict[str, FileRow], *, is_whole: bool) -> NamedBlock:
    is_whole = is_whole or (all_files is not None and all_files.keys() == files.keys())
    chosen = (all_files or {}) if is_whole else files
    rows = tuple(chosen[lfn] for lfn in sorted(chosen))
    return NamedBlock(row.pk, row.dataset.name, row.name, row.size_bytes, row.num_files, is_whole, rows)


def _dataset_keys(names: Collection[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for some in _chunks(sorted(names)):
        found.update(Dataset.objects.filter(name__in=some).values_list("name", "pk"))
    return found


def _blocks_of(dataset_keys: Collection[int]) -> Iterable[Block]:
    for some in in_chunks(sorted(dataset_keys)):
        yield from Block.objects.filter(dataset_id__in=some).select_related("dataset")


def _blocks_with(keys: Collection[int]) -> Iterable[Block]:
    for some in in_chunks(sorted(keys)):
        yield from Block.objects.filter(pk__in=some).select_related("dataset")


def _blocks_named(pairs: Collection[tuple[str, str]], datasets: dict[str, int]) -> list[Block]:
    names: dict[int, set[str]] = defaultdict(set)
    for dataset, block in pairs:
        if dataset in datasets:
            names[datasets[dataset]].add(block)
    found: list[Block] = []
    for some in in_chunks(sorted(names), KEYS_PER_QUERY // 2):
        wanted = sorted(set().union(*(names[key] for key in some)))
        for part in _chunks(wanted):
            rows = Block.objects.filter(dataset_id__in=some, name__in=part).select_related("dataset")
            found.extend(row for row in rows if row.name in names[row.dataset_id])
    return found


def _files_named(targets: Sequence[Target]) -> tuple[dict[int, dict[str, FileRow]], list[str]]:
    wanted = {target.file: target for target in targets}
    found: dict[int, dict[str, FileRow]] = defaultdict(dict)
    for some in _chunks(sorted(wanted)):
        rows = File.objects.filter(lfn__in=some).values_list(
            "block_id", "block__dataset__name", "block__name", "lfn", "size_bytes", "checksum"
        )
        for block_id, dataset, block, lfn, size, checksum in rows:
            target = wanted[lfn]
            if target.dataset in {"", dataset} and target.block in {"", block}:
                found[block_id][lfn] = FileRow(lfn, size, checksum)
                del wanted[lfn]
    return found, [str(target) for target in wanted.values()]


def _files_of(block_keys: Collection[int]) -> dict[int, dict[str, FileRow]]:
    found: dict[int, dict[str, FileRow]] = {key: {} for key in block_keys}
    for some in in_chunks(sorted(block_keys)):
        rows = File.objects.filter(block_id__in=some).values_list("block_id", "lfn", "size_bytes", "checksum")
        for block_id, lfn, size, checksum in rows.iterator(chunk_size=10_000):
            found[block_id][lfn] = FileRow(lfn, size, checksum)
    return found


def _chunks(names: Sequence[str]) -> Iterable[Sequence[str]]:
    return (names[start : start + _NAMES_PER_QUERY] for start in range(0, len(names), _NAMES_PER_QUERY))
