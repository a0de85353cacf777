"""What lies in the trash: per site for screens, and what became of what was asked back."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min, Q, Sum

from operations.choices import TrashState
from operations.models import Trash, TrashFile

#: States in which bytes lie in the trash of a site.
_LYING = (TrashState.KEPT, TrashState.RESTORING, TrashState.PURGING)


@dataclass(frozen=True, slots=True)
class SiteTrash:
    """What can be brought back at a site; ``next_purge_at``: when the first of it goes for good."""

    site_name: str
    num_block_replicas: int
    num_files: int
    size_bytes: int
    next_purge_at: datetime | None
    num_restoring: int


@dataclass(frozen=True, slots=True)
class TrashShare:
    """Bytes in the trash of a site that came from one plan; ``partition_id`` None: of a list that is not of one partition."""

    site_name: str
    plan_id: int
    partition_id: int | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What became of the files of one trash that were asked back; ``problems``: (file, outcome, message) of what is not back."""

    trash_id: int
    what: str
    state: str
    state_text: str
    reason: str
    num_files: int
    num_restored: int
    problems: tuple[tuple[str, str, str], ...]


def trash_by_site() -> list[SiteTrash]:
    """Return the sites in whose trash something lies, by name."""
    sums = (
        Trash.objects.filter(state__in=_LYING)
        .order_by()
        .values("site_name")
        .annotate(
            number=Count("pk"),
            files=Sum("num_files"),
            size=Sum("size_bytes"),
            purge=Min("purge_after", filter=Q(state=TrashState.KEPT)),
            restoring=Count("pk", filter=Q(state=TrashState.RESTORING)),
        )
    )
    return [
        SiteTrash(row["site_name"], row["number"], row["files"], row["size"], row["purge"], row["restoring"])
        for row in sums.order_by("site_name")
    ]


def trash_shares() -> list[TrashShare]:
    """Return what lies in the trash by site and the plan that it came from. One query."""
    rows = Trash.objects.filter(state__in=_LYING).order_by()
    columns = ("site_name", "deletion__plan_id", "deletion__plan__partition_id")
    return [TrashShare(*row) for row in rows.values_list(*columns).annotate(size=Sum("size_bytes"))]


def trash_of_deletion(deletion_id: int) -> Trash | None:
    """Return the trash of a deletion without the names of its files, None where nothing was put aside."""
    return Trash.objects.filter(deletion_id=deletion_id).defer("files").first()


def restore_reports(trash_ids: Collection[int], *, max_problems: int = 100) -> list[RestoreReport]:
    """Return what became of each trash that was asked back, in order; at most *max_problems* files each are named."""
    reports = []
    for row in Trash.objects.filter(pk__in=list(trash_ids)).defer("files").order_by("pk"):
        asked = TrashFile.objects.filter(trash=row).order_by("lfn")
        bad = asked.exclude(outcome="RESTORED")
        problems = tuple((file.lfn, file.get_outcome_display(), file.message) for file in bad[:max_problems])
        num_restored = asked.filter(outcome="RESTORED").count()
        reports.append(
            RestoreReport(row.pk, str(row), row.state, row.get_state_display(), row.reason, row.num_files, num_restored, problems)
        )
    return reports
