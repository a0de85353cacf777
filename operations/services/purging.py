"""Purge: what has been kept long enough is deleted for good, by lease, act and record as deletions are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from django.db import transaction

from inventory.services.audit import Actor, audit_record
from operations.choices import GONE_OUTCOMES, FileOutcome, HealthSign, TrashState
from operations.models import Trash
from operations.services.act import unknown
from operations.services.brake import health_note
from operations.services.calls import Keyed, answers_in_calls
from operations.services.limits import QueueLimits
from operations.services.trash_lease import TrashLease, wait_after
from operations.services.watch import Clock
from operations.storage import FileResult, Gateway, ShouldStop, TrashedFile


@dataclass(frozen=True, slots=True)
class PurgeActed:
    """What the storage said of each file, by trash."""

    lease: TrashLease
    results: dict[int, list[FileResult]]
    stopped: str


def purge_act(lease: TrashLease, *, gateway: Gateway, clock: Clock, limits: QueueLimits) -> PurgeActed:
    """Delete the files of a lease from the trash, until all are tried, a pause or the end of the lease."""
    watch = lease.watch(clock=clock, limits=limits)
    results: dict[int, list[FileResult]] = {item.trash_id: [] for item in lease.items}
    files = ((item.trash_id, file) for item in lease.items for file in item.files)

    def ask(call: Sequence[Keyed[TrashedFile]], should_stop: ShouldStop) -> Sequence[FileResult]:
        return gateway.purge([file for _, file in call], should_stop=should_stop)

    for trash_id, result in answers_in_calls(files, ask, watch=watch, outcomes=frozenset(FileOutcome), unknown=unknown):
        results[trash_id].append(result)
    return PurgeActed(lease, results, watch.reason)


def purge_record(acted: PurgeActed, *, now: datetime, limits: QueueLimits, rng: Random) -> Counter[str]:
    """Record a purge: what is gone entirely is purged, the rest is tried again later, for ever. Return the numbers by state."""
    lease = acted.lease
    items = {item.trash_id: item for item in lease.items}
    with transaction.atomic():
        rows = list(
            Trash.objects.select_for_update(no_key=True, of=("self",))
            .filter(pk__in=items, lease_token=lease.token)
            .select_related("deletion")
            .defer("files")
            .order_by("pk")
        )
        for row in rows:
            _apply(row, acted.results[row.pk], len(items[row.pk].files), acted.stopped, now=now, limits=limits, rng=rng)
        fields = ["state", "reason", "finished_at", "not_before", "lease_token", "lease_until"]
        Trash.objects.bulk_update(rows, fields)
        _note_health(lease, rows, acted, now=now, limits=limits, rng=rng)
        _audit(lease, rows)
    return Counter(str(row.state) for row in rows)


def _apply(
    row: Trash, results: Sequence[FileResult], num_files: int, stopped: str, *, now: datetime, limits: QueueLimits, rng: Random
) -> None:
    row.lease_token, row.lease_until = None, None
    bad = [result for result in results if result.outcome not in GONE_OUTCOMES]
    if not bad and len(results) == num_files:
        row.state, row.finished_at, row.reason, row.not_before = TrashState.PURGED, now, "", None
        return
    row.reason = f"{FileOutcome(bad[0].outcome).label}: {bad[0].message}: {bad[0].lfn}"[:1024] if bad else stopped
    row.not_before = wait_after(row, now=now, limits=limits, rng=rng) if bad else None


def _note_health(
    lease: TrashLease, rows: Sequence[Trash], acted: PurgeActed, *, now: datetime, limits: QueueLimits, rng: Random
) -> None:
    """Tell the brake how the storage did, as deletions do."""
    asked = [row for row in rows if acted.results[row.pk]]
    if not asked:
        return
    outcomes = [HealthSign.FINE if row.state == TrashState.PURGED or not row.not_before else HealthSign.FAILED for row in asked]
    message = next((row.reason for row in asked if row.not_before), "")
    health_note(
        site_name=lease.site.name,
        outcomes=outcomes,
        message=message,
        is_stuck=HealthSign.FINE not in outcomes,
        now=now,
        limits=limits,
        rng=rng,
    )


def _audit(lease: TrashLease, rows: Sequence[Trash]) -> None:
    by_plan: dict[int, list[Trash]] = defaultdict(list)
    for row in rows:
        by_plan[row.deletion.plan_id].append(row)
    for plan_id, some in sorted(by_plan.items()):
        purged = [row for row in some if row.state == TrashState.PURGED]
        audit_record(
            actor=Actor(name=f"worker {lease.worker}"[:150]),
            action="operations.trash_purged",
            subject=f"plan {plan_id} at {lease.site.name}",
            details={
                "block_replicas": dict(Counter(str(row.state) for row in some)),
                "bytes": sum(row.size_bytes for row in purged),
                "first": some[0].deletion_id,
                "last": some[-1].deletion_id,
            },
        )
