"""Before files are put aside: the row that tells of them, written first, so that a worker that dies leaves nothing unknown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction

from inventory.choices import StorageType
from inventory.selectors.replicas import FileRow, block_replicas_by_key
from operations.choices import TrashState
from operations.constants import NOBODY
from operations.models import Attempt, Trash, TrashFile
from operations.selectors.pace import own_trash_days
from operations.services.claim import Claim, ClaimedDeletion
from operations.services.limits import QueueLimits
from operations.services.trash_lease import lies_elsewhere
from operations.storage import TrashedFile, trash_name


@dataclass(frozen=True, slots=True)
class OpenedTrash:
    """Where the files of deletions are put: ``folders`` by deletion; ``busy``: those that must wait, and for what."""

    folders: Mapping[int, str] = field(default_factory=dict)
    busy: Mapping[int, str] = field(default_factory=dict)

    def place(self, deletion_id: int, file: FileRow) -> TrashedFile:
        """Return the place of one file in the trash."""
        return TrashedFile(file.lfn, self.folders[deletion_id], trash_name(file.lfn), file.size_bytes, file.checksum)


def trash_open(claim: Claim, *, now: datetime, limits: QueueLimits) -> OpenedTrash:
    """Make the trash of each deletion of a claim, or find the one that an earlier attempt made. One short transaction.

    With the trash switched off only what has begun to be put aside is. What waits: what is being restored or purged right now,
    what comes back to the same place from the trash of another deletion, what has begun to be put aside at another endpoint, and
    what is to be put aside but has left the inventory.
    """
    ids = [item.deletion_id for item in claim.items]
    with transaction.atomic():
        known = {row.deletion_id: row for row in _locked(ids)}
        days = own_trash_days({claim.site.name}).get(claim.site.name, limits.trash_days)
        new = [item for item in claim.items if item.deletion_id not in known] if days else []
        if new:
            Trash.objects.bulk_create(_rows(claim, new, now), ignore_conflicts=True, batch_size=500)
            known = {row.deletion_id: row for row in _locked(ids)}
        again = [row for row in known.values() if row.state not in {TrashState.FILLING, *_BUSY}]
        for row in again:
            row.state, row.kept_since, row.purge_after, row.finished_at = TrashState.FILLING, None, None, None
        Trash.objects.bulk_update(again, ["state", "kept_since", "purge_after", "finished_at"])
        # What came back from it goes into it again: it does not count as restored any more.
        TrashFile.objects.filter(trash__in=again).delete()
        _name_all(claim, known)
        busy = {item.deletion_id: "its block replica has left the inventory" for item in new if item.deletion_id not in known}
        busy |= _coming_back(claim)
    elsewhere = {key: why for key, row in known.items() if (why := lies_elsewhere(row, claim.site))}
    busy |= elsewhere | {key: f"its trash is {row.get_state_display()}" for key, row in known.items() if row.state in _BUSY}
    folders = {key: row.folder for key, row in known.items() if row.state == TrashState.FILLING and key not in busy}
    return OpenedTrash(folders, busy)


def _name_all(claim: Claim, known: Mapping[int, Trash]) -> None:
    """Name in the trash what an earlier attempt did not: files may have come to the block replica since."""
    tried = [item for item in claim.items if item.attempt_number > 1 and item.deletion_id in known]
    stored = Trash.objects.in_bulk([known[item.deletion_id].pk for item in tried])
    for item in tried:
        row = stored[known[item.deletion_id].pk]
        names = {lfn for lfn, _, _ in row.files}
        more = [file for file in item.files if file.lfn not in names]
        if more and row.state not in _BUSY:
            row.files = [*row.files, *([file.lfn, file.size_bytes, file.checksum] for file in more)]
            row.num_files, row.size_bytes = len(row.files), sum(size for _, size, _ in row.files)
            row.save(update_fields=["files", "num_files", "size_bytes"])


def _coming_back(claim: Claim) -> dict[int, str]:
    """Return the deletions whose files another deletion's trash gives back at this moment, or is about to."""
    rows = Trash.objects.filter(
        site_name=claim.site.name,
        state=TrashState.RESTORING,
        dataset_name__in={item.dataset_name for item in claim.items},
        block_name__in={item.block_name for item in claim.items},
    )
    fields = ("dataset_name", "block_name", "path")
    places = {tuple(names): pk for pk, *names in rows.values_list("deletion_id", *fields)}
    found = {item.deletion_id: places.get((item.dataset_name, item.block_name, item.path)) for item in claim.items}
    return {
        key: f"files of it are being restored from the trash of deletion {pk}"
        for key, pk in found.items()
        if pk not in {None, key}
    }


_BUSY = frozenset({TrashState.RESTORING, TrashState.PURGING})


def _locked(deletion_ids: list[int]) -> list[Trash]:
    rows = Trash.objects.select_for_update(no_key=True, of=("self",)).filter(deletion_id__in=deletion_ids)
    return list(rows.defer("files").order_by("pk"))


def _rows(claim: Claim, items: list[ClaimedDeletion], now: datetime) -> list[Trash]:
    """Return a row for each deletion whose block replica is there; its folder follows from the first attempt at it."""
    replicas = block_replicas_by_key([item.block_replica_key for item in items if item.block_replica_key is not None])
    first = Attempt.objects.filter(deletion_id__in=[item.deletion_id for item in items], number=1)
    begun = dict(first.values_list("deletion_id", "started_at"))
    rows = []
    for item in items:
        replica = replicas.get(item.block_replica_key) if item.block_replica_key is not None else None
        if replica is None and item.modified_at is None:
            continue
        begun_at = begun[item.deletion_id]
        rows.append(
            Trash(
                deletion_id=item.deletion_id,
                site_name=claim.site.name,
                dataset_name=replica.dataset if replica is not None else "",
                block_name=replica.block if replica is not None else "",
                path=item.path,
                group_name=(replica.group if replica is not None else None) or NOBODY,
                is_custodial=replica is not None and replica.is_custodial,
                is_tape=claim.site.storage_type == StorageType.MSS,
                replica_last_update=replica.last_update if replica is not None else item.modified_at or now,
                endpoint_url=claim.site.endpoint_url,
                folder=f"{begun_at:%Y-%m-%d}/{begun_at:%H%M%S}-{item.deletion_id}",
                files=[[file.lfn, file.size_bytes, file.checksum] for file in item.files],
                num_files=len(item.files),
                size_bytes=sum(file.size_bytes for file in item.files),
                begun_at=now,
            )
        )
    return rows
