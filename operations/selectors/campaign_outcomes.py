"""What became of the items of a campaign's list, in the words of its report."""

from __future__ import annotations

from collections.abc import Iterator

from campaigns.choices import ItemOutcome
from campaigns.services.outcomes import Outcome
from operations.choices import DeletionState
from operations.models import Deletion

_WORDS = {
    DeletionState.QUEUED: ItemOutcome.WAITING,
    DeletionState.ACTING: ItemOutcome.WAITING,
    DeletionState.DONE: ItemOutcome.DELETED,
    DeletionState.DROPPED: ItemOutcome.DROPPED,
    DeletionState.FAILED: ItemOutcome.FAILED,
}


def campaign_outcomes(plan_id: int) -> Iterator[Outcome]:
    """Yield the outcome of every item of a plan that was taken up, ascending by item."""
    rows = Deletion.objects.filter(plan_id=plan_id).order_by("plan_item_id")
    fields = ("plan_item_id", "state", "reason", "files_deleted", "files_absent", "bytes_deleted", "finished_at")
    for item, state, reason, deleted, absent, size, at in rows.values_list(*fields).iterator(chunk_size=5000):
        yield Outcome(item, _WORDS[DeletionState(state)], reason, deleted, absent, size, at)
