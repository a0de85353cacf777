"""Deletion requests as lists show them."""

from __future__ import annotations

from operations.choices import DeletionRequestState
from operations.models import DeletionRequest


def request_rows(*, state: str = "", limit: int = 50) -> list[DeletionRequest]:
    """Return the newest requests with their plans, of one state where one is given."""
    rows = DeletionRequest.objects.select_related("plan")
    return list((rows.filter(state=state) if state else rows)[:limit])


def requests_of_others(user_id: int) -> int:
    """Return how many requests wait for a decision that this user did not make."""
    return DeletionRequest.objects.filter(state=DeletionRequestState.WAITING).exclude(requested_by_id=user_id).count()
