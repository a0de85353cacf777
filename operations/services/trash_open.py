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
from operations.models import Attempt, Trash
from operations.services.claim import Claim, ClaimedDeletion
from operations.services.limits import QueueLimits
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

    With the trash switched off only what has begun to be put aside is. What is being restored or purged right now waits.
    """
    ids = [item.deletion_id for item in claim.items]
    with transaction.atomic():
        known = {row.deletion_id: row for row in _locked(ids)}
        new = [item for item in claim.items if item.deletion_id not in known] if limits.trash_days else []
        if new:
            Trash.objects.bulk_create(_rows(claim, new, now), ignore_conflicts=True, batch_size=500)
            known = {row.deletion_id: row for row in _locked(ids)}
        again = [row for row in known.values() if row.state not in {TrashState.FILLING, *_BUSY}]
        for row in again:
            row.state, row.kept_since, row.purge_after, row.finished_at = TrashState.FILLING, None, None, None
        Trash.objects.bulk_update(again, ["state", "kept_since", "purge_after", "finished_at"])
    return OpenedTrash(
        folders={key: row.folder for key, row in known.items() if row.state == TrashState.FILLING},
        busy={key: f"its trash is {row.get_state_display()}" for key, row in known.items() if row.state in _BUSY},
    )


_BUSY = frozenset({TrashState.RESTORING, TrashState.PURGING})


def _locked(deletion_ids: list[int]) -> list[Trash]:
    rows = Trash.objects.select_for_update(no_key=True, of=("self",)).filter(deletion_id__in=deletion_ids)
    return list(rows.defer("files").order_by("pk"))


def _rows(claim: Claim, items: list[ClaimedDeletion], now: datetime) -> list[Trash]:
    """Return a row for each deletion whose block replica is there; its folder follows from the first attempt at it."""
    replicas = block_replicas_by_key([item.block_replica_key for item in items])
    first = Attempt.objects.filter(deletion_id__in=[item.deletion_id for item in items], number=1)
    begun = dict(first.values_list("deletion_id", "started_at"))
    rows = []
    for item in items:
        replica = replicas.get(item.block_replica_key)
        if replica is None:
            continue
        begun_at = begun[item.deletion_id]
        rows.append(
            Trash(
                deletion_id=item.deletion_id,
                site_name=replica.site,
                dataset_name=replica.dataset,
                block_name=replica.block,
                group_name=replica.group or NOBODY,
                is_custodial=replica.is_custodial,
                is_tape=claim.site.storage_type == StorageType.MSS,
                replica_last_update=replica.last_update,
                folder=f"{begun_at:%Y-%m-%d}/{begun_at:%H%M%S}-{item.deletion_id}",
                files=[[file.lfn, file.size_bytes, file.checksum] for file in item.files],
                num_files=len(item.files),
                size_bytes=sum(file.size_bytes for file in item.files),
                begun_at=now,
            )
        )
    return rows
