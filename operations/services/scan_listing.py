"""Listing: one folder of a storage after the other, each written down as a whole; what is listed is compared as it comes.

Kept is what a killed worker cannot lose: the folders still to be listed, how many files of each block replica were seen, and
the files that nobody knows. A folder that was begun and not written down is listed again, from its beginning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum

from django.db import transaction
from django.db.models import F

from operations.choices import FileOutcome, FindingKind, ScanState
from operations.models import ScanFinding, ScanFolder, ScanSeen, StorageScan
from operations.services.known_paths import PathNames, file_here, known_at, mark_unknown_here
from operations.services.scan_lease import ScanLease, ScanPulse, scan_locked, scan_move
from operations.services.scan_place import path_digest
from operations.services.spellings import spelling_digest
from operations.services.watch import Clock
from operations.storage import Entry, Gateway, ListingError, path_problem

#: Components of a path: a deeper tree is a loop of links, or nobody's data.
MAX_DEPTH = 100
#: Components of a path by which findings are summed up.
FOLDER_DEPTH = 3
#: Longest path that can be a name in a plan.
LONGEST_PATH = 1024

_BATCH = 1000


class Listing(Enum):
    """What came of a step: a folder is listed, it failed (and is tried later, or not any more), or none is left."""

    LISTED = "listed"
    FAILED = "failed"
    OVER = "over"


@dataclass
class _Listed:
    """Sums over one folder."""

    num_files: int = 0
    num_bytes: int = 0
    num_known: int = 0
    seen: Counter[int] = field(default_factory=Counter)
    folders: dict[str, ScanFolder] = field(default_factory=dict)
    canary: str = ""


def list_next_folder(lease: ScanLease, *, gateway: Gateway, names: PathNames, clock: Clock, pulse: ScanPulse) -> Listing:
    """List the next folder and write down what is in it.

    Raises ``ScanStoppedError`` at a pause or without the lease: then the folder is as if it had not been begun.
    """
    folder = ScanFolder.objects.filter(scan_id=lease.scan_id, problem="").order_by("num_attempts", "-pk").first()
    if folder is None:
        _end(lease, clock)
        return Listing.OVER
    ScanFinding.objects.filter(scan_id=lease.scan_id, folder_key=folder.pk).delete()
    listed = _Listed()
    try:
        for page in gateway.list_folder(_parts(folder), should_stop=pulse.should_stop):
            _note(page, folder, listed, lease, names=names, clock=clock)
            pulse.after(max(len(page), 1))
    except ListingError as error:
        _failed(folder, lease, error)
        pulse.after(1)
        return Listing.FAILED
    _write_down(folder, listed, lease, clock)
    return Listing.LISTED


def _note(
    page: Sequence[Entry],
    folder: ScanFolder,
    listed: _Listed,
    lease: ScanLease,
    *,
    names: PathNames,
    clock: Clock,
) -> None:
    """Compare one page of a list with the inventory as it is now, after the storage showed the files."""
    now = clock()
    parts = _parts(folder)
    files: dict[str, Entry] = {}
    for entry in page:
        # Keys of S3 may begin with a slash: a folder without a name in the root, which is not the root.
        path = "/".join((*parts, entry.name)) or "/"
        if entry.is_folder:
            problem = entry.problem or path_problem((*parts, entry.name)) or _too_deep(parts)
            listed.folders[path] = ScanFolder(scan_id=lease.scan_id, path=path, problem=problem[:1024])
        else:
            files[path] = entry
    listed.num_files += len(files)
    listed.num_bytes += sum(max(entry.size_bytes, 0) for entry in files.values())
    nameable = [path for path, entry in files.items() if not _unnameable(path, entry)]
    known = known_at(nameable, names)
    findings = []
    for path, entry in files.items():
        ways = known.get(path, [])
        here = file_here(ways)
        if here is not None and here.block_replica_key is not None:
            listed.num_known += 1
            listed.seen[here.block_replica_key] += 1
            listed.canary = listed.canary or here.lfn
            continue
        finding = _finding(path, entry, folder, lease, now)
        mark_unknown_here(finding, ways)
        findings.append(finding)
    # A folder that changes while it is listed may show a name on two pages.
    ScanFinding.objects.bulk_create(findings, batch_size=_BATCH, ignore_conflicts=True)


def _finding(path: str, entry: Entry, folder: ScanFolder, lease: ScanLease, now: datetime) -> ScanFinding:
    return ScanFinding(
        scan_id=lease.scan_id,
        site_name=lease.site.name,
        kind=FindingKind.DARK,
        path=path,
        path_digest=path_digest(path),
        spelling_digest=spelling_digest(path),
        folder="/".join(path.split("/")[:-1][:FOLDER_DEPTH])[:255],
        folder_key=folder.pk,
        size_bytes=entry.size_bytes,
        modified_at=entry.modified_at,
        seen_at=now,
        first_seen_at=now,
        problem=(_unnameable(path, entry) or entry.unaskable)[:512],
    )


def _unnameable(path: str, entry: Entry) -> str:
    """Return why a path can be no file of the inventory: what is so called is shown to people, and left alone."""
    if entry.problem:
        return entry.problem
    if len(path) > LONGEST_PATH:
        return f"the path is longer than {LONGEST_PATH} characters"
    return path_problem(path.split("/"))


def _parts(folder: ScanFolder) -> tuple[str, ...]:
    return tuple(folder.path.split("/")) if folder.path else ()


def _too_deep(parts: tuple[str, ...]) -> str:
    return f"more than {MAX_DEPTH} folders deep: a loop of links?" if len(parts) >= MAX_DEPTH else ""


def _failed(folder: ScanFolder, lease: ScanLease, error: ListingError) -> None:
    """Leave a folder for a later try, after all others; after the last one nothing is known of it."""
    ScanFinding.objects.filter(scan_id=lease.scan_id, folder_key=folder.pk).delete()
    with transaction.atomic():
        scan_locked(lease)
        folder.num_attempts += 1
        if folder.num_attempts >= lease.limits.folder_attempts or error.outcome == FileOutcome.REFUSED:
            folder.problem = f"{FileOutcome(error.outcome).label}: {error}"[:1024]
            StorageScan.objects.filter(pk=lease.scan_id).update(folders_failed=F("folders_failed") + 1)
        folder.save(update_fields=["num_attempts", "problem"])


def _write_down(folder: ScanFolder, listed: _Listed, lease: ScanLease, clock: Clock) -> None:
    """Write down a folder that was listed to its end, with the folders in it, in one transaction."""
    with transaction.atomic():
        scan = scan_locked(lease)
        failed = sum(1 for below in listed.folders.values() if below.problem)
        ScanFolder.objects.bulk_create(listed.folders.values(), batch_size=_BATCH)
        seen = (ScanSeen(scan_id=scan.pk, block_replica_key=key, num_files=number) for key, number in listed.seen.items())
        ScanSeen.objects.bulk_create(seen, batch_size=_BATCH)
        folder.delete()
        scan.folders_done += 1
        scan.folders_failed += failed
        scan.files_seen += listed.num_files
        scan.bytes_seen += listed.num_bytes
        scan.files_known += listed.num_known
        scan.canary = scan.canary or listed.canary
        scan.progress_at = clock()
        scan.save(
            update_fields=["folders_done", "folders_failed", "files_seen", "bytes_seen", "files_known", "canary", "progress_at"]
        )


def _end(lease: ScanLease, clock: Clock) -> None:
    """All folders are listed, or cannot be: compare, unless the storage did not show itself at all."""
    with transaction.atomic():
        scan = scan_locked(lease)
        root = ScanFolder.objects.filter(scan=scan, path="").first()
        if root is not None:
            scan_move(scan, ScanState.FAILED, now=clock(), failure=f"the root of the storage cannot be listed: {root.problem}")
        else:
            token, until = scan.lease_token, scan.lease_until
            scan_move(scan, ScanState.COMPARING, now=clock())
            StorageScan.objects.filter(pk=scan.pk).update(lease_token=token, lease_until=until)
