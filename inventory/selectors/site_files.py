"""What the inventory says of single files at one site, and of all block replicas there, in order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db.models import Max

from inventory.models import BlockReplica, File, PresentFile
from inventory.selectors.replicas import KEYS_PER_QUERY, in_chunks


@dataclass(frozen=True, slots=True)
class KnownFile:
    """A file of the inventory as far as one site is concerned.

    ``block_replica_key``: the block replica there that has it, or may have it; None where the inventory does not say so.
    """

    lfn: str
    size_bytes: int
    dataset: str
    block: str
    block_replica_key: int | None


@dataclass(frozen=True, slots=True)
class ReplicaAtSite:
    """A block replica of a site. ``has_names``: the inventory knows which files it has."""

    key: int
    size_bytes: int
    num_files: int
    has_names: bool


def files_known(lfns: Collection[str], site_key: int) -> dict[str, KnownFile]:
    """Return those of *lfns* that the inventory knows, wherever they are; a fixed number of queries per 5,000 names."""
    found: dict[str, KnownFile] = {}
    names = sorted(lfns)
    for start in range(0, len(names), KEYS_PER_QUERY):
        some = names[start : start + KEYS_PER_QUERY]
        rows = File.objects.filter(lfn__in=some).order_by("pk")
        files = list(rows.values_list("pk", "lfn", "size_bytes", "block_id", "block__dataset__name", "block__name"))
        holders = _holders({row[3] for row in files}, site_key)
        present = _present_in([key for key, is_whole in holders.values() if not is_whole])
        for pk, lfn, size, block, dataset, block_name in files:
            key, is_whole = holders.get(block, (None, True))
            if key is not None and not is_whole and present.get(key) and pk not in present[key]:
                key = None
            found[lfn] = KnownFile(lfn, size, dataset, block_name, key)
    return found


def _holders(blocks: Collection[int], site_key: int) -> dict[int, tuple[int | None, bool]]:
    """Return, by block, its replica at a site and whether that has all its files; one without any files holds none."""
    holders: dict[int, tuple[int | None, bool]] = {}
    for some in in_chunks(sorted(blocks)):
        rows = BlockReplica.objects.filter(block_id__in=some, site_id=site_key, num_files__gt=0).order_by("pk")
        for key, block, *has in rows.values_list(
            "pk", "block_id", "size_bytes", "num_files", "block__size_bytes", "block__num_files"
        ):
            holders[block] = (key, has[:2] == has[2:])
    return holders


def _present_in(keys: Sequence[int | None]) -> dict[int, set[int]]:
    """Return the files by incomplete block replica, where the inventory knows which they are."""
    present: dict[int, set[int]] = {}
    for some in in_chunks([key for key in keys if key is not None]):
        rows = PresentFile.objects.filter(block_replica_id__in=some).order_by("pk").values_list("block_replica_id", "file_id")
        for key, file in rows:
            present.setdefault(key, set()).add(file)
    return present


def replicas_at_site(site_key: int, *, after: int, up_to: int, limit: int) -> list[ReplicaAtSite]:
    """Return the next block replicas of a site, by key: later than *after*, at most *up_to*; those without files left out."""
    rows = (
        BlockReplica.objects.filter(site_id=site_key, pk__gt=after, pk__lte=up_to, num_files__gt=0)
        .order_by("pk")
        .values_list("pk", "size_bytes", "num_files", "block__size_bytes", "block__num_files")[:limit]
    )
    found = list(rows)
    present = _present_in([key for key, *has in found if has[:2] != has[2:]])
    return [
        ReplicaAtSite(key, size, number, (size, number) == (full_size, full_number) or len(present.get(key, ())) == number)
        for key, size, number, full_size, full_number in found
    ]


def last_block_replica_key() -> int:
    """Return the largest key of a block replica, 0 without any."""
    return BlockReplica.objects.aggregate(last=Max("pk"))["last"] or 0
