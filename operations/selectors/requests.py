"""Deletion requests as lists show them."""

from __future__ import annotations

from operations.models import DeletionRequest


def request_rows(*, state: str = "", limit: int = 50) -> list[DeletionRequest]:
    """Return the newest requests with their plans, of one state where one is given."""
    rows = DeletionRequest.objects.select_related("plan")
    return list((rows.filter(state=state) if state else rows)[:limit])
