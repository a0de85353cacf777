"""The last look before files are deleted: whatever speaks against a deletion now makes it drop out, with the reason.

Runs inside the transaction of the claim, so that what it saw is what the lease was taken on.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
from django.db.models import Exists, OuterRef, Q, QuerySet

from inventory.selectors.locks import active_locks, locked_rows, rows_held_by
from inventory.selectors.replicas import (
    LIVING_STATUSES,
    BlockReplicaRow,
    FileRow,
    block_replicas_by_key,
    files_of_block_replicas,
    other_complete_copies,
)
from inventory.selectors.sites import site_storage
from operations.choices import DeletionState
from operations.constants import NOBODY
from operations.models import Attempt, Deletion, Invalidation
from operations.services.campaign_portions import dropped_out_of_campaigns
from policies.selectors.plans import executable_plans, files_of_items, items_allowed_as_last_copies, items_with_other_files
from policies.services.snapshots import GoneBlockReplica
from policies.services.standing import StandingItem, Surroundings, items_without_grounds

_OF_UNKNOWN_FILES = (
    "the inventory does not know which files this incomplete block replica has: inject their names, or let the whole of it go"
)
_ALTERED = "the files that its plan names are not those that were frozen"


@dataclass(frozen=True, slots=True)
class Rechecked:
    """Which deletions may go ahead with which files, which drop out and why, and which must wait for a person and why.

    ``partial``: those that take files out of a block replica of which the rest stays.
    """

    files: dict[int, tuple[FileRow, ...]]
    partial: frozenset[int]
    dropped: dict[int, str]
    failed: dict[int, str]


def recheck(rows: Sequence[Deletion], *, now: datetime, plans_of_campaigns: Collection[int]) -> Rechecked:
    """Look again at deletions of one site before they are acted on; the keys of the result are those of the deletions.

    What has been begun does not drop out silently: it fails, because its block replica is no longer whole and a person
    must know. *plans_of_campaigns*: those whose items their campaigns are asked about. Takes row locks on the plans until the
    caller's transaction ends.
    """
    known = block_replicas_by_key([row.replica_key for row in rows])
    executable = executable_plans({row.plan_id for row in rows})
    named = files_of_items([row.plan_item_id for row in rows])
    partial = frozenset(row.pk for row in rows if row.plan_item_id in named)
    altered = items_with_other_files(named)
    against = {
        row.pk: reason
        for row in rows
        if (reason := _changed(row, known.get(row.replica_key), executable, is_partial=row.pk in partial))
    }
    against |= {row.pk: _ALTERED for row in rows if row.plan_item_id in altered}
    remaining = [row for row in rows if row.pk not in against]
    against |= dropped_out_of_campaigns([row for row in remaining if row.plan_id in plans_of_campaigns])
    remaining = [row for row in remaining if row.pk not in against]
    against |= locked_deletions(remaining, now=now)
    remaining = [row for row in remaining if row.pk not in against]
    against |= _last_copies(remaining)
    remaining = [row for row in remaining if row.pk not in against]
    against |= _without_grounds(remaining, now)
    remaining = [row for row in remaining if row.pk not in against]

    present = files_of_block_replicas([row.replica_key for row in remaining])
    nameless = {row.pk: reason for row in remaining if (reason := _nameless(known[row.replica_key], present[row.replica_key]))}
    nameless |= {row.pk: _OF_UNKNOWN_FILES for row in remaining if row.pk in partial and _is_unsure(row, known, present)}
    files = {row.pk: _files_that_go(present[row.replica_key], named.get(row.plan_item_id)) for row in remaining}
    against |= {pk: "its files are not there any more" for pk, some in files.items() if pk in partial and not some}
    begun = begun_among([row for row in rows if row.pk in against])
    return Rechecked(
        files={pk: some for pk, some in files.items() if pk not in nameless and pk not in against},
        partial=partial,
        dropped={pk: reason for pk, reason in against.items() if pk not in begun},
        failed=nameless | {pk: f"{reason}; but files of it may be gone already" for pk, reason in against.items() if pk in begun},
    )


def begun_among(rows: Sequence[Deletion]) -> set[int]:
    """Return those deletions of which files may be gone already: an attempt said so, or died before it could say."""
    tried = [row.pk for row in rows if row.num_attempts]
    if not tried:
        return set()
    attempts = Attempt.objects.filter(deletion_id__in=tried, may_have_deleted=True).order_by("deletion_id")
    return set(attempts.values_list("deletion_id", flat=True))


def _is_unsure(row: Deletion, known: Mapping[int, BlockReplicaRow], present: Mapping[int, Sequence[FileRow]]) -> bool:
    """Tell whether nobody knows which of its block's files an incomplete replica has."""
    key = row.replica_key
    return not known[key].is_complete and len(present[key]) != known[key].num_files


def _files_that_go(present: tuple[FileRow, ...], named: Mapping[str, int] | None) -> tuple[FileRow, ...]:
    """Return the files that go: all that are there, or those that the plan names and that are as big as it says."""
    if named is None:
        return present
    return tuple(file for file in present if named.get(file.lfn) == file.size_bytes)


def _changed(row: Deletion, found: BlockReplicaRow | None, executable: set[int], *, is_partial: bool) -> str:
    if row.plan_id not in executable:
        return f"plan {row.plan_id} is not released any more"
    if found is None or (found.site, found.dataset, found.block) != (row.site_name, row.dataset_name, row.block_name):
        return "not in the inventory any more"
    if (found.group or NOBODY) != row.group_name:
        return f"owner changed from {row.group_name} to {found.group or NOBODY}"
    if not is_partial and (found.size_bytes, found.num_files) != (row.size_bytes, row.num_files):
        return (
            f"changed since the plan: {found.num_files} files and {found.size_bytes} bytes are there, "
            f"planned were {row.num_files} and {row.size_bytes}"
        )
    return ""


def locked_deletions(rows: Sequence[Deletion], *, now: datetime) -> dict[int, str]:
    """Return the deletions that a lock in force at *now* holds, but for what was overridden by name."""
    if not rows:
        return {}
    frame = pl.DataFrame(
        {
            "dataset": [row.dataset_name for row in rows],
            "block": [row.block_name for row in rows],
            "site": [row.site_name for row in rows],
            "group": [row.group_name for row in rows],
        },
        schema=dict.fromkeys(("dataset", "block", "site", "group"), pl.String),
    )
    is_locked = locked_rows(frame, now=now)
    if not is_locked.any():
        return {}
    held = {row.pk for row, locked in zip(rows, is_locked.to_list(), strict=True) if locked}
    return dict.fromkeys(held - _overridden(rows, frame, now), "locked")


def _overridden(rows: Sequence[Deletion], frame: pl.DataFrame, now: datetime) -> set[int]:
    """Return the deletions of invalidations that nothing locks but what was overridden by name when they were confirmed."""
    found = Invalidation.objects.filter(plan_id__in={row.plan_id for row in rows}).exclude(overridden_locks=[])
    overridden = dict(found.values_list("plan_id", "overridden_locks"))
    free: set[int] = set()
    for plan_id, lock_ids in overridden.items():
        others = [lock for lock in active_locks(now) if lock.key not in set(lock_ids)]
        is_held = rows_held_by(others, frame).to_list()
        free |= {row.pk for row, held in zip(rows, is_held, strict=True) if row.plan_id == plan_id and not held}
    return free


def _last_copies(rows: Sequence[Deletion]) -> dict[int, str]:
    """Return the deletions that would take the last copy anywhere; a copy that is itself being deleted does not count.

    What a rule, a campaign or a person allowed by name when the plan was frozen is not asked.
    """
    allowed = items_allowed_as_last_copies([row.plan_item_id for row in rows])
    rows = [row for row in rows if row.plan_item_id not in allowed]
    if not rows:
        return {}
    copies = other_complete_copies([row.replica_key for row in rows])
    doomed = _doomed_copies(rows)
    last: dict[int, str] = {}
    for row in rows:
        others = copies.get(row.replica_key, 0)
        if others == 0:
            last[row.pk] = "last copy anywhere"
        elif others <= doomed[row.pk]:
            last[row.pk] = "last copy anywhere: the others are being deleted"
    return last


def _without_grounds(rows: Sequence[Deletion], now: datetime) -> dict[int, str]:
    """Return the deletions whose plan no longer stands on what it was decided on, or that a guardrail forbids by now."""
    if not rows:
        return {}
    items = [StandingItem(row.plan_id, row.replica_key, row.site_name, row.dataset_name) for row in rows]
    reasons = items_without_grounds(items, lambda: _surroundings(rows), now=now)
    return {row.pk: reasons[row.replica_key] for row in rows if row.replica_key in reasons}


def _surroundings(rows: Sequence[Deletion]) -> Surroundings:
    """Return what is going or gone of the datasets of *rows*, which are of one site."""
    datasets = {row.dataset_name for row in rows}
    site_name = rows[0].site_name
    own = Q(plan_id__in={row.plan_id for row in rows}, site_name=site_name)
    going = {row.replica_key for row in _going(datasets).exclude(own).order_by("pk")}
    done = Deletion.objects.filter(own, dataset_name__in=datasets, state=DeletionState.DONE).order_by("pk")
    gone: dict[int, list[GoneBlockReplica]] = defaultdict(list)
    for plan_id, dataset, block, group in done.values_list("plan_id", "dataset_name", "block_name", "group_name"):
        gone[plan_id].append(GoneBlockReplica(site_name, dataset, block, group))
    return Surroundings(frozenset(going), gone)


def _going(datasets: Collection[str]) -> QuerySet[Deletion]:
    """Return the deletions that are under way, or of which files may be gone already, and that are not done."""
    may_have_lost = Exists(Attempt.objects.filter(deletion_id=OuterRef("pk"), may_have_deleted=True))
    under_way = Deletion.objects.filter(Q(state=DeletionState.ACTING) | Q(may_have_lost), dataset_name__in=list(datasets))
    return under_way.exclude(state=DeletionState.DONE)


def _doomed_copies(rows: Sequence[Deletion]) -> Counter[int]:
    """Return for each deletion how many complete copies of its block are being deleted, or may have lost files already."""
    wanted: dict[tuple[str, str], list[Deletion]] = defaultdict(list)
    for row in rows:
        wanted[row.dataset_name, row.block_name].append(row)
    going = _going({row.dataset_name for row in rows}).filter(block_name__in={row.block_name for row in rows})
    candidates = [row.replica_key for row in going.order_by("pk")]
    counts: Counter[int] = Counter()
    replicas = block_replicas_by_key(list(dict.fromkeys(candidates))).values()
    sites = site_storage({replica.site for replica in replicas})
    for replica in replicas:
        if sites[replica.site].status not in LIVING_STATUSES:
            continue  # was not counted as a copy either
        for row in wanted.get((replica.dataset, replica.block), ()):
            if replica.is_complete and replica.key != row.replica_key:
                counts[row.pk] += 1
    return counts


def _nameless(found: BlockReplicaRow, files: Sequence[FileRow]) -> str:
    if len(files) >= found.num_files:
        return ""
    by_name = f"{len(files)} of them" if files else "none"
    return (
        f"the inventory knows {found.num_files} files of this block replica but {by_name} by name: inject the names of its files"
    )
