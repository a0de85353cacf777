"""Events of the audit trail by what they are about."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from inventory.models import AuditEvent


@dataclass(frozen=True, slots=True)
class RecordedAct:
    """One event of the chain."""

    id: int
    at: datetime
    actor: str
    subject: str
    details: dict[str, Any]
    digest: str


def acts_recorded(action: str) -> list[RecordedAct]:
    """Return the events of one kind of act, the newest first."""
    rows = AuditEvent.objects.filter(action=action).order_by("-pk")
    return [RecordedAct(*row) for row in rows.values_list("pk", "at", "actor", "subject", "details", "digest")]


def digests_in_chain(digests: Collection[str]) -> set[str]:
    """Return those of *digests* that events of the chain carry."""
    wanted = sorted(digests)
    found: set[str] = set()
    for start in range(0, len(wanted), 1000):
        rows = AuditEvent.objects.filter(digest__in=wanted[start : start + 1000])
        found.update(rows.values_list("digest", flat=True))
    return found
