"""Leases on trash: what is to be restored or purged is taken by one worker at a time, site by site, as deletions are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from uuid import UUID, uuid4

from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from inventory.choices import SiteStatus
from inventory.selectors.sites import SiteStorage, site_storage
from inventory.services.audit import Actor, audit_record
from operations.choices import DeletionState, TrashState
from operations.models import Deletion, SiteHealth, Trash
from operations.selectors.pausing import pause_state
from operations.services.limits import QueueLimits
from operations.services.turns import take_turn
from operations.services.watch import Clock, Watch
from operations.storage import TrashedFile, trash_name

#: Trash that one lease takes at most, and files at which it is full (at least one is taken).
BATCH_ITEMS = 100
BATCH_FILES = 1000


@dataclass(frozen=True, slots=True)
class TrashItem:
    """The trash of one deletion under a lease, with the files to be restored or purged now."""

    trash_id: int
    plan_id: int
    dataset: str
    block: str
    files: tuple[TrashedFile, ...]

    @property
    def is_of_path(self) -> bool:
        """Tell whether it is of a file that nobody knows, whose name is its path."""
        return not self.dataset


@dataclass(frozen=True, slots=True)
class TrashLease:
    """Trash of one site that one worker holds, of block replicas alone or of files that nobody knows alone."""

    token: UUID
    worker: str
    site: SiteStorage
    state: TrashState
    items: tuple[TrashItem, ...]
    until: datetime

    @property
    def is_of_paths(self) -> bool:
        """Tell whether it is of files that nobody knows."""
        return any(item.is_of_path for item in self.items)

    def extend(self, until: datetime) -> bool:
        """Keep the lease alive; tell whether it is still held for all of it."""
        held = Trash.objects.filter(lease_token=self.token, state=self.state).update(lease_until=until)
        return held == len(self.items)

    def watch(self, *, clock: Clock, limits: QueueLimits) -> Watch:
        """Return what tells whether to go on; a pause of deletions does not keep people from restoring."""
        heeds = self.state == TrashState.PURGING
        return Watch(self.site, self.until, clock, limits, self.extend, heeds_pauses=heeds)


def trash_lease(
    state: TrashState, *, worker: str, now: datetime, limits: QueueLimits, only: Collection[int] | None = None
) -> TrashLease | None:
    """Take the next batch that is to be restored (RESTORING) or may be purged (PURGING); None if nothing can be done now.

    Sites that are not ready or backing off wait; for a purge also those that are paused, and all of them while all is paused.
    """
    if state == TrashState.PURGING and pause_state().is_paused:
        return None
    waiting = _waiting(state, now=now)
    if only is not None:
        waiting = waiting.filter(pk__in=list(only))
    names = sorted(set(waiting.order_by().values_list("site_name", flat=True).distinct()))
    backing_off = set(SiteHealth.objects.filter(site_name__in=names, back_off_until__gt=now).values_list("site_name", flat=True))
    for name, site in site_storage(names).items():
        is_held = site.status != SiteStatus.READY or (state == TrashState.PURGING and (site.is_paused or name in backing_off))
        if is_held:
            continue
        taken = _take(site, waiting.filter(site_name=name), state, worker=worker, now=now, limits=limits)
        if taken is not None:
            return taken
    return None


def _waiting(state: TrashState, *, now: datetime) -> QuerySet[Trash]:
    free = Q(lease_token__isnull=True) & (Q(not_before__isnull=True) | Q(not_before__lte=now))
    wanted = Q(state=state)
    if state == TrashState.PURGING:
        # Of a deletion that is not done the inventory says that the files are there: a person decides, not the calendar.
        wanted |= Q(state=TrashState.KEPT, purge_after__lte=now)
        wanted &= Q(deletion__state=DeletionState.DONE)
    return Trash.objects.filter(free & wanted)


def _take(
    site: SiteStorage, waiting: QuerySet[Trash], state: TrashState, *, worker: str, now: datetime, limits: QueueLimits
) -> TrashLease | None:
    with transaction.atomic():
        if state == TrashState.RESTORING:
            # Not while the same place is emptied: a file that came back would leave the inventory with what is deleted.
            take_turn()
            waiting = waiting.filter(~Exists(_emptying()))
        # An empty trash elsewhere says nothing of where the files lie.
        waiting = waiting.filter(endpoint_url__in=["", site.endpoint_url])
        locked = waiting.select_for_update(skip_locked=True, no_key=True, of=("self",)).select_related("deletion")
        rows: list[Trash] = []
        num_files = 0
        for row in locked.order_by("purge_after", "pk")[:BATCH_ITEMS]:
            num_files += row.num_files
            if rows and (num_files > BATCH_FILES or bool(row.path) != bool(rows[0].path)):
                break
            rows.append(row)
        if not rows:
            return None
        token, until = uuid4(), now + limits.lease_at(site.endpoint_url)
        for row in rows:
            row.state, row.lease_token, row.lease_until = state, token, until
            row.worker, row.num_attempts = worker[:128], row.num_attempts + 1
        Trash.objects.bulk_update(rows, ["state", "lease_token", "lease_until", "worker", "num_attempts"])
    items = tuple(TrashItem(row.pk, row.deletion.plan_id, row.dataset_name, row.block_name, files_of(row)) for row in rows)
    return TrashLease(token, worker, site, state, items, until)


def lies_elsewhere(row: Trash, site: SiteStorage) -> str:
    """Return why a trash is not to be found at the site as it is now, empty if it is."""
    if row.endpoint_url in {"", site.endpoint_url}:
        return ""
    return f"it lies at {row.endpoint_url}, which is not the endpoint of {row.site_name} any more: set that back for as long"


def _emptying() -> QuerySet[Deletion]:
    """Return what a worker deletes now at the place of a trash."""
    same = {name: OuterRef(name) for name in ("site_name", "dataset_name", "block_name", "path")}
    return Deletion.objects.filter(state=DeletionState.ACTING, **same)


def files_of(row: Trash) -> tuple[TrashedFile, ...]:
    """Return the files of a trash, those that were asked for where not all are to come back."""
    wanted = set(row.wanted_files) if row.state == TrashState.RESTORING else set()
    return tuple(
        TrashedFile(lfn, row.folder, trash_name(lfn), size, checksum)
        for lfn, size, checksum in row.files
        if not wanted or lfn in wanted
    )


def trash_leases_take_back(*, now: datetime) -> int:
    """Free trash whose worker did not report back; it is taken up again. Return how many."""
    with transaction.atomic():
        rows = list(
            Trash.objects.select_for_update(skip_locked=True, no_key=True, of=("self",))
            .filter(lease_until__lt=now)
            .defer("files")
            .order_by("pk")[:500]
        )
        for row in rows:
            row.reason = f"worker {row.worker} did not report back from attempt {row.num_attempts}"
            row.lease_token, row.lease_until = None, None
        Trash.objects.bulk_update(rows, ["reason", "lease_token", "lease_until"])
        if rows:
            audit_record(
                actor=Actor(name="sweeper"),
                action="operations.trash_leases_taken_back",
                subject="expired leases on trash",
                details={"trash": len(rows), "workers": sorted({row.worker for row in rows})[:20]},
            )
    return len(rows)


def wait_after(row: Trash, *, now: datetime, limits: QueueLimits, rng: Random) -> datetime:
    """Return when a trash that is to be tried again may be taken up."""
    pause: timedelta = limits.back_off(max(row.num_attempts, 1), rng)
    return now + pause
