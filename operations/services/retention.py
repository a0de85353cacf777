"""Details of deletions, removed when they are old; every deletion itself stays, with what became of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import Max, QuerySet

from operations.choices import FindingKind, ScanState, TrashState
from operations.models import ActivityClock, Attempt, DeletionFile, ScanFinding, StorageScan, Trash, TrashFile

#: Rows of one transaction, so that nobody waits long for them ...
BATCH_ROWS = 5_000
#: ... and of one run: the next one goes on.
MOST_ROWS = 2_000_000

_OVER = (TrashState.RESTORED, TrashState.PURGED, TrashState.EMPTY)


def details_forget(*, before: datetime) -> int:
    """Remove attempts, single files and lists of trash of deletions that were over before that moment; return how many rows.

    With them goes what scans found dark or stray, but for the last of each site. Only what the sums of activity have taken up.
    """
    clock = ActivityClock.objects.filter(pk=1).first()
    if clock is None or clock.summed_until is None:
        return 0
    limit = min(before, clock.summed_until)
    removed = _remove(Attempt.objects.filter(deletion__finished_at__lt=limit))
    removed += _remove(DeletionFile.objects.filter(deletion__finished_at__lt=limit))
    last = StorageScan.objects.filter(state=ScanState.DONE).order_by().values("site_name").annotate(last=Max("pk"))
    found = ScanFinding.objects.filter(kind__in=[FindingKind.DARK, FindingKind.STRAY], scan__finished_at__lt=limit)
    removed += _remove(found.exclude(scan_id__in=[row["last"] for row in last]))
    emptied = Trash.objects.filter(state__in=_OVER, finished_at__lt=limit)
    removed += _remove(TrashFile.objects.filter(trash__in=emptied.values("pk")))
    return removed + emptied.exclude(files=[]).update(files=[], wanted_files=[])


def _remove(rows: QuerySet[Any]) -> int:
    removed = 0
    while removed < MOST_ROWS:
        keys = list(rows.order_by("pk").values_list("pk", flat=True)[:BATCH_ROWS])
        if not keys:
            break
        removed += rows.model._default_manager.filter(pk__in=keys)._raw_delete(connection.alias)
    return removed
