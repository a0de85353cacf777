"""How far an injection is, what it did or would do, and what it has rejected."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from inventory.choices import InjectionState
from inventory.models import Injection
from inventory.models.injections import HALF_LOADED


@dataclass(frozen=True, slots=True)
class InjectionProgress:
    """An injection as its row says; ``percent`` of its bytes were read, None if that is not known.

    ``is_confirmable``: a dry run whose document is kept, so that what it has shown can be done.
    """

    pk: int
    source: str
    started_by: str
    user_id: int | None
    state: str
    state_text: str
    started_at: datetime
    finished_at: datetime | None
    num_records: int
    counts: dict[str, dict[str, int]]
    rejects: list[dict[str, Any]]
    num_rejects: int
    error: str
    is_dry_run: bool
    skips_bad: bool
    has_bad_records: bool
    is_confirmable: bool
    percent: int | None
    document: str
    records_kept: int
    is_left_half_way: bool


def half_loaded_injections() -> QuerySet[Injection]:
    """Return the injections of which the inventory has a part and not the whole: on their account nothing is deleted."""
    return Injection.objects.exclude(fingerprint="").filter(state__in=HALF_LOADED, records_kept__gt=0)


def injection_progress(injection_id: int) -> InjectionProgress | None:
    """Return the injection, None if there is none."""
    row = Injection.objects.filter(pk=injection_id).first()
    if row is None:
        return None
    return InjectionProgress(
        pk=row.pk,
        source=row.source,
        started_by=row.started_by,
        user_id=row.user_id,
        state=row.state,
        state_text=row.get_state_display(),
        started_at=row.started_at,
        finished_at=row.finished_at,
        num_records=row.num_records,
        counts=row.counts,
        rejects=row.rejects,
        num_rejects=row.num_rejects,
        error=row.error,
        is_dry_run=row.is_dry_run,
        skips_bad=row.skips_bad,
        has_bad_records=row.has_bad_records,
        is_confirmable=row.is_dry_run and row.state == InjectionState.COMPLETED and bool(row.document),
        percent=min(100, 100 * row.position_bytes // row.length_bytes) if row.length_bytes else None,
        document=row.document,
        records_kept=row.records_kept,
        is_left_half_way=row.is_left_half_way,
    )
