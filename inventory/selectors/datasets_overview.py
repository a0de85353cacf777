"""Read models of the dataset pages."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, F, Max, Min, Prefetch, Q, QuerySet, Sum
from django.utils import timezone

from inventory.models import Block, BlockReplica, Dataset, DatasetReplica
from inventory.selectors.lock_holdings import Patterns, where_texts
from inventory.selectors.locks import on_dataset
from inventory.selectors.locks_in_force import locks_in_force


@dataclass(frozen=True, slots=True)
class Copy:
    """A dataset at a site: bytes present and bytes of the whole dataset, complete blocks and all blocks."""

    site_name: str
    group_names: str
    size_bytes: int
    whole_bytes: int
    num_complete_blocks: int
    num_blocks: int
    is_growing: bool
    last_update: datetime | None

    @property
    def is_complete(self) -> bool:
        return self.num_complete_blocks == self.num_blocks


@dataclass(frozen=True, slots=True)
class LockRow:
    """A lock in force whose dataset pattern fits."""

    pk: int
    what: str
    where: str
    owner: str
    comment: str
    expires_at: datetime | None


def name_filter(term: str, field: str = "name") -> Q:
    """Return the condition that *field* fits *term*: with ``*`` or ``?`` as a whole, without them as a part in any case."""
    is_pattern = "*" in term or "?" in term
    return Q(**{f"{field}__{'wildcard' if is_pattern else 'part'}": term})


def datasets_named(term: str, *, limit: int = 50) -> list[str]:
    """Return up to *limit* dataset names that fit *term*, in order."""
    return list(Dataset.objects.filter(name_filter(term)).order_by("name").values_list("name", flat=True)[:limit])


def dataset_key(name: str) -> int | None:
    """Return the primary key of the dataset of that name, or None."""
    return Dataset.objects.filter(name=name).values_list("pk", flat=True).first()


def dataset_name(dataset_id: int) -> str | None:
    """Return the name of the dataset, or None."""
    return Dataset.objects.filter(pk=dataset_id).values_list("name", flat=True).first()


def dataset_copies(dataset_id: int) -> list[Copy]:
    """Return the copies of a dataset by site; three queries, whatever their number."""
    dataset = Dataset.objects.get(pk=dataset_id)
    complete = Q(size_bytes=F("block__size_bytes"), num_files=F("block__num_files"))
    sums = {
        row["dataset_replica_id"]: row
        for row in BlockReplica.objects.filter(dataset_replica__dataset_id=dataset_id)
        .order_by()
        .values("dataset_replica_id")
        .annotate(size=Sum("size_bytes"), complete=Count("pk", filter=complete), latest=Max("last_update"))
    }
    owners: dict[int, set[str]] = {}
    pairs = BlockReplica.objects.filter(dataset_replica__dataset_id=dataset_id).order_by()
    for replica_id, group in pairs.values_list("dataset_replica_id", "group__name").distinct():
        owners.setdefault(replica_id, set()).add(group or "nobody")
    return [
        Copy(
            site_name=replica.site.name,
            group_names=", ".join(sorted(owners.get(replica.pk, {"nobody"}))),
            size_bytes=sums.get(replica.pk, {}).get("size") or 0,
            whole_bytes=dataset.size_bytes,
            num_complete_blocks=sums.get(replica.pk, {}).get("complete") or 0,
            num_blocks=dataset.num_blocks,
            is_growing=replica.is_growing,
            last_update=sums.get(replica.pk, {}).get("latest"),
        )
        for replica in DatasetReplica.objects.filter(dataset_id=dataset_id).select_related("site").order_by("site__name")
    ]


def first_and_last_block(dataset_id: int) -> tuple[datetime | None, datetime | None, int]:
    """Return when the first and the latest block of the dataset came, as far as is known, and how many there are."""
    found = Block.objects.filter(dataset_id=dataset_id).aggregate(
        first=Min("last_update"), last=Max("last_update"), number=Count("pk")
    )
    return found["first"], found["last"], found["number"]


def dataset_blocks(dataset_id: int) -> QuerySet[Block]:
    """Return the blocks of a dataset, each with its replicas in the order of their sites: three queries for a page of them."""
    replicas = BlockReplica.objects.select_related("site", "group", "block").order_by("site__name")
    return Block.objects.filter(dataset_id=dataset_id).prefetch_related(Prefetch("replicas", queryset=replicas))


def dataset_locks(name: str, *, now: datetime | None = None) -> list[LockRow]:
    """Return the locks in force whose dataset pattern fits *name*, newest first."""
    locks = list(locks_in_force(now or timezone.now()).filter(on_dataset(name)).order_by("-pk"))
    places = where_texts([Patterns.of(lock) for lock in locks])
    return [
        LockRow(
            pk=lock.pk,
            what=lock.dataset_pattern if lock.block_pattern == "*" else f"{lock.dataset_pattern}#{lock.block_pattern}",
            where=where,
            owner=lock.owner,
            comment=lock.comment,
            expires_at=lock.expires_at,
        )
        for lock, where in zip(locks, places, strict=True)
    ]
