"""What would come back if somebody asked, what would not and why, and what became of what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Case, Count, Min, Q, Sum, When

from inventory.selectors.sites import SiteStorage, site_storage
from operations.choices import TrashState
from operations.models import Trash, TrashFile
from operations.services.restoring import RESTORABLE, RestoreWanted, trash_fitting, why_gone
from operations.services.trash_lease import lies_elsewhere

#: Block replicas that a preview names at most.
LINES_SHOWN = 50
#: In which order: what was asked for and is not back, what cannot come back, what can; the newest deletions first.
_ORDER = Case(
    When(state=TrashState.RESTORED, then=3), When(~Q(reason=""), then=0), When(~Q(state__in=RESTORABLE), then=1), default=2
)


@dataclass(frozen=True, slots=True)
class RestoreLine:
    """The trash of one deletion; ``why``: why it cannot come back, or what the last attempt left undone."""

    trash_id: int
    what: str
    site_name: str
    state: str
    state_text: str
    num_files: int
    num_back: int
    size_bytes: int
    purge_after: datetime | None
    why: str


@dataclass(frozen=True, slots=True)
class RestorePreview:
    """What fits: how much of it can come back, and until when all of it; how many block replicas are back, cannot come, or were
    asked for and did not come back whole (``num_undone``; some of them can, some cannot).

    ``num_files`` and ``size_bytes`` are of whole block replicas, also where one file of each is asked for.
    """

    num_block_replicas: int
    num_files: int
    size_bytes: int
    first_purge_at: datetime | None
    num_back: int
    num_others: int
    num_undone: int
    lines: tuple[RestoreLine, ...]

    @property
    def num_more(self) -> int:
        """Return how many of what fits are not named."""
        return self.num_block_replicas + self.num_back + self.num_others - len(self.lines)


def restore_preview(*, wanted: RestoreWanted) -> RestorePreview:
    """Return what fits; a fixed number of queries. Nothing is asked for by it."""
    rows = trash_fitting(wanted).order_by()
    groups = list(
        rows.values("state", "site_name", "endpoint_url").annotate(
            number=Count("pk"), files=Sum("num_files"), size=Sum("size_bytes"), purge=Min("purge_after")
        )
    )
    sites = site_storage({group["site_name"] for group in groups})
    able = [group for group in groups if _is_able(_row_of(group), sites)]
    purges = [group["purge"] for group in able if group["purge"] is not None]
    num_able = sum(group["number"] for group in able)
    num_back = sum(group["number"] for group in groups if group["state"] == TrashState.RESTORED)
    return RestorePreview(
        num_block_replicas=num_able,
        num_files=sum(group["files"] for group in able),
        size_bytes=sum(group["size"] for group in able),
        first_purge_at=min(purges, default=None),
        num_back=num_back,
        num_others=sum(group["number"] for group in groups) - num_able - num_back,
        num_undone=rows.exclude(reason="").exclude(state=TrashState.RESTORED).count(),
        lines=_lines(list(rows.defer("files", "wanted_files").order_by(_ORDER, "-pk")[:LINES_SHOWN]), sites),
    )


def _row_of(group: Mapping[str, Any]) -> Trash:
    """Return a row as those of a group are, as far as it matters whether they can come back."""
    return Trash(state=group["state"], site_name=group["site_name"], endpoint_url=group["endpoint_url"])


def _is_able(row: Trash, sites: dict[str, SiteStorage]) -> bool:
    return row.state in RESTORABLE and not _elsewhere(row, sites)


def _elsewhere(row: Trash, sites: dict[str, SiteStorage]) -> str:
    return lies_elsewhere(row, sites[row.site_name]) if row.site_name in sites else ""


def _lines(rows: list[Trash], sites: dict[str, SiteStorage]) -> tuple[RestoreLine, ...]:
    back = TrashFile.objects.filter(trash__in=rows, outcome="RESTORED").order_by().values_list("trash_id")
    num_back = dict(back.annotate(number=Count("pk")))
    return tuple(
        RestoreLine(
            trash_id=row.pk,
            what=row.what,
            site_name=row.site_name,
            state=row.state,
            state_text=row.get_state_display(),
            num_files=row.num_files,
            num_back=num_back.get(row.pk, 0),
            size_bytes=row.size_bytes,
            purge_after=row.purge_after,
            why=(_elsewhere(row, sites) if row.state in RESTORABLE else why_gone(row)) or row.reason,
        )
        for row in rows
    )
