"""What deletions and policies do to block replicas: remove their rows, hand them to another group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Exists, OuterRef

from inventory.exceptions import NotFound
from inventory.models import Block, BlockReplica, DatasetReplica, EnforcedReplica, File, Group, PresentFile, Site
from inventory.selectors.replicas import in_chunks


def block_replicas_remove(*, keys: Sequence[int]) -> int:
    """Remove the rows of these block replicas, then their dataset replicas that are left empty and do not grow.

    Runs in the caller's transaction (raises ``TransactionManagementError`` without one) and locks the dataset replicas
    until its end, in the order of their keys, so that of two workers that remove the last two blocks the later one
    sees the replica empty. Returns the number of block replicas removed; keys that are gone already do not count.
    """
    demand_transaction()
    removed = 0
    for some in in_chunks(sorted(set(keys))):
        parents = list(
            BlockReplica.objects.filter(pk__in=some).order_by().values_list("dataset_replica_id", flat=True).distinct()
        )
        locked = DatasetReplica.objects.select_for_update().filter(pk__in=parents).order_by("pk")
        list(locked.values_list("pk", flat=True))
        PresentFile.objects.filter(block_replica_id__in=some).delete()
        _, per_model = BlockReplica.objects.filter(pk__in=some).delete()
        removed += per_model.get("inventory.BlockReplica", 0)
        has_blocks = BlockReplica.objects.filter(dataset_replica_id=OuterRef("pk"))
        empty = DatasetReplica.objects.filter(~Exists(has_blocks), pk__in=parents, is_growing=False)
        gone = list(empty.order_by("pk").values_list("pk", flat=True))
        EnforcedReplica.objects.filter(pk__in=gone).delete()
        DatasetReplica.objects.filter(pk__in=gone).delete()
    return removed


def block_replicas_lock(*, keys: Sequence[int]) -> None:
    """Let nobody change these block replicas before the end of the caller's transaction; keys that are gone do not count.

    Locks their dataset replicas first, as `block_replicas_remove` does. Raises ``TransactionManagementError`` without a
    transaction.
    """
    demand_transaction()
    for some in in_chunks(sorted(set(keys))):
        rows = BlockReplica.objects.filter(pk__in=some)
        parents = DatasetReplica.objects.select_for_update().filter(pk__in=rows.order_by().values("dataset_replica_id"))
        list(parents.order_by("pk").values_list("pk", flat=True))
        list(rows.select_for_update().order_by("pk").values_list("pk", flat=True))


@dataclass(frozen=True, slots=True)
class ReplicaToRestore:
    """A block replica as it was before it was deleted; ``group_name`` None for nobody, ``lfns`` those that are there again."""

    dataset: str
    block: str
    site: str
    group_name: str | None
    is_custodial: bool
    last_update: datetime
    lfns: frozenset[str]


def block_replica_restore(wanted: ReplicaToRestore) -> str:
    """Let the inventory know files that are at a site again, and their block replica; return why it cannot, empty if it does.

    A block replica that is there by now takes them up and stays as it is otherwise. One that then has all files of its block
    is complete. Runs in the caller's transaction and locks the dataset replica until its end. Does nothing the second time.
    """
    demand_transaction()
    block = Block.objects.filter(dataset__name=wanted.dataset, name=wanted.block).select_related("dataset").first()
    site = Site.objects.filter(name=wanted.site).first()
    if block is None or site is None:
        what = "site" if site is None else "block"
        return f"the {what} is not in the inventory any more"
    group = Group.objects.filter(name=wanted.group_name).first() if wanted.group_name is not None else None
    parent, _ = DatasetReplica.objects.get_or_create(dataset=block.dataset, site=site, defaults={"group": group})
    DatasetReplica.objects.select_for_update().get(pk=parent.pk)
    replica, is_new = BlockReplica.objects.get_or_create(
        block=block,
        site=site,
        defaults={
            "dataset_replica": parent,
            "group": group,
            "is_custodial": wanted.is_custodial,
            "last_update": wanted.last_update,
            "size_bytes": 0,
            "num_files": 0,
        },
    )
    if (replica.size_bytes, replica.num_files) == (block.size_bytes, block.num_files):
        return ""
    rows = File.objects.filter(block=block).values_list("lfn", "pk", "size_bytes")
    files = {lfn: (pk, size) for lfn, pk, size in rows}
    present = set(PresentFile.objects.filter(block_replica=replica).values_list("file__lfn", flat=True))
    if not is_new and replica.num_files != len(present):
        return f"the site has {replica.num_files} files of the block that the inventory does not know by name"
    present |= wanted.lfns & files.keys()
    replica.size_bytes, replica.num_files = sum(files[lfn][1] for lfn in present), len(present)
    replica.save(update_fields=["size_bytes", "num_files"])
    if (replica.size_bytes, replica.num_files) == (block.size_bytes, block.num_files):
        PresentFile.objects.filter(block_replica=replica).delete()
    else:
        named = [PresentFile(block_replica=replica, file_id=files[lfn][0]) for lfn in sorted(present)]
        PresentFile.objects.bulk_create(named, ignore_conflicts=True)
    return ""


def block_replicas_hand_over(*, keys: Sequence[int], group_name: str) -> int:
    """Make the group the owner of these block replicas; return how many had another owner before.

    Runs in the caller's transaction. Raises ``NotFound`` if there is no such group: then nothing is handed over.
    """
    demand_transaction()
    group = Group.objects.filter(name=group_name).first()
    if group is None:
        raise NotFound(f"no group is called {group_name!r}: inject it first, or name one that exists")
    changed = 0
    for some in in_chunks(sorted(set(keys))):
        changed += BlockReplica.objects.filter(pk__in=some).exclude(group_id=group.pk).update(group=group)
    return changed


def demand_transaction() -> None:
    """Raise ``TransactionManagementError`` outside a transaction."""
    if not connection.in_atomic_block:
        raise transaction.TransactionManagementError(
            "block replicas change only together with the record of why: open a transaction"
        )
