"""Deletion requests as lists show them."""

from __future__ import annotations

from dataclasses import dataclass

from inventory.selectors.replicas import block_replicas_by_key, last_copies_among
from operations.choices import DeletionRequestState
from operations.models import DeletionRequest
from policies.selectors.plans import plan_items, plan_replicas_at

#: Items of a list that are looked up at a time.
_PORTION = 1000


@dataclass(frozen=True, slots=True)
class RequestStanding:
    """How what is asked for stands in the inventory now, in block replicas.

    - ``num_there``: those of the list that are (still) there;
    - ``num_last_copies``, ``last_copy_bytes``: complete ones among them without a complete copy that the list leaves.
    """

    num_there: int
    num_last_copies: int
    last_copy_bytes: int


def request_standing(request: DeletionRequest) -> RequestStanding:
    """Return how what is asked for stands now; some four queries for each 5,000 block replicas of the list."""
    there = block_replicas_by_key(list(plan_replicas_at(request.plan_id, request.sites)))
    last = last_copies_among(there)
    return RequestStanding(len(there), len(last), sum(last.values()))


def is_anything_left(request: DeletionRequest) -> bool:
    """Tell whether the inventory (still) has anything of what is asked for; two queries where it has the first of it."""
    last = -1
    while some := plan_items(request.plan_id, after_sequence=last, limit=_PORTION):
        if block_replicas_by_key([item.block_replica_key for item in some if item.block_replica_key is not None]):
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
