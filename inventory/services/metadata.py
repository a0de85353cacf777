"""What the inventory forgets: files out of a block replica, then files, blocks and datasets that are nowhere any more.

Everything runs in the caller's transaction, which also records why.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Sum

from inventory.models import Block, BlockReplica, Dataset, File, PresentFile
from inventory.services.replicas import block_replicas_lock, block_replicas_remove, demand_transaction


@dataclass(frozen=True, slots=True)
class ForgottenBlock:
    """What is to be forgotten of a block: *files* alone, or all of it (None) as long as it has these bytes and files."""

    dataset: str
    block: str
    size_bytes: int
    num_files: int
    files: tuple[str, ...] | None = None

    def __str__(self) -> str:
        return f"{self.dataset}#{self.block}"


def metadata_lock(*, datasets: Collection[str]) -> None:
    """Let no block, file or replica of a block come to these datasets before the end of the caller's transaction.

    Locks the datasets, then their blocks, each in the order of their keys. Raises ``TransactionManagementError`` outside a
    transaction.
    """
    demand_transaction()
    rows = Dataset.objects.select_for_update().filter(name__in=list(datasets)).order_by("pk")
    keys = list(rows.values_list("pk", flat=True))
    list(Block.objects.select_for_update().filter(dataset_id__in=keys).order_by("pk").values_list("pk", flat=True))


def block_replica_files_remove(*, files: Mapping[int, Collection[str]]) -> int:
    """Take *files* (LFNs by key of the block replica) out of block replicas, which are smaller then, or gone if nothing is left.

    An incomplete replica of which nobody knows which files it has is left alone. Returns how many files were taken out. Raises
    ``TransactionManagementError`` outside a transaction.
    """
    demand_transaction()
    block_replicas_lock(keys=list(files))
    total = 0
    emptied: list[int] = []
    for row in BlockReplica.objects.filter(pk__in=list(files)).select_related("block").order_by("pk"):
        removed = _files_leave(row, files[row.pk])
        total += removed
        if removed and row.num_files == 0:
            emptied.append(row.pk)
    if emptied:
        block_replicas_remove(keys=emptied)
    return total


def _files_leave(row: BlockReplica, lfns: Collection[str]) -> int:
    gone = dict(File.objects.filter(block_id=row.block_id, lfn__in=list(lfns)).values_list("pk", "size_bytes"))
    if (row.size_bytes, row.num_files) == (row.block.size_bytes, row.block.num_files):
        left = File.objects.filter(block_id=row.block_id).exclude(pk__in=list(gone)).order_by("pk")
        PresentFile.objects.bulk_create(
            (PresentFile(block_replica_id=row.pk, file_id=pk) for pk in left.values_list("pk", flat=True)), batch_size=1000
        )
    else:
        present = PresentFile.objects.filter(block_replica_id=row.pk, file_id__in=list(gone))
        gone = {pk: gone[pk] for pk in present.values_list("file_id", flat=True)}
        present.delete()
    if gone:
        row.size_bytes = max(row.size_bytes - sum(gone.values()), 0)
        row.num_files = max(row.num_files - len(gone), 0)
        row.save(update_fields=["size_bytes", "num_files"])
    return len(gone)


def metadata_forget(*, blocks: Sequence[ForgottenBlock], datasets: Collection[str]) -> dict[str, str]:
    """Remove files and blocks of which no copy is left anywhere, then those of *datasets* that have no block left.

    Returns what stays, and why: a copy came meanwhile, or a block is not the one that was named any more. Nothing is removed by
    halves: a block of which all was to go stays as a whole. Raises ``TransactionManagementError`` outside a transaction.
    """
    demand_transaction()
    kept: dict[str, str] = {}
    by_dataset: dict[str, list[ForgottenBlock]] = defaultdict(list)
    for one in blocks:
        by_dataset[one.dataset].append(one)
    for name in sorted(by_dataset.keys() | set(datasets)):
        dataset = Dataset.objects.select_for_update().filter(name=name).first()
        if dataset is None:
            continue
        kept |= _forget_blocks(dataset, by_dataset.get(name, ()))
        if name in datasets:
            kept |= _forget_dataset(dataset)
    return kept


def _forget_blocks(dataset: Dataset, wanted: Iterable[ForgottenBlock]) -> dict[str, str]:
    by_name = {one.block: one for one in wanted}
    kept: dict[str, str] = {}
    whole: list[int] = []
    for block in Block.objects.select_for_update().filter(dataset=dataset, name__in=list(by_name)).order_by("pk"):
        one = by_name[block.name]
        reason = _why_it_stays(block, one)
        if reason:
            kept[str(one)] = reason
        elif one.files is None or _forget_files(block, one.files, kept):
            whole.append(block.pk)
    Block.objects.filter(pk__in=whole).delete()
    left = Block.objects.filter(dataset=dataset).aggregate(size=Sum("size_bytes"), files=Sum("num_files"), blocks=Count("pk"))
    dataset.size_bytes, dataset.num_files, dataset.num_blocks = left["size"] or 0, left["files"] or 0, left["blocks"]
    dataset.save(update_fields=["size_bytes", "num_files", "num_blocks"])
    return kept


def _why_it_stays(block: Block, wanted: ForgottenBlock) -> str:
    if wanted.files is not None:
        return ""
    if (block.size_bytes, block.num_files) != (wanted.size_bytes, wanted.num_files):
        return f"it has other files than when it was named: {block.num_files} now, {wanted.num_files} then"
    sites = BlockReplica.objects.filter(block=block).order_by("site__name").values_list("site__name", flat=True)[:5]
    return f"there are copies of it at {', '.join(sites)}" if sites else ""


def _forget_files(block: Block, lfns: Sequence[str], kept: dict[str, str]) -> bool:
    """Remove files that are nowhere, add what stays to *kept*, and tell whether the block is empty and nowhere now."""
    files = {row.lfn: row for row in File.objects.filter(block=block, lfn__in=lfns)}
    replicas = BlockReplica.objects.filter(block=block, num_files__gt=0)
    names = replicas.annotate(has_names=Exists(PresentFile.objects.filter(block_replica_id=OuterRef("pk"))))
    may_have_all = [str(row.site) for row in names.filter(has_names=False).select_related("site").order_by("site__name")]
    present = PresentFile.objects.filter(file__in=files.values()).order_by("file_id")
    at = {row.file_id: str(row.block_replica.site) for row in present.select_related("block_replica__site")}
    for lfn, row in files.items():
        where = at.get(row.pk) or (may_have_all[0] if may_have_all else "")
        if where:
            kept[lfn] = f"there is a copy of it at {where}"
    going = [row for lfn, row in files.items() if lfn not in kept]
    size = sum(row.size_bytes for row in going)
    File.objects.filter(pk__in=[row.pk for row in going]).delete()
    block.size_bytes = max(block.size_bytes - size, 0)
    block.num_files = max(block.num_files - len(going), 0)
    block.save(update_fields=["size_bytes", "num_files"])
    # A replica that now has all files of the block is complete again, and a complete one has no list of files.
    whole = BlockReplica.objects.filter(block=block, size_bytes=block.size_bytes, num_files=block.num_files)
    PresentFile.objects.filter(block_replica__in=whole).delete()
    return block.num_files == 0 and not BlockReplica.objects.filter(block=block).exists()


def _forget_dataset(dataset: Dataset) -> dict[str, str]:
    left = Block.objects.filter(dataset=dataset).count()
    if left:
        return {dataset.name: f"it has {left} blocks left"}
    dataset.delete()
    return {}
