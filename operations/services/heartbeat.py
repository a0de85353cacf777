"""A sign of life of worker and scheduler, for those who would wait in vain for what they do."""

from __future__ import annotations

from datetime import datetime

from operations.models import Heartbeat


def heartbeat(*, now: datetime) -> None:
    """Note that a worker does periodic work now."""
    Heartbeat.objects.update_or_create(pk=1, defaults={"at": now})
