"""What became of the items of a campaign's list, in the words of its report: deleted, dropped, failed; what the trash says."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F

from campaigns.choices import ItemOutcome
from campaigns.services.outcomes import Aftermath, Outcome
from operations.choices import DeletionState, RestoreOutcome, TrashState
from operations.models import Deletion, Trash, TrashFile

_WORDS: dict[str, ItemOutcome] = {
    DeletionState.QUEUED: ItemOutcome.WAITING,
    DeletionState.ACTING: ItemOutcome.WAITING,
    DeletionState.DONE: ItemOutcome.DELETED,
    DeletionState.DROPPED: ItemOutcome.DROPPED,
    DeletionState.FAILED: ItemOutcome.FAILED,
}
_NOTHING_HAPPENED = Aftermath()


@dataclass(slots=True)
class _Asked:
    """What became of the files of one trash that were asked back."""

    restored: set[str]
    at: datetime | None
    lost: set[str]
    problems: list[str]


def campaign_outcomes(plan_id: int) -> Iterator[Outcome]:
    """Yield the outcome of every item of a plan that was taken up, ascending by item."""
    trash = _aftermaths(plan_id)
    rows = Deletion.objects.filter(plan_id=plan_id).order_by("plan_item_id")
    fields = ("pk", "plan_item_id", "state", "reason", "files_deleted", "files_absent", "bytes_deleted", "finished_at")
    for pk, item, state, reason, deleted, absent, size, at in rows.values_list(*fields).iterator(chunk_size=5000):
        after, why = trash[pk](size) if pk in trash else (_NOTHING_HAPPENED, "")
        outcome = _WORDS[state]
        if after.is_whole:
            outcome = ItemOutcome.RESTORED
        elif after.files_restored:
            outcome = ItemOutcome.PARTLY
        # A file that an earlier attempt put aside unseen may be found absent, and come back all the same: then it had gone.
        yield Outcome(item, outcome, reason or why, deleted, absent, max(size, after.bytes_restored), at, after)


class _Trashed:
    """The trash of one deletion; called with the bytes that the deletion took away, it says where they are now, and why."""

    def __init__(self, row: dict[str, Any], asked: _Asked | None, sizes: dict[str, int]) -> None:
        self._row, self._asked, self._sizes = row, asked, sizes

    def __call__(self, bytes_deleted: int) -> tuple[Aftermath, str]:
        row, asked = self._row, self._asked
        is_whole = row["state"] == TrashState.RESTORED
        restored = row["size_bytes"] if is_whole else sum(self._sizes.get(lfn, 0) for lfn in asked.restored) if asked else 0
        lost = sum(self._sizes.get(lfn, 0) for lfn in asked.lost) if asked else 0
        left = max(bytes_deleted - restored - lost, 0)
        is_purged = row["state"] == TrashState.PURGED
        after = Aftermath(
            files_restored=len(asked.restored) if asked else 0,
            bytes_restored=restored,
            restored_at=(row["finished_at"] if is_whole else asked.at if asked and asked.restored else None),
            is_whole=is_whole,
            bytes_in_trash=0 if is_purged or is_whole or row["state"] == TrashState.EMPTY else left,
            bytes_purged=left if is_purged else 0,
            restorable_until=row["purge_after"] if row["state"] in (TrashState.KEPT, TrashState.RESTORING) else None,
            not_restored="; ".join(asked.problems)[:1024] if asked else "",
        )
        if not row["asked_by"]:
            return after, ""
        return after, f"asked back by {row['asked_by']}: {row['asked_reason']}"


def _aftermaths(plan_id: int) -> dict[int, _Trashed]:
    """Return what a plan put aside, by deletion; the names of files are read only where a part of them was asked back."""
    columns = ("pk", "deletion_id", "state", "size_bytes", "purge_after", "finished_at", "asked_by", "asked_reason")
    of_plan = Trash.objects.filter(deletion__plan_id=plan_id).order_by("pk")
    asked = _asked(plan_id)
    in_part = of_plan.filter(pk__in=list(asked)).exclude(state=TrashState.RESTORED).values_list("pk", "files")
    sizes = {pk: {lfn: size for lfn, size, _ in files} for pk, files in in_part.iterator(chunk_size=500)}
    return {
        row["deletion_id"]: _Trashed(row, asked.get(row["pk"]), sizes.get(row["pk"], {}))
        for row in of_plan.values(*columns).iterator(chunk_size=5000)
    }


def _asked(plan_id: int) -> dict[int, _Asked]:
    """Return the last word on the files that were asked back since they were put aside (last), by trash."""
    found: dict[int, _Asked] = defaultdict(lambda: _Asked(set(), None, set(), []))
    files = TrashFile.objects.filter(trash__deletion__plan_id=plan_id, at__gte=F("trash__kept_since")).order_by("trash_id", "lfn")
    for trash, lfn, outcome, message, at in files.values_list("trash_id", "lfn", "outcome", "message", "at").iterator(
        chunk_size=5000
    ):
        entry = found[trash]
        if outcome == RestoreOutcome.RESTORED:
            entry.restored.add(lfn)
            entry.at = max(filter(None, (entry.at, at)))
            continue
        if outcome == RestoreOutcome.LOST:
            entry.lost.add(lfn)
        entry.problems.append(f"{lfn}: {RestoreOutcome(outcome).label}" + (f" ({message})" if message else ""))
    return dict(found)
