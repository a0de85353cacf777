"""Record: write down what the storage said, and let the inventory follow. One transaction, under the lease."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from random import Random

from django.db import transaction

from inventory.selectors.replicas import BlockReplicaRow, block_replicas_by_key
from inventory.services.audit import Actor, audit_record
from inventory.services.metadata import block_replica_files_remove
from inventory.services.replicas import block_replicas_lock, block_replicas_remove
from operations.choices import DeletionState, FileOutcome, HealthSign
from operations.models import Attempt, Deletion, DeletionFile
from operations.services.act import Acted
from operations.services.brake import health_note
from operations.services.bulk import rows_update
from operations.services.claim import ClaimedDeletion
from operations.services.dark_recheck import late_news
from operations.services.limits import QueueLimits
from operations.services.trash_keeping import trash_keep
from operations.services.verdict import Verdict, judge
from operations.storage import FileResult

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recorded:
    """How many deletions of a claim ended in which state; ``num_lost``: those whose lease another worker has, or nobody."""

    states: Counter[str]
    num_lost: int
    paused_site: str = ""


def record(acted: Acted, *, now: datetime, limits: QueueLimits, rng: Random) -> Recorded:
    """Record a claim that was acted on. What is no longer under its lease is left alone: it will be asked for again.

    A block replica whose files are all gone leaves the inventory in the same transaction as its deletion is done.
    """
    claim = acted.claim
    items = {item.deletion_id: item for item in claim.items}
    with transaction.atomic():
        rows = list(
            Deletion.objects.select_for_update(no_key=True, of=("self",))
            .filter(pk__in=items, lease_token=claim.token, state=DeletionState.ACTING)
            .order_by("pk")
        )
        # Locked before they are compared: what grows in between must not be removed as it was planned.
        keys = [row.block_replica_key for row in rows if row.block_replica_key is not None]
        block_replicas_lock(keys=keys)
        found = block_replicas_by_key(keys)
        known = {row.pk: found[row.block_replica_key] for row in rows if row.block_replica_key in found}
        verdicts = {row.pk: _verdict(row, items[row.pk], acted, known.get(row.pk), limits=limits) for row in rows}
        verdicts |= late_news([row for row in rows if row.path], verdicts, acted.results, claim.site)
        done = [row for row in rows if verdicts[row.pk].state == DeletionState.DONE and row.block_replica_key is not None]
        whole = [row.replica_key for row in done if not items[row.pk].is_partial]
        parts = {row.replica_key: [file.lfn for file in items[row.pk].files] for row in done if items[row.pk].is_partial}
        if whole:
            block_replicas_remove(keys=whole)
        if parts:
            block_replica_files_remove(files=parts)
        trash_keep([row.pk for row in rows if verdicts[row.pk].state == DeletionState.DONE], now=now, limits=limits)
        for row in rows:
            _apply(row, verdicts[row.pk], is_busy=row.pk in acted.busy, now=now, limits=limits, rng=rng)
        rows_update(rows, _ROW_FIELDS)
        _record_attempts(rows, verdicts, now)
        _record_files(rows, items, acted, now)
        first = {row.pk for row in rows if not items[row.pk].may_be_begun}
        tripped = _note_health(claim.site.name, verdicts, first, now=now, limits=limits, rng=rng)
        _audit(claim.worker, claim.site.name, rows, verdicts)
    states = Counter(str(row.state) for row in rows)
    logger.info("recorded at %s: %s", claim.site.name, dict(states), extra={"site": claim.site.name, "lease": str(claim.token)})
    return Recorded(states, len(items) - len(rows), claim.site.name if tripped else "")


_ROW_FIELDS = [
    "state",
    "reason",
    "not_before",
    "lease_token",
    "lease_until",
    "files_deleted",
    "files_absent",
    "bytes_deleted",
    "finished_at",
]


def _verdict(
    row: Deletion, item: ClaimedDeletion, acted: Acted, found: BlockReplicaRow | None, *, limits: QueueLimits
) -> Verdict:
    verdict = judge(
        item.files,
        acted.results[row.pk],
        stopped=acted.busy.get(row.pk) or acted.stopped,
        num_attempts=row.num_attempts,
        attempts_before_failed=limits.attempts_before_failed,
    )
    grew = found is not None and not item.is_partial and (found.size_bytes, found.num_files) != (row.size_bytes, row.num_files)
    if verdict.state == DeletionState.DONE and grew:
        # Files came in the meantime: the row must not go while they are there. The next claim sees it and asks a person.
        return verdict.back_to_queue("the block replica changed while it was being deleted")
    return verdict


def _apply(row: Deletion, verdict: Verdict, *, is_busy: bool, now: datetime, limits: QueueLimits, rng: Random) -> None:
    row.state = verdict.state
    row.reason = verdict.reason[:1024]
    row.lease_token = None
    row.lease_until = None
    waits = verdict.state == DeletionState.QUEUED and (verdict.is_failure or is_busy)
    row.not_before = now + limits.back_off(row.num_attempts, rng) if waits else None
    row.finished_at = now if verdict.state in (DeletionState.DONE, DeletionState.DROPPED) else None
    # A file that an earlier attempt deleted is found absent by this one, and one that it put aside is found in the trash:
    # it was counted then, unless that attempt died, and is not counted again.
    num_gone = verdict.num_deleted + verdict.num_absent
    num_deleted = max(row.files_deleted, verdict.num_found) + verdict.num_deleted - verdict.num_found
    row.files_deleted = min(num_deleted, max(num_gone, row.files_deleted))
    row.files_absent = max(num_gone - row.files_deleted, 0)
    bytes_deleted = max(row.bytes_deleted, verdict.bytes_found) + verdict.bytes_deleted - verdict.bytes_found
    row.bytes_deleted = min(bytes_deleted, row.size_bytes)


def _record_attempts(rows: Sequence[Deletion], verdicts: Mapping[int, Verdict], now: datetime) -> None:
    numbers = {row.pk: row.num_attempts for row in rows}
    attempts = [
        attempt
        for attempt in Attempt.objects.filter(deletion_id__in=numbers).order_by("pk")
        if attempt.number == numbers[attempt.deletion_id]
    ]
    for attempt in attempts:
        verdict = verdicts[attempt.deletion_id]
        attempt.recorded_at = now
        attempt.outcome = verdict.worst or ""
        attempt.message = verdict.reason[:1024]
        attempt.files_deleted = verdict.num_deleted
        attempt.files_absent = verdict.num_absent
        attempt.files_failed = verdict.num_failed
        attempt.may_have_deleted = verdict.may_have_deleted
    fields = ["recorded_at", "outcome", "message", "files_deleted", "files_absent", "files_failed", "may_have_deleted"]
    rows_update(attempts, fields)


def _record_files(rows: Sequence[Deletion], items: Mapping[int, ClaimedDeletion], acted: Acted, now: datetime) -> None:
    """Keep a row for each file with which something is not plain, and the last word on those that have one."""
    tried_before = [row.pk for row in rows if row.num_attempts > 1]
    noted = set(DeletionFile.objects.filter(deletion_id__in=tried_before).order_by("pk").values_list("deletion_id", "lfn"))
    kept: list[DeletionFile] = []
    for row in rows:
        is_first = not items[row.pk].may_be_begun
        results = acted.results[row.pk]
        if not noted and {result.outcome for result in results} <= {FileOutcome.DELETED}:
            continue
        unusual = [r for r in results if (row.pk, r.lfn) in noted or not _is_plain(r, is_first=is_first)]
        sizes = {file.lfn: file.size_bytes for file in items[row.pk].files} if unusual else {}
        kept += [
            DeletionFile(
                deletion_id=row.pk,
                lfn=result.lfn,
                size_bytes=sizes[result.lfn],
                outcome=result.outcome,
                message=result.message[:1024],
                at=now,
            )
            for result in unusual
        ]
    DeletionFile.objects.bulk_create(
        kept,
        update_conflicts=True,
        unique_fields=["deletion", "lfn"],
        update_fields=["outcome", "message", "at"],
        batch_size=1000,
    )


def _is_plain(result: FileResult, *, is_first: bool) -> bool:
    """Tell whether a file needs no row: it was deleted, or is absent after an attempt that is most likely to have deleted it."""
    return result.outcome == FileOutcome.DELETED or (result.outcome == FileOutcome.ABSENT and not is_first)


def _note_health(
    site_name: str, verdicts: Mapping[int, Verdict], first: Collection[int], *, now: datetime, limits: QueueLimits, rng: Random
) -> str:
    """Tell the brake how the storage did. A call that could not even begin counts once, whatever it was asked for.

    *first*: deletions that no earlier attempt can have begun; what another does not find an earlier one may have deleted.
    """
    judged = {pk: verdict for pk, verdict in verdicts.items() if verdict.says_of_storage}
    if not judged:
        return ""
    failures = [verdict for verdict in judged.values() if verdict.is_failure]
    is_stuck = len(failures) == len(judged)
    could_not_begin = is_stuck and all(v.worst == FileOutcome.RETRYABLE and not v.may_have_deleted for v in failures)
    signs = [_sign(verdict, is_first=pk in first) for pk, verdict in judged.items()]
    outcomes = [HealthSign.FAILED] if could_not_begin else signs
    message = failures[-1].reason if failures else ""
    return health_note(
        site_name=site_name, outcomes=outcomes, message=message, is_stuck=is_stuck, now=now, limits=limits, rng=rng
    )


def _sign(verdict: Verdict, *, is_first: bool) -> HealthSign:
    if verdict.is_failure:
        return HealthSign.FAILED
    return HealthSign.ABSENT if is_first and verdict.num_absent and not verdict.num_deleted else HealthSign.FINE


def _audit(worker: str, site_name: str, rows: Sequence[Deletion], verdicts: Mapping[int, Verdict]) -> None:
    by_plan: dict[int, list[Deletion]] = defaultdict(list)
    for row in rows:
        by_plan[row.plan_id].append(row)
    for plan_id, some in sorted(by_plan.items()):
        judged = [verdicts[row.pk] for row in some]
        audit_record(
            actor=Actor(name=f"worker {worker}"[:150]),
            action="operations.deletions_recorded",
            subject=f"plan {plan_id} at {site_name}",
            details={
                "block_replicas": dict(Counter(str(verdict.state) for verdict in judged)),
                "files": {
                    "deleted": sum(verdict.num_deleted for verdict in judged),
                    "absent": sum(verdict.num_absent for verdict in judged),
                    "failed": sum(verdict.num_failed for verdict in judged),
                },
                "bytes_deleted": sum(verdict.bytes_deleted for verdict in judged),
                "first": some[0].pk,
                "last": some[-1].pk,
            },
        )
