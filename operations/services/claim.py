"""Claim: take a batch of deletions of one site under a lease, after a last look at each. A short transaction."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import F, Q

from campaigns.selectors.execution import campaigns_standing
from inventory.choices import SiteStatus
from inventory.selectors.lock_owners import LocksMark, locks_mark
from inventory.selectors.replicas import FileRow
from inventory.selectors.sites import SiteStorage, site_storage
from inventory.services.audit import Actor, audit_record
from operations.choices import DeletionState, HealthSign
from operations.constants import BRAKE_MIN_OUTCOMES
from operations.models import Attempt, Deletion, QueuedPlan, SiteHealth
from operations.selectors.pace import Pace, pace_of
from operations.selectors.pausing import pause_state
from operations.services.audit_details import reason_counts
from operations.services.bulk import rows_update
from operations.services.campaign_portions import portions_left
from operations.services.dark_recheck import recheck_paths
from operations.services.limits import QueueLimits
from operations.services.pace import pace_note, within_pace
from operations.services.recheck import Rechecked, begun_among, recheck
from operations.services.turns import take_turn
from policies.selectors.plans import times_of_paths
from policies.services.standing import plans_that_wait

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ClaimedDeletion:
    """One block replica that the holder of the lease may delete, with the files to delete at the site.

    ``is_partial``: these are not all that it has there, and the rest stays. ``modified_at``: of a file that nobody
    knows, which has no key, and whose name is its path. ``may_be_begun``: an earlier attempt may have deleted files of it;
    what is not found then says nothing of the storage.
    """

    deletion_id: int
    plan_id: int
    attempt_number: int
    block_replica_key: int | None
    dataset_name: str
    block_name: str
    files: tuple[FileRow, ...]
    is_partial: bool = False
    may_be_begun: bool = False
    modified_at: datetime | None = None

    @property
    def path(self) -> str:
        """Return the path of a file that nobody knows, empty for a block replica."""
        return self.files[0].lfn.removeprefix("/") if self.modified_at is not None else ""


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on deletions of one site. ``lease_until``: what holds unless the worker extends it; ``locks_mark``: locks then."""

    token: UUID
    worker: str
    site: SiteStorage
    items: tuple[ClaimedDeletion, ...]
    lease_until: datetime
    locks_mark: LocksMark = (0, 0, 0)

    @property
    def is_of_paths(self) -> bool:
        """Tell whether it is of files that nobody knows: a batch is of these, or of none of them."""
        return any(item.modified_at is not None for item in self.items)


def claim(*, worker: str, now: datetime, limits: QueueLimits, after_site: str = "") -> Claim | None:
    """Take the next batch, going round the sites by name from the one after *after_site*; None if nothing can be done now.

    Sites that are paused, not ready, backing off or busy with as many batches as they take keep their queue. What the
    re-check finds drops out on the way, in the same transaction as the batch is taken in.
    """
    if pause_state().is_paused:
        return None
    names = sites_with_queue()
    sites = site_storage(names)
    ordered = [name for name in names if name > after_site] + [name for name in names if name <= after_site]
    for name in ordered:
        site = sites.get(name)
        if site is None or site.is_paused or site.status != SiteStatus.READY:
            continue
        taken = _claim_at(site, worker=worker, now=now, limits=limits)
        if taken is not None:
            return taken
    return None


def sites_with_queue() -> list[str]:
    """Return the sites for which deletions wait, by name; one look into the index per site, however long the queue is."""
    names: list[str] = []
    last = ""
    while True:
        waiting = Deletion.objects.filter(state=DeletionState.QUEUED, site_name__gt=last).order_by("site_name")
        name = waiting.values_list("site_name", flat=True).first()
        if name is None:
            return names
        names.append(name)
        last = name


def _claim_at(site: SiteStorage, *, worker: str, now: datetime, limits: QueueLimits) -> Claim | None:
    """Take a batch at one site; what drops out makes room for more, until the batch has something or nothing waits."""
    while True:
        with transaction.atomic():
            take_turn()
            # Afresh: its storage may have moved since the round began, and what is gone from the old place is not gone.
            fresh = site_storage([site.name]).get(site.name)
            if fresh is None:
                return None
            site = fresh
            pace = pace_of(site, batches_per_site=limits.batches_per_site)
            if not _has_room(site, pace, now=now):
                return None
            # Campaigns before plans and their rows: the order in which their transitions lock.
            under_way = plans_under_way()
            standing = campaigns_standing(under_way, now=now)
            portions = portions_left(standing.values(), site.name, now=now)
            waits = {plan for plan, one in standing.items() if one.hold} | {plan for plan, left in portions.items() if left <= 0}
            not_of = waits | set(plans_that_wait(under_way, now=now))
            batch = limits.batch_at(site.endpoint_url, goes_well=_goes_well(site.name))
            waiting = _waiting(site.name, now=now, batch=batch, not_of=not_of, portions=portions)
            alike = [row for row in waiting if bool(row.path) == bool(waiting[0].path)]
            rows = within_pace(site.name, alike, pace, now=now)
            if not rows:
                return None
            checked = recheck_paths(rows, site) if rows[0].path else recheck(rows, now=now, plans_of_campaigns=standing)
            taken = None
            if checked.files:
                going = [row for row in rows if row.pk in checked.files]
                taken = _lease(site, going, checked, worker=worker, now=now, limits=limits)
                pace_note(site.name, going, pace, now=now)
            _record_drop_outs(site.name, rows, checked.dropped, DeletionState.DROPPED, now)
            _record_drop_outs(site.name, rows, checked.failed, DeletionState.FAILED, now)
        if taken is not None:
            return taken


def _has_room(site: SiteStorage, pace: Pace, *, now: datetime) -> bool:
    """Tell whether another batch may act at the site now; asked under the lock of the claims."""
    if site.is_paused or site.status != SiteStatus.READY:
        return False
    if SiteHealth.objects.filter(site_name=site.name, back_off_until__gt=now).exists():
        return False
    acting = Deletion.objects.filter(state=DeletionState.ACTING, site_name=site.name)
    return acting.order_by().values("lease_token").distinct().count() < pace.batches


def _goes_well(site_name: str) -> bool:
    """Tell whether the latest deletions at a site, as many as the brake asks for before it judges, all found their files."""
    latest = SiteHealth.objects.filter(site_name=site_name).values_list("recent_outcomes", flat=True).first() or ""
    return latest.endswith(HealthSign.FINE * BRAKE_MIN_OUTCOMES)


def plans_under_way() -> list[int]:
    """Return the plans in the queue that are not over."""
    return list(QueuedPlan.objects.filter(over_at__isnull=True).order_by("plan_id").values_list("plan_id", flat=True))


def _waiting(
    site_name: str, *, now: datetime, batch: tuple[int, int], not_of: Collection[int], portions: Mapping[int, int]
) -> list[Deletion]:
    """Lock and return the oldest deletions that wait at a site, up to so many block replicas and files and at least one.

    Of a plan in *portions* no more is taken once so many bytes of it are.
    """
    most_items, most_files = batch
    left = dict(portions)
    waiting = (
        Deletion.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
        .filter(Q(not_before__isnull=True) | Q(not_before__lte=now), state=DeletionState.QUEUED, site_name=site_name)
        .exclude(plan_id__in=list(not_of))
        .order_by("pk")[:most_items]
    )
    rows: list[Deletion] = []
    num_files = 0
    for row in waiting:
        if row.plan_id in left:
            if left[row.plan_id] <= 0:
                continue
            left[row.plan_id] -= row.size_bytes
        num_files += row.num_files
        if rows and num_files > most_files:
            break
        rows.append(row)
    return rows


def _lease(
    site: SiteStorage,
    rows: Sequence[Deletion],
    checked: Rechecked,
    *,
    worker: str,
    now: datetime,
    limits: QueueLimits,
) -> Claim:
    token, until = uuid4(), now + limits.lease_at(site.endpoint_url)
    begun = begun_among(rows)
    Deletion.objects.filter(pk__in=[row.pk for row in rows]).update(
        state=DeletionState.ACTING,
        lease_token=token,
        lease_until=until,
        worker=worker[:128],
        num_attempts=F("num_attempts") + 1,
    )
    for row in rows:
        row.num_attempts += 1
    Attempt.objects.bulk_create(
        [Attempt(deletion_id=row.pk, number=row.num_attempts, worker=worker[:128], started_at=now) for row in rows]
    )
    seen_at = times_of_paths([row.plan_item_id for row in rows if row.path])
    items = tuple(
        ClaimedDeletion(
            deletion_id=row.pk,
            plan_id=row.plan_id,
            attempt_number=row.num_attempts,
            block_replica_key=row.block_replica_key,
            dataset_name=row.dataset_name,
            block_name=row.block_name,
            files=checked.files[row.pk],
            is_partial=row.pk in checked.partial,
            may_be_begun=row.pk in begun,
            modified_at=seen_at.get(row.plan_item_id),
        )
        for row in rows
    )
    mark = locks_mark(now)
    return Claim(token=token, worker=worker, site=site, items=items, lease_until=until, locks_mark=mark)


def _record_drop_outs(
    site_name: str, rows: Iterable[Deletion], reasons: Mapping[int, str], state: DeletionState, now: datetime
) -> None:
    """Write down what does not go ahead and why: in the rows, and per plan in the audit trail."""
    by_plan: dict[int, list[Deletion]] = defaultdict(list)
    for row in rows:
        if row.pk in reasons:
            row.state = state
            row.reason = reasons[row.pk][:1024]
            row.not_before = None
            row.finished_at = now if state == DeletionState.DROPPED else None
            by_plan[row.plan_id].append(row)
    for plan_id, some in sorted(by_plan.items()):
        rows_update(some, ["state", "reason", "not_before", "finished_at"])
        audit_record(
            actor=Actor(name="claim"),
            action="operations.dropped_out" if state == DeletionState.DROPPED else "operations.needs_a_person",
            subject=f"plan {plan_id} at {site_name}",
            reason="re-check before deletion",
            details=reason_counts(row.reason for row in some),
        )
        logger.info(
            "%s of plan %s at %s: %s", state.label, plan_id, site_name, len(some), extra={"plan_id": plan_id, "site": site_name}
        )
