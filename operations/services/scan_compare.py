"""Comparing: what the inventory says is there and no list showed is looked at once more, file by file; then the sums are judged.

A file is missing only when the storage says of that very file that it is not there, in a call in which something shows that the
storage is the site's and is mounted. What is being deleted, or comes back from a trash, is neither missing nor dark.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import Count, F, Q, Sum

from inventory.selectors.replicas import BlockReplicaRow, FileRow, block_replicas_by_key, files_of_block_replicas
from inventory.selectors.site_files import ReplicaAtSite, replicas_at_site
from inventory.selectors.sites import SiteStorage
from inventory.services.audit import Actor, audit_record
from operations.choices import DeletionState, FindingKind, ScanState, TrashState
from operations.constants import MAX_FILES_PER_CALL
from operations.models import Deletion, ScanFinding, ScanSeen, StorageScan, Trash
from operations.services.known_paths import PathNames, file_here, known_at, mark_unknown_here
from operations.services.scan_lease import ScanLease, ScanPulse, scan_locked, scan_move
from operations.services.scan_limits import ScanLimits, exceeds
from operations.services.scan_listing import FOLDER_DEPTH
from operations.services.scan_place import path_digest, why_another_place
from operations.services.spellings import doubted, spelt_otherwise
from operations.services.watch import Clock
from operations.storage import Gateway, Sight, SightKind

#: Block replicas, or findings, that one step takes.
_STEP = 500
#: Files of block replicas that one step looks at, each by itself and all in memory; one block replica is never cut.
_FILES_PER_STEP = 20_000
_NOT_OVER = (DeletionState.QUEUED, DeletionState.ACTING, DeletionState.FAILED)
_MOVING_TRASH = (TrashState.FILLING, TrashState.RESTORING)


def compare_next(lease: ScanLease, *, gateway: Gateway, names: PathNames, clock: Clock, pulse: ScanPulse) -> bool:
    """Take the next step of comparing, each in one transaction; tell whether there may be another.

    Raises ``ScanStoppedError`` at a pause or without the lease.
    """
    scan = StorageScan.objects.get(pk=lease.scan_id)
    replicas = replicas_at_site(lease.site.key, after=scan.compared_key, up_to=scan.last_replica_key, limit=_STEP)
    if replicas:
        _compare(scan, replicas, lease, gateway=gateway, clock=clock, pulse=pulse)
        return True
    unknown = ScanFinding.objects.filter(scan=scan, pk__gt=scan.rechecked_key).exclude(kind=FindingKind.MISSING)
    findings = list(unknown.order_by("pk")[:_STEP])
    if findings:
        _recheck(findings, lease, names)
        return True
    _judge(lease, clock)
    return False


def _compare(
    scan: StorageScan,
    replicas: Sequence[ReplicaAtSite],
    lease: ScanLease,
    *,
    gateway: Gateway,
    clock: Clock,
    pulse: ScanPulse,
) -> None:
    keys = [replica.key for replica in replicas]
    seen = dict(
        ScanSeen.objects.filter(scan=scan, block_replica_key__in=keys)
        .order_by()
        .values_list("block_replica_key")
        .annotate(number=Sum("num_files"))
    )
    if scan.judges_missing:
        replicas = _first(replicas, seen)
    keys = [replica.key for replica in replicas]
    short = [r.key for r in replicas if _is_short(r, seen)] if scan.judges_missing else []
    missing, num_unclear, doubtful = _missing_of(short, scan, lease.site, gateway=gateway, clock=clock, pulse=pulse)
    with transaction.atomic():
        locked = scan_locked(lease)
        if locked.compared_key != scan.compared_key:
            return
        ScanFinding.objects.bulk_create(missing, batch_size=1000)
        ScanFinding.objects.bulk_update(doubtful, ["problem"], batch_size=250)
        locked.compared_key = keys[-1]
        locked.files_expected += sum(replica.num_files for replica in replicas)
        locked.bytes_expected += sum(replica.size_bytes for replica in replicas)
        locked.files_unclear += num_unclear
        locked.progress_at = clock()
        fields = ["compared_key", "files_expected", "bytes_expected", "files_unclear", "progress_at"]
        locked.save(update_fields=fields)


def _is_short(replica: ReplicaAtSite, seen: Mapping[int, int]) -> bool:
    return replica.has_names and seen.get(replica.key, 0) < replica.num_files


def _first(replicas: Sequence[ReplicaAtSite], seen: Mapping[int, int]) -> Sequence[ReplicaAtSite]:
    """Return the first of these block replicas, so many that not too many of their files are looked at in one step."""
    num_files = 0
    for index, replica in enumerate(replicas):
        num_files += replica.num_files if _is_short(replica, seen) else 0
        if num_files > _FILES_PER_STEP and index:
            return replicas[:index]
    return replicas


def _missing_of(
    keys: Sequence[int], scan: StorageScan, site: SiteStorage, *, gateway: Gateway, clock: Clock, pulse: ScanPulse
) -> tuple[list[ScanFinding], int, Sequence[ScanFinding]]:
    """Return a finding for each file of these block replicas that is certainly not there, of how many nothing is known, and the
    dark files that may be one of them in another spelling: such a file is not missing for certain.
    """
    wanted = sorted(set(keys) - on_the_move(scan.site_name, keys))
    files = files_of_block_replicas(wanted)
    rows = block_replicas_by_key(wanted)
    of_replica = {file.lfn: (rows[key], file) for key, some in files.items() if key in rows for file in some}
    gone, num_unclear = certainly_missing(list(of_replica), gateway=gateway, canary=scan.canary, pulse=pulse)
    otherwise = spelt_otherwise(scan, [file.lfn for some in files_of_block_replicas(keys).values() for file in some], site)
    num_unclear += len(otherwise.keys() & set(gone))
    # Once more: a deletion may have begun between the first look at the queue and the one at the storage.
    moving = on_the_move(scan.site_name, wanted)
    still = block_replicas_by_key(wanted)
    known = files_of_block_replicas([key for key in wanted if key in still])
    there = {(key, file.lfn) for key, some in known.items() for file in some}
    now = clock()
    return (
        [
            _finding(scan, *of_replica[lfn], now)
            for lfn in gone
            if lfn not in otherwise and of_replica[lfn][0].key not in moving and (of_replica[lfn][0].key, lfn) in there
        ],
        num_unclear,
        doubted(otherwise),
    )


def certainly_missing(lfns: Sequence[str], *, gateway: Gateway, canary: str, pulse: ScanPulse) -> tuple[list[str], int]:
    """Return the files that the storage says are not there, and of how many it does not say.

    The canary is a file that was there: it is looked at in each call, and again after it, so that a storage that goes away in
    between does not look like one that is empty.
    """
    gone: list[str] = []
    num_unclear = 0
    size = MAX_FILES_PER_CALL - 1
    for start in range(0, len(lfns), size):
        some = lfns[start : start + size]
        asked = [canary, *some] if canary and canary not in some else list(some)
        sights = {sight.lfn: sight for sight in gateway.look(asked, should_stop=pulse.should_stop)}
        absent = [lfn for lfn in some if lfn in sights and sights[lfn].kind == SightKind.MISSING]
        if absent and not _is_proven(gateway, canary, pulse):
            absent = []
        gone.extend(absent)
        num_unclear += len(some) - len(absent) - sum(_is_there(sights.get(lfn)) for lfn in some)
        pulse.after(len(asked))
    return gone, num_unclear


def _is_there(sight: Sight | None) -> bool:
    return sight is not None and sight.kind == SightKind.THERE


def _is_proven(gateway: Gateway, canary: str, pulse: ScanPulse) -> bool:
    """Tell whether the storage still is the site's: it says something certain of the canary."""
    if not canary:
        return False
    return all(sight.kind != SightKind.UNCLEAR for sight in gateway.look([canary], should_stop=pulse.should_stop))


def on_the_move(site_name: str, keys: Sequence[int]) -> set[int]:
    """Return those block replicas of which files are being deleted, may have been, or are coming back."""
    queued = Deletion.objects.filter(block_replica_key__in=keys, state__in=_NOT_OVER)
    moving = set(queued.filter(num_attempts__gt=0).values_list("block_replica_key", flat=True))
    names = {(row.dataset, row.block): row.key for row in block_replicas_by_key(keys).values()}
    trash = Trash.objects.filter(site_name=site_name, state__in=_MOVING_TRASH, dataset_name__in={name for name, _ in names})
    moving |= {names[pair] for pair in trash.values_list("dataset_name", "block_name") if pair in names}
    return {key for key in moving if key is not None}


def _finding(scan: StorageScan, replica: BlockReplicaRow, file: FileRow, now: datetime) -> ScanFinding:
    return ScanFinding(
        scan_id=scan.pk,
        site_name=scan.site_name,
        kind=FindingKind.MISSING,
        path=file.lfn,
        path_digest=path_digest(file.lfn),
        folder="/".join(file.lfn.strip("/").split("/")[:-1][:FOLDER_DEPTH])[:255],
        size_bytes=file.size_bytes,
        seen_at=now,
        first_seen_at=now,
        lfn=file.lfn,
        dataset_name=replica.dataset,
        block_name=replica.block,
        block_replica_key=replica.key,
    )


def _recheck(findings: Sequence[ScanFinding], lease: ScanLease, names: PathNames) -> None:
    """Ask the inventory again for what nobody knew when it was listed, and since when each scan has seen what nobody knows."""
    known = known_at([finding.path for finding in findings if not finding.problem], names)
    fine, changed = [], []
    for finding in findings:
        ways = known.get(finding.path, [])
        if file_here(ways) is not None:
            fine.append(finding.pk)
        else:
            mark_unknown_here(finding, ways)
            changed.append(finding)
    for finding, first in _seen_before(changed, lease):
        finding.first_seen_at = first
    with transaction.atomic():
        locked = scan_locked(lease)
        ScanFinding.objects.filter(pk__in=fine).delete()
        ScanFinding.objects.bulk_update(changed, ["kind", "lfn", "dataset_name", "block_name", "first_seen_at"], batch_size=250)
        locked.rechecked_key = findings[-1].pk
        locked.save(update_fields=["rechecked_key"])


def _seen_before(findings: Sequence[ScanFinding], lease: ScanLease) -> list[tuple[ScanFinding, datetime]]:
    """Return the dark files that the scan before this one saw as they are in the same place, and since when each scan has."""
    done = StorageScan.objects.filter(site_name=lease.site.name, state=ScanState.DONE, pk__lt=lease.scan_id)
    before = done.order_by("-pk").first()
    if before is None or why_another_place(before, lease.site):
        return []
    dark = [finding for finding in findings if finding.kind == FindingKind.DARK]
    rows = ScanFinding.objects.filter(
        scan=before, kind=FindingKind.DARK, path_digest__in=[finding.path_digest for finding in dark]
    ).order_by("pk")
    earlier = {
        (digest, size, modified): first
        for digest, size, modified, first in rows.values_list("path_digest", "size_bytes", "modified_at", "first_seen_at")
    }
    keyed = ((finding, (finding.path_digest, finding.size_bytes, finding.modified_at)) for finding in dark)
    return [(finding, earlier[key]) for finding, key in keyed if key in earlier]


def _judge(lease: ScanLease, clock: Clock) -> None:
    """Sum up, and end the scan: done, held because too much is missing or dark, or failed because nothing fits."""
    now = clock()
    with transaction.atomic():
        scan = scan_locked(lease)
        _sum_up(scan, lease.limits)
        ScanSeen.objects.filter(scan=scan).delete()
        if failure := _why_nothing_fits(scan):
            scan_move(scan, ScanState.FAILED, now=now, failure=failure)
        else:
            scan.tripped = _tripped(scan, lease.limits)
            scan_move(scan, ScanState.HELD if scan.tripped else ScanState.DONE, now=now)
        audit_record(
            actor=Actor("scan"),
            action=_ACTIONS[ScanState(scan.state)],
            subject=f"site {scan.site_name}",
            reason=scan.failure or "; ".join(scan.tripped),
            details={"scan": scan.pk} | {name: getattr(scan, name) for name in _SUMS},
        )


_ACTIONS = {
    ScanState.FAILED: "operations.scan_failed",
    ScanState.HELD: "operations.scan_held",
    ScanState.DONE: "operations.scan_done",
}
_SUMS = (
    "folders_done",
    "folders_failed",
    "files_seen",
    "bytes_seen",
    "files_expected",
    "bytes_expected",
    "files_missing",
    "bytes_missing",
    "files_unclear",
    "files_dark",
    "bytes_dark",
    "files_young",
    "files_stray",
)


def _sum_up(scan: StorageScan, limits: ScanLimits) -> None:
    found = ScanFinding.objects.filter(scan=scan)
    is_old = Q(modified_at__lte=F("seen_at") - limits.dark_age)
    size = Sum("size_bytes", filter=Q(size_bytes__gt=0), default=0)
    missing = found.filter(kind=FindingKind.MISSING).aggregate(number=Count("pk"), size=size)
    stray = found.filter(kind=FindingKind.STRAY).aggregate(number=Count("pk"), size=size)
    dark = found.filter(kind=FindingKind.DARK)
    old = dark.filter(is_old).aggregate(number=Count("pk"), size=size)
    whole = dark.aggregate(number=Count("pk"), size=size)
    scan.files_missing, scan.bytes_missing = missing["number"], missing["size"]
    scan.files_stray, scan.bytes_stray = stray["number"], stray["size"]
    scan.files_dark, scan.bytes_dark = old["number"], old["size"]
    scan.files_young, scan.bytes_young = whole["number"] - old["number"], whole["size"] - old["size"]


def _why_nothing_fits(scan: StorageScan) -> str:
    """Return why the lists cannot be those of the site's storage, empty if they can."""
    if not scan.files_expected:
        return ""
    expected = f"the inventory says that {scan.files_expected:,} files are there"
    if not scan.files_seen:
        return f"no file was found, and {expected}: is the storage mounted, and is the endpoint right?"
    if not scan.files_known:
        seen = f"{scan.files_seen:,} files were found"
        return f"{seen}, {expected}, and not one of them is among those: look at endpoint and LFN rules"
    return ""


def _tripped(scan: StorageScan, limits: ScanLimits) -> list[str]:
    """Return the limits that are passed, in words. Parts are of files and of bytes, each by itself."""
    checks = (
        ("missing", scan.files_missing, scan.files_expected, "files that should be there", limits.missing_fraction),
        ("missing", scan.bytes_missing, scan.bytes_expected, "bytes that should be there", limits.missing_fraction),
        ("dark", scan.files_dark, scan.files_seen, "files that are there", limits.dark_fraction),
        ("dark", scan.bytes_dark, scan.bytes_seen, "bytes that are there", limits.dark_fraction),
    )
    return [
        f"{part:,} of {whole:,} {what} are {word} ({100 * part / whole if whole else 100:.2f} %), "
        f"more than {100 * fraction:.2f} %"
        for word, part, whole, what, fraction in checks
        if exceeds(part, whole, fraction)
    ]
