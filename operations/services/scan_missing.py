"""Missing files: once somebody who may says so, they leave the inventory, each looked at again; what comes back is taken up."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from inventory.selectors.replicas import BlockReplicaRow, block_replicas_by_key, files_of_block_replicas
from inventory.selectors.site_files import files_known
from inventory.selectors.sites import site_storage
from inventory.selectors.wording import plural, size_text
from inventory.services.audit import Actor, audit_record
from inventory.services.metadata import block_replica_files_remove
from inventory.services.replicas import ReplicaToRestore, block_replica_restore, block_replicas_lock
from operations.choices import FindingKind, FindingState, ScanState
from operations.constants import MAX_FILES_PER_CALL
from operations.exceptions import InvalidTransitionError
from operations.models import ScanFinding, StorageScan
from operations.services.scan_compare import certainly_missing, on_the_move
from operations.services.scan_lease import ScanLease, ScanPulse, scan_locked, scan_move
from operations.services.scans import DECIDE, scan_decide, scan_for_decision
from operations.services.turns import take_turn
from operations.services.watch import Clock
from operations.services.worker import GatewayFactory, real_gateway
from operations.storage import SightKind

_STEP = 500
#: Names that one event of the audit trail holds; all of them are kept with the findings.
_NAMES_IN_AUDIT = 1000


def missing_confirm(*, scan_id: int, actor: Actor, reason: str, now: datetime | None = None) -> StorageScan:
    """Say that the missing files of a scan are to leave the inventory; a worker looks at each once more and takes it out.

    Raises ``PermissionDenied`` without ``inventory.decide_scan`` at the site, ``InvalidTransitionError`` unless the scan is done,
    is the latest of its site and found some, or without a reason.
    """
    with transaction.atomic():
        scan = scan_for_decision(scan_id, actor, DECIDE, reason)
        demand_latest(scan)
        if not open_missing(scan_id).exists():
            raise InvalidTransitionError(f"{scan}: no missing file waits for a decision")
        scan_decide(scan, ScanState.APPLYING, actor=actor, reason=reason, now=now)
        details = {"scan": scan.pk, "files": scan.files_missing, "bytes": scan.bytes_missing}
        audit_record(
            actor=actor, action="operations.missing_confirm", subject=f"site {scan.site_name}", reason=reason, details=details
        )
    return scan


def demand_latest(scan: StorageScan) -> None:
    """Refuse a scan that is not done, or after which another one began. Raises ``InvalidTransitionError``."""
    if scan.state != ScanState.DONE:
        raise InvalidTransitionError(f"{scan} is {scan.get_state_display()}: only what a scan that is done found is decided on")
    later = StorageScan.objects.filter(site_name=scan.site_name, pk__gt=scan.pk).order_by("pk")
    newer = later.exclude(state__in=[ScanState.FAILED, ScanState.CANCELLED, ScanState.DISCARDED]).first()
    if newer is not None:
        raise InvalidTransitionError(f"{newer} began after {scan}: decide on what that one finds")


def open_missing(scan_id: int) -> QuerySet[ScanFinding]:
    """Return the missing files of a scan that nobody has decided on."""
    return ScanFinding.objects.filter(scan_id=scan_id, kind=FindingKind.MISSING, state=FindingState.OPEN)


def missing_apply_next(lease: ScanLease, *, gateway: Any, clock: Clock, pulse: ScanPulse) -> bool:
    """Look at the next missing files again and take out what is certainly not there; tell whether there may be more.

    What is there again is cleared; of what the storage says nothing certain stays open, with the reason.
    """
    waiting = open_missing(lease.scan_id).filter(message="")
    findings = list(waiting.order_by("block_replica_key", "pk")[:_STEP])
    if not findings:
        with transaction.atomic():
            scan_move(scan_locked(lease), ScanState.DONE, now=clock())
        return False
    scan = StorageScan.objects.get(pk=lease.scan_id)
    by_name = {finding.lfn: finding for finding in findings}
    gone, _ = certainly_missing(list(by_name), gateway=gateway, canary=scan.canary, pulse=pulse)
    there = {
        sight.lfn
        for sight in gateway.look([lfn for lfn in by_name if lfn not in set(gone)], should_stop=pulse.should_stop)
        if sight.kind == SightKind.THERE
    }
    with transaction.atomic():
        # Claims decide before or after: what a worker takes now is not what is taken out here.
        take_turn()
        scan = scan_locked(lease)
        _take_out(scan, [by_name[lfn] for lfn in gone], clock())
        for lfn, finding in by_name.items():
            if lfn in there:
                finding.state, finding.decided_at = FindingState.CLEARED, clock()
            elif finding.state == FindingState.OPEN and not finding.message:
                finding.message = (
                    "the storage did not say for certain that it is not there: it stays, and the next scan looks again"
                )
        ScanFinding.objects.bulk_update(findings, ["state", "decided_at", "message", "details"])
    return True


def _take_out(scan: StorageScan, findings: Sequence[ScanFinding], now: datetime) -> None:
    """Take files out of their block replicas, as far as the inventory still has them there and nothing else moves them."""
    by_key: dict[int, list[ScanFinding]] = defaultdict(list)
    for finding in findings:
        if finding.block_replica_key is not None:
            by_key[finding.block_replica_key].append(finding)
    block_replicas_lock(keys=list(by_key))
    known = block_replicas_by_key(sorted(by_key))
    present = files_of_block_replicas(sorted(known))
    moving = on_the_move(scan.site_name, sorted(known))
    going: dict[int, list[ScanFinding]] = {}
    for key, some in by_key.items():
        names = {file.lfn for file in present.get(key, ())}
        row = known.get(key)
        for finding in some:
            if row is None or finding.lfn not in names or (row.dataset, row.block) != (finding.dataset_name, finding.block_name):
                finding.state, finding.decided_at = FindingState.CLEARED, now
                finding.message = "the inventory does not say any more that it is there"
            elif key in moving:
                finding.message = "it is being deleted or brought back: the next scan looks again"
            else:
                going.setdefault(key, []).append(finding)
    if not going:
        return
    block_replica_files_remove(files={key: [finding.lfn for finding in some] for key, some in going.items()})
    for key, some in sorted(going.items()):
        _write_down(scan, known[key], some, now)


def _write_down(scan: StorageScan, row: BlockReplicaRow, findings: Sequence[ScanFinding], now: datetime) -> None:
    """Keep what it takes to take the files up again, and tell the story of the dataset."""
    size = sum(finding.size_bytes for finding in findings)
    for finding in findings:
        finding.state, finding.decided_at = FindingState.APPLIED, now
        finding.details = {
            "group": row.group,
            "is_custodial": row.is_custodial,
            "last_update": row.last_update.isoformat(),
        }
    names = sorted((finding.lfn, finding.size_bytes) for finding in findings)
    text = f"{plural(len(findings), 'file')} ({size_text(size)}) of block {row.block} are not at {row.site}"
    audit_record(
        actor=Actor(scan.decided_by_name),
        action="operations.files_missing",
        subject=row.dataset,
        reason=f"{text}; {scan.decided_reason}",
        details={
            "scan": scan.pk,
            "site": row.site,
            "block": row.block,
            "num_files": len(findings),
            "bytes": size,
            "replica_before": {"files": row.num_files, "bytes": row.size_bytes},
            "replica_after": {"files": row.num_files - len(findings), "bytes": row.size_bytes - size},
            "files": names[:_NAMES_IN_AUDIT],
            "files_digest": hashlib.sha256("".join(f"{lfn}\n" for lfn, _ in names).encode()).hexdigest(),
        },
    )


def returned_files(scan: StorageScan) -> QuerySet[ScanFinding]:
    """Return what was taken out of the inventory as missing and this scan has seen there again."""
    again = ScanFinding.objects.filter(scan=scan, kind=FindingKind.STRAY).values("lfn")
    return ScanFinding.objects.filter(
        site_name=scan.site_name, kind=FindingKind.MISSING, state=FindingState.APPLIED, lfn__in=again, scan_id__lt=scan.pk
    )


def missing_take_back(
    *, scan_id: int, actor: Actor, reason: str, now: datetime | None = None, gateway: GatewayFactory = real_gateway
) -> tuple[int, int]:
    """Let the inventory know again what was missing and is there again, as far as its size is right.

    Returns how many files it knows again, and how many not. Raises ``PermissionDenied`` without ``inventory.decide_scan`` at the
    site, ``InvalidTransitionError`` unless the scan is the latest, is done and saw some, or without a reason.
    """
    at = now or timezone.now()
    with transaction.atomic():
        scan = scan_for_decision(scan_id, actor, DECIDE, reason)
        demand_latest(scan)
        findings = list(returned_files(scan).order_by("dataset_name", "block_name", "pk"))
    if not findings:
        raise InvalidTransitionError(f"{scan} saw nothing again that had been missing")
    storage = site_storage([scan.site_name]).get(scan.site_name)
    sizes: dict[str, int] = {}
    if storage is not None:
        way = gateway(storage)
        for start in range(0, len(findings), MAX_FILES_PER_CALL):
            names = [finding.lfn for finding in findings[start : start + MAX_FILES_PER_CALL]]
            sights = way.look(names, should_stop=lambda: False)
            sizes |= {sight.lfn: sight.size_bytes for sight in sights if sight.kind == SightKind.THERE}
    by_block: dict[tuple[str, str], list[ScanFinding]] = defaultdict(list)
    for finding in findings:
        if sizes.get(finding.lfn) == finding.size_bytes:
            by_block[finding.dataset_name, finding.block_name].append(finding)
    num_back = sum(_take_back(scan, some, actor, reason, at) for some in by_block.values())
    return num_back, len(findings) - num_back


def _take_back(scan: StorageScan, findings: Sequence[ScanFinding], actor: Actor, reason: str, now: datetime) -> int:
    first = findings[0]
    with transaction.atomic():
        problem = block_replica_restore(
            ReplicaToRestore(
                dataset=first.dataset_name,
                block=first.block_name,
                site=scan.site_name,
                group_name=first.details.get("group"),
                is_custodial=bool(first.details.get("is_custodial")),
                last_update=parse_datetime(first.details.get("last_update", "")) or now,
                lfns=frozenset(finding.lfn for finding in findings),
            )
        )
        site = site_storage([scan.site_name])[scan.site_name]
        known = files_known([finding.lfn for finding in findings], site.key)
        back = [f for f in findings if f.lfn in known and known[f.lfn].block_replica_key is not None]
        for finding in findings:
            finding.state = FindingState.RETURNED if finding in back else finding.state
            finding.message = "" if finding in back else problem[:1024]
        ScanFinding.objects.bulk_update(findings, ["state", "message"])
        ScanFinding.objects.filter(scan=scan, kind=FindingKind.STRAY, lfn__in=[f.lfn for f in back]).update(
            state=FindingState.CLEARED, decided_at=now
        )
        audit_record(
            actor=actor,
            action="operations.files_found_again",
            subject=first.dataset_name,
            reason=f"{plural(len(back), 'file')} of block {first.block_name} are at {scan.site_name} again; {reason}",
            details={
                "scan": scan.pk,
                "site": scan.site_name,
                "block": first.block_name,
                "files": sorted(f.lfn for f in back)[:_NAMES_IN_AUDIT],
                "problem": problem,
            },
        )
    return len(back)
