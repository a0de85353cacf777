"""Block replicas by key, with all that a worker must know before it deletes one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, islice
from operator import itemgetter
from typing import NamedTuple, TypeVar

from django.db.models import Count, F, Q, Sum

from inventory.choices import SiteStatus
from inventory.models import Block, BlockReplica, File, PresentFile

#: Sites whose copies count as copies that remain.
LIVING_STATUSES = (SiteStatus.READY, SiteStatus.WAITROOM)

#: Keys per query, below SQLite's limit of 32,766 parameters.
KEYS_PER_QUERY = 5000

Key = TypeVar("Key")


@dataclass(frozen=True, slots=True)
class BlockReplicaRow:
    """A block at a site; ``group`` is None for nobody, ``size_bytes`` and ``num_files`` are what is physically there."""

    key: int
    dataset: str
    block: str
    site: str
    group: str | None
    size_bytes: int
    num_files: int
    is_complete: bool
    last_update: datetime
    is_custodial: bool


class FileRow(NamedTuple):
    """A file by its logical name; ``checksum`` is empty or algorithm:value (a tuple, because they are read by the million)."""

    lfn: str
    size_bytes: int
    checksum: str


def block_replicas_by_key(keys: Sequence[int]) -> dict[int, BlockReplicaRow]:
    """Return the block replicas with these keys, read fresh; keys that are gone are absent from the result."""
    found: dict[int, BlockReplicaRow] = {}
    for some in in_chunks(keys):
        rows = BlockReplica.objects.filter(pk__in=some).values_list(
            "pk",
            "block__dataset__name",
            "block__name",
            "site__name",
            "group__name",
            "size_bytes",
            "num_files",
            "last_update",
            "is_custodial",
            "block__size_bytes",
            "block__num_files",
        )
        for key, dataset, block, site, group, size, num_files, last_update, is_custodial, *full in rows.order_by("pk"):
            is_complete = [size, num_files] == full
            found[key] = BlockReplicaRow(
                key, dataset, block, site, group, size, num_files, is_complete, last_update, is_custodial
            )
    return found


def files_of_block_replicas(keys: Sequence[int]) -> dict[int, tuple[FileRow, ...]]:
    """Return the files to look for at each block replica's site, in the order of their names; no entry for keys that are gone.

    A complete replica has all files of its block, an incomplete one those that are recorded as present. Where an
    incomplete one came with a number of files but without their names, any of the block's files may be there: all
    are returned, and those that are not there are already absent.
    """
    found: dict[int, tuple[FileRow, ...]] = {}
    for some in in_chunks(keys):
        rows = BlockReplica.objects.filter(pk__in=some).values_list(
            "pk", "block_id", "size_bytes", "num_files", "block__size_bytes", "block__num_files"
        )
        present = _present_files(some)
        block_of: dict[int, int] = {}
        for key, block, size, num_files, full_size, full_files in rows:
            if (size, num_files) != (full_size, full_files) and (num_files == 0 or key in present):
                found[key] = tuple(present.get(key, ()))
            else:
                block_of[key] = block
        of_block = _files_of_blocks(sorted(set(block_of.values())))
        for key, block in block_of.items():
            found[key] = tuple(of_block.get(block, ()))
    return found


def blocks_of_files(lfns: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return dataset and block of each file that the inventory knows (still), by logical name; one query per 5,000 names."""
    found: dict[str, tuple[str, str]] = {}
    for some in in_chunks(sorted(lfns)):
        rows = File.objects.filter(lfn__in=some).order_by().values_list("lfn", "block__dataset__name", "block__name")
        found.update({lfn: (dataset, block) for lfn, dataset, block in rows})
    return found


def blocks_known(blocks: Collection[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Return those of *blocks* (dataset, block) that the inventory has (still). One query; meant for up to some hundred."""
    datasets, names = {dataset for dataset, _ in blocks}, {name for _, name in blocks}
    rows = Block.objects.filter(dataset__name__in=datasets, name__in=names).order_by().values_list("dataset__name", "name")
    return frozenset(rows) & frozenset(blocks)


def bytes_at_sites(site_names: Sequence[str]) -> dict[str, int]:
    """Return the bytes that the inventory knows at each site; sites without any are absent."""
    sums = BlockReplica.objects.filter(site__name__in=site_names).order_by().values_list("site__name")
    return dict(sums.annotate(total=Sum("size_bytes")))


def other_complete_copies(keys: Sequence[int]) -> dict[int, int]:
    """Return, for each block replica, how many complete replicas its block has at other sites, in the whole inventory.

    What lies at a site in the morgue, or of which nobody knows how it is, is no copy that can be counted on.
    """
    found: dict[int, int] = {}
    for some in in_chunks(keys):
        is_other_complete = (
            ~Q(block__replicas__pk=F("pk"))
            & Q(block__replicas__size_bytes=F("block__size_bytes"))
            & Q(block__replicas__num_files=F("block__num_files"))
            & Q(block__replicas__site__status__in=LIVING_STATUSES)
        )
        counted = BlockReplica.objects.filter(pk__in=some).annotate(others=Count("block__replicas", filter=is_other_complete))
        found.update(counted.order_by("pk").values_list("pk", "others"))
    return found


def last_copies_among(keys: Collection[int], *, going: Callable[[Collection[int]], set[int]]) -> tuple[int, dict[int, int]]:
    """Return how many of *keys* are there, and of whose block no complete copy stays once all of them are gone, with their bytes.

    *going* returns those of some keys that are to go, too. What is a copy that stays: as in `other_complete_copies`; as there, an
    incomplete replica without a complete one elsewhere counts, for it may be all that is left. Three queries per 5,000 keys.
    """
    listed = set(keys)
    num_there, last = 0, dict[int, int]()
    for some in in_chunks(sorted(listed)):
        rows = list(BlockReplica.objects.filter(pk__in=some).order_by("pk").values_list("pk", "block_id", "size_bytes"))
        num_there += len(rows)
        copies = BlockReplica.objects.filter(
            block_id__in={block for _, block, _ in rows},
            size_bytes=F("block__size_bytes"),
            num_files=F("block__num_files"),
            site__status__in=LIVING_STATUSES,
        ).order_by("pk")
        stay = {key: block for key, block in copies.values_list("pk", "block_id") if key not in listed}
        kept = {stay[key] for key in stay.keys() - going(stay)}
        last.update({key: size for key, block, size in rows if block not in kept})
    return num_there, last


def is_any_there(keys: Collection[int]) -> bool:
    """Tell whether the inventory (still) has one of the block replicas with these keys."""
    return any(BlockReplica.objects.filter(pk__in=some).exists() for some in in_chunks(list(keys)))


def in_chunks(keys: Sequence[Key], size: int = KEYS_PER_QUERY) -> Iterator[list[Key]]:
    """Yield *keys* in lists of at most *size*."""
    rest = iter(keys)
    while some := list(islice(rest, size)):
        yield some


def _present_files(keys: Sequence[int]) -> dict[int, list[FileRow]]:
    files: dict[int, list[FileRow]] = defaultdict(list)
    rows = PresentFile.objects.filter(block_replica_id__in=keys).order_by("block_replica_id", "file__lfn")
    for key, lfn, size, checksum in rows.values_list("block_replica_id", "file__lfn", "file__size_bytes", "file__checksum"):
        files[key].append(FileRow(lfn, size, checksum))
    return files


def _files_of_blocks(blocks: Sequence[int]) -> dict[int, list[FileRow]]:
    rows = File.objects.filter(block_id__in=blocks).order_by("block_id", "lfn")
    columns = rows.values_list("block_id", "lfn", "size_bytes", "checksum")
    return {block: [FileRow._make(row[1:]) for row in some] for block, some in groupby(columns, key=itemgetter(0))}


def block_replicas_matching(*, dataset: str, block: str, site: str, limit: int) -> list[BlockReplicaRow]:
    """Return the block replicas whose names fit the patterns (``*`` any text, ``?`` any character), by key, at most *limit*."""
    wanted = {"block__dataset__name": dataset, "block__name": block, "site__name": site}
    filters = {
        f"{column}__wildcard" if "*" in pattern or "?" in pattern else column: pattern
        for column, pattern in wanted.items()
        if pattern != "*"
    }
    keys = BlockReplica.objects.filter(**filters).order_by("pk").values_list("pk", flat=True)[:limit]
    return list(block_replicas_by_key(list(keys)).values())
