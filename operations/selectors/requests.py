"""Deletion requests as lists show them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from inventory.selectors.replicas import in_chunks, is_any_there, last_copies_among
from operations.choices import DeletionRequestState, DeletionState
from operations.models import Deletion, DeletionRequest
from policies.selectors.plans import plan_items, plan_replicas_at

#: Items of a list that are looked up at a time.
_PORTION = 5000


@dataclass(frozen=True, slots=True)
class RequestStanding:
    """How what is asked for stands in the inventory now, in block replicas.

    - ``num_there``: those of the list that are (still) there;
    - ``num_last_copies``, ``last_copy_bytes``: those of them without a complete copy elsewhere that stays: that neither the list
      names nor another deletion that is queued or under way.
    """

    num_there: int
    num_last_copies: int
    last_copy_bytes: int


def request_standing(request: DeletionRequest) -> RequestStanding:
    """Return how what is asked for stands now; four queries for each 5,000 block replicas of the list."""
    num_there, last = last_copies_among(plan_replicas_at(request.plan_id, request.sites), going=_going)
    return RequestStanding(num_there, len(last), sum(last.values()))


def _going(keys: Collection[int]) -> set[int]:
    """Return those block replicas that a deletion is to take, or of which a failed one may have taken files."""
    open_ones = Deletion.objects.exclude(state__in=(DeletionState.DONE, DeletionState.DROPPED)).order_by("pk")
    return {
        key
        for some in in_chunks(list(keys))
        for key in open_ones.filter(block_replica_key__in=some).values_list("block_replica_key", flat=True)
        if key is not None
    }


def is_anything_left(request: DeletionRequest) -> bool:
    """Tell whether the inventory (still) has anything of what is asked for; two queries where it has the first of it."""
    last = -1
    while some := plan_items(request.plan_id, after_sequence=last, limit=_PORTION):
        if is_any_there([item.block_replica_key for item in some if item.block_replica_key is not None]):
            return True
        last = some[-1].sequence
    return False


def request_rows(*, state: str = "", limit: int = 50) -> list[DeletionRequest]:
    """Return the newest requests with their plans, of one state where one is given."""
    rows = DeletionRequest.objects.select_related("plan")
    return list((rows.filter(state=state) if state else rows)[:limit])


def requests_of_others(user_id: int) -> int:
    """Return how many requests wait for a decision that this user did not make."""
    return DeletionRequest.objects.filter(state=DeletionRequestState.WAITING).exclude(requested_by_id=user_id).count()
