"""Scans for screens, the command and the API: how far one is, what it found by folder and age, and the last one of each site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Max, Q, QuerySet, Sum

from operations.choices import OPEN_SCAN_STATES, FindingKind, FindingState, ScanState
from operations.models import CleanUp, ScanFinding, ScanFolder, StorageScan

#: Columns of a file of findings: name -> where the value is.
FINDING_COLUMNS = {"scan": "scan__id"} | {
    name: name
    for name in (
        *("site_name", "kind", "state", "path", "size_bytes", "modified_at", "seen_at", "first_seen_at", "problem"),
        *("lfn", "dataset_name", "block_name", "message", "decided_at"),
    )
}
#: Folders that a sum shows before the rest is one line.
FOLDERS_SHOWN = 12
#: Ages by which dark files are summed up: up to so many days, and the words for it.
AGES = ((28, "up to 28 days"), (90, "28 to 90 days"), (365, "90 days to a year"), (None, "more than a year"))


@dataclass(frozen=True, slots=True)
class Share:
    """Part of the findings of a scan; ``width``: of the largest such part, in per cent."""

    name: str
    num_files: int
    size_bytes: int
    width: float


def folders_waiting(scan_id: int) -> int:
    """Return how many folders a scan knows that it has still to list."""
    return ScanFolder.objects.filter(scan_id=scan_id, problem="").count()


def folders_failed(scan_id: int, *, limit: int = 50) -> list[ScanFolder]:
    """Return the folders of which a scan knows nothing, with the reasons."""
    return list(ScanFolder.objects.filter(scan_id=scan_id).exclude(problem="").order_by("pk")[:limit])


def by_folder(scan_id: int, kind: str) -> list[Share]:
    """Return the findings of a kind by their first folders, the most bytes first; beyond the first few in one line."""
    sums = (
        ScanFinding.objects.filter(scan_id=scan_id, kind=kind)
        .order_by()
        .values_list("folder")
        .annotate(number=Count("pk"), size=Sum("size_bytes", filter=Q(size_bytes__gt=0), default=0))
    )
    rows = list(sums.order_by("-size", "folder"))
    shown = [(f"/{folder}", number, size) for folder, number, size in rows[:FOLDERS_SHOWN]]
    rest = rows[FOLDERS_SHOWN:]
    if rest:
        shown.append((f"{len(rest):,} more folders", sum(row[1] for row in rest), sum(row[2] for row in rest)))
    return _shares(shown)


def never_cleaned(scan_id: int) -> QuerySet[ScanFinding]:
    """Return the dark files of a scan that can never be cleaned up, each with its ``problem``."""
    return ScanFinding.objects.filter(scan_id=scan_id, kind=FindingKind.DARK).exclude(problem="")


def by_age(scan: StorageScan) -> list[Share]:
    """Return the dark files of a scan by their own age when it began, and those of unknown age."""
    dark = ScanFinding.objects.filter(scan=scan, kind=FindingKind.DARK)
    size = Sum("size_bytes", filter=Q(size_bytes__gt=0), default=0)
    rows = []
    after: datetime | None = None
    for days, words in AGES:
        within = Q(modified_at__isnull=False)
        if after is not None:
            within &= Q(modified_at__lt=after)
        if days is not None:
            after = scan.started_at - timedelta(days=days)
            within &= Q(modified_at__gte=after)
        sums = dark.filter(within).aggregate(number=Count("pk"), size=size)
        rows.append((words, sums["number"], sums["size"]))
    unknown = dark.filter(modified_at__isnull=True).aggregate(number=Count("pk"), size=size)
    if unknown["number"]:
        rows.append(("age not known", unknown["number"], unknown["size"]))
    return _shares([row for row in rows if row[1]])


def _shares(rows: Sequence[tuple[str, int, int]]) -> list[Share]:
    most = max((size for _, _, size in rows), default=0)
    return [Share(name, number, size, round(100 * size / most, 2) if most else 0) for name, number, size in rows]


@dataclass(frozen=True, slots=True)
class SiteScanned:
    """The last scan of a site that counts, and the one that is under way or waits, if there is one."""

    site_name: str
    last: StorageScan | None
    current: StorageScan | None
    waiting: CleanUp | None


def sites_scanned(site_names: Sequence[str] | None = None) -> list[SiteScanned]:
    """Return the sites that were ever scanned, by name; a fixed number of queries."""
    scans = StorageScan.objects.all() if site_names is None else StorageScan.objects.filter(site_name__in=site_names)
    done = scans.filter(state__in=[ScanState.DONE, ScanState.APPLYING])
    last = _latest(done)
    current = {scan.site_name: scan for scan in scans.filter(state__in=OPEN_SCAN_STATES).exclude(state=ScanState.APPLYING)}
    failed = {
        name: scan
        for name, scan in _latest(scans.filter(state=ScanState.FAILED)).items()
        if name not in current and (name not in last or last[name].pk < scan.pk)
    }
    names = sorted(last.keys() | current.keys() | failed.keys())
    waiting = {row.site_name: row for row in CleanUp.objects.filter(state="WAITING", site_name__in=names).select_related("plan")}
    return [SiteScanned(name, last.get(name), current.get(name) or failed.get(name), waiting.get(name)) for name in names]


def _latest(scans: object) -> dict[str, StorageScan]:
    rows = scans.order_by().values("site_name").annotate(last=Max("pk"))  # type: ignore[attr-defined] # a queryset
    return {scan.site_name: scan for scan in StorageScan.objects.filter(pk__in=[row["last"] for row in rows])}


def open_missing_sums(scan_id: int) -> tuple[int, int]:
    """Return number and bytes of the missing files of a scan that nobody has decided on."""
    rows = ScanFinding.objects.filter(scan_id=scan_id, kind=FindingKind.MISSING, state=FindingState.OPEN)
    sums = rows.aggregate(number=Count("pk"), size=Sum("size_bytes", default=0))
    return sums["number"], sums["size"]


def scan_rows(*, site_name: str = "", limit: int = 50) -> list[StorageScan]:
    """Return scans, newest first."""
    rows = StorageScan.objects.order_by("-pk")
    return list((rows.filter(site_name=site_name) if site_name else rows)[:limit])
