"""What the page of a scan shows: what it found, summed up, and what each decision on it would do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Sum

from inventory.selectors.replicas import KEYS_PER_QUERY, other_complete_copies
from inventory.selectors.wording import duration_text
from operations.choices import FindingKind, ScanState
from operations.models import CleanUp, ScanFolder, StorageScan
from operations.selectors.scans import Share, by_age, by_folder, folders_failed, folders_waiting, never_cleaned, open_missing_sums
from operations.services.clean_ups import dark_that_counts
from operations.services.scan_limits import scan_limits_from_settings
from operations.services.scan_missing import open_missing, returned_files


@dataclass(frozen=True, slots=True)
class ScanOverview:
    """What a scan found.

    ``num_open``: missing files that wait for a decision, of so many block replicas and datasets; ``num_last``: blocks of which
    no other complete copy is left; ``num_never``: dark files that can never be cleaned up; ``num_counting``: those that may be
    listed for a clean-up.
    """

    is_compared: bool
    folders_waiting: int
    folders_failed: Sequence[ScanFolder]
    missing: Sequence[Share]
    num_open: int
    bytes_open: int
    num_replicas: int
    num_datasets: int
    num_last: int
    num_returned: int
    dark: Sequence[Share]
    ages: Sequence[Share]
    num_never: int
    num_counting: int
    bytes_counting: int
    apart: str
    clean_ups: Sequence[CleanUp]


def scan_overview(scan: StorageScan, *, now: datetime) -> ScanOverview:
    """Return what the page of a scan shows; sums over its findings alone."""
    is_compared = scan.state in (ScanState.HELD, ScanState.DONE, ScanState.APPLYING, ScanState.DISCARDED)
    limits = scan_limits_from_settings()
    rows = open_missing(scan.pk)
    keys = list(rows.order_by().values_list("block_replica_key", flat=True).distinct()[:KEYS_PER_QUERY])
    copies = other_complete_copies([key for key in keys if key is not None])
    counting = dark_that_counts(scan, limits, now=now).aggregate(number=Count("pk"), size=Sum("size_bytes", default=0))
    num_open, bytes_open = open_missing_sums(scan.pk)
    return ScanOverview(
        is_compared=is_compared,
        folders_waiting=folders_waiting(scan.pk) if scan.state == ScanState.LISTING else 0,
        folders_failed=folders_failed(scan.pk),
        missing=by_folder(scan.pk, FindingKind.MISSING) if is_compared else [],
        num_open=num_open,
        bytes_open=bytes_open,
        num_replicas=rows.order_by().values("block_replica_key").distinct().count(),
        num_datasets=rows.order_by().values("dataset_name").distinct().count(),
        num_last=sum(1 for number in copies.values() if number == 0),
        num_returned=returned_files(scan).count() if is_compared else 0,
        dark=by_folder(scan.pk, FindingKind.DARK) if is_compared else [],
        ages=by_age(scan) if is_compared else [],
        num_never=never_cleaned(scan.pk).count() if is_compared else 0,
        num_counting=counting["number"],
        bytes_counting=counting["size"],
        apart=duration_text(limits.dark_age),
        clean_ups=list(CleanUp.objects.filter(scan=scan).order_by("pk")),
    )
