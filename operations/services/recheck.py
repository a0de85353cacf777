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

from inventory.selectors.locks import locked_rows
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
from operations.models import Attempt, Deletion
from operations.services.campaign_portions import dropped_out_of_campaigns
from policies.selectors.plans import executable_plans, items_allowed_as_last_copies
from policies.services.snapshots import GoneBlockReplica
from policies.services.standing import StandingItem, Surroundings, items_without_grounds


@dataclass(frozen=True, slots=True)
class Rechecked:
    """Which deletions may go ahead with which files, which drop out and why, and which must wait for a person and why."""

    files: dict[int, tuple[FileRow, ...]]
    dropped: dict[int, str]
    failed: dict[int, str]


def recheck(rows: Sequence[Deletion], *, now: datetime, plans_of_campaigns: Collection[int]) -> Rechecked:
    """Look again at deletions of one site before they are acted on; the keys of the result are those of the deletions.

    What has been begun does not drop out silently: it fails, because its block replica is no longer whole and a person
    must know. *plans_of_campaigns*: those whose items their campaigns are asked about. Takes row locks on the plans until the
    caller's transaction ends.
    """
    known = block_replicas_by_key([row.block_replica_key for row in rows])
    executable = executable_plans({row.plan_id for row in rows})
    against = {row.pk: reason for row in rows if (reason := _changed(row, known.get(row.block_replica_key), executable))}
    remaining = [row for row in rows if row.pk not in against]
    against |= dropped_out_of_campaigns([row for row in remaining if row.plan_id in plans_of_campaigns])
    remaining = [row for row in remaining if row.pk not in against]
    against |= _locked(remaining, known, now)
    remaining = [row for row in remaining if row.pk not in against]
    against |= _last_copies(remaining)
    remaining = [row for row in remaining if row.pk not in against]
    against |= _without_grounds(remaining, now)
    remaining = [row for row in remaining if row.pk not in against]

    files = files_of_block_replicas([row.block_replica_key for row in remaining])
    nameless = {
        row.pk: reason for row in remaining if (reason := _nameless(known[row.block_replica_key], files[row.block_replica_key]))
    }
    begun = begun_among([row for row in rows if row.pk in against])
    return Rechecked(
        files={row.pk: files[row.block_replica_key] for row in remaining if row.pk not in nameless},
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


def _changed(row: Deletion, found: BlockReplicaRow | None, executable: set[int]) -> str:
    if row.plan_id not in executable:
        return f"plan {row.plan_id} is not released any more"
    if found is None or (found.site, found.dataset, found.block) != (row.site_name, row.dataset_name, row.block_name):
        return "not in the inventory any more"
    if (found.group or NOBODY) != row.group_name:
        return f"owner changed from {row.group_name} to {found.group or NOBODY}"
    if (found.size_bytes, found.num_files) != (row.size_bytes, row.num_files):
        return (
            f"changed since the plan: {found.num_files} files and {found.size_bytes} bytes are there, "
            f"planned were {row.num_files} and {row.size_bytes}"
        )
    return ""


def _locked(rows: Sequence[Deletion], known: Mapping[int, BlockReplicaRow], now: datetime) -> dict[int, str]:
    if not rows:
        return {}
    found = [known[row.block_replica_key] for row in rows]
    frame = pl.DataFrame(
        {
            "dataset": [replica.dataset for replica in found],
            "block": [replica.block for replica in found],
            "site": [replica.site for replica in found],
            "group": [replica.group or NOBODY for replica in found],
        },
        schema=dict.fromkeys(("dataset", "block", "site", "group"), pl.String),
    )
    is_locked = locked_rows(frame, now=now).to_list()
    return {row.pk: "locked" for row, locked in zip(rows, is_locked, strict=True) if locked}


def _last_copies(rows: Sequence[Deletion]) -> dict[int, str]:
    """Return the deletions that would take the last copy anywhere; a copy that is itself being deleted does not count.

    What a rule, a campaign or a person allowed by name when the plan was frozen is not asked.
    """
    allowed = items_allowed_as_last_copies([row.plan_item_id for row in rows])
    rows = [row for row in rows if row.plan_item_id not in allowed]
    if not rows:
        return {}
    copies = other_complete_copies([row.block_replica_key for row in rows])
    doomed = _doomed_copies(rows)
    last: dict[int, str] = {}
    for row in rows:
        others = copies.get(row.block_replica_key, 0)
        if others == 0:
            last[row.pk] = "last copy anywhere"
        elif others <= doomed[row.pk]:
            last[row.pk] = "last copy anywhere: the others are being deleted"
    return last


def _without_grounds(rows: Sequence[Deletion], now: datetime) -> dict[int, str]:
    """Return the deletions whose plan no longer stands on what it was decided on, or that a guardrail forbids by now."""
    if not rows:
        return {}
    items = [StandingItem(row.plan_id, row.block_replica_key, row.site_name, row.dataset_name) for row in rows]
    reasons = items_without_grounds(items, lambda: _surroundings(rows), now=now)
    return {row.pk: reasons[row.block_replica_key] for row in rows if row.block_replica_key in reasons}


def _surroundings(rows: Sequence[Deletion]) -> Surroundings:
    """Return what is going or gone of the datasets of *rows*, which are of one site."""
    datasets = {row.dataset_name for row in rows}
    site_name = rows[0].site_name
    own = Q(plan_id__in={row.plan_id for row in rows}, site_name=site_name)
    going = _going(datasets).exclude(own).order_by("pk").values_list("block_replica_key", flat=True)
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
    candidates = going.order_by("pk").values_list("block_replica_key", flat=True)
    counts: Counter[int] = Counter()
    replicas = block_replicas_by_key(list(dict.fromkeys(candidates))).values()
    sites = site_storage({replica.site for replica in replicas})
    for replica in replicas:
        if sites[replica.site].status not in LIVING_STATUSES:
            continue  # was not counted as a copy either
        for row in wanted.get((replica.dataset, replica.block), ()):
            if replica.is_complete and replica.key != row.block_replica_key:
                counts[row.pk] += 1
    return counts


def _nameless(found: BlockReplicaRow, files: Sequence[FileRow]) -> str:
    if len(files) >= found.num_files:
        return ""
    by_name = f"{len(files)} of them" if files else "none"
    return (
        f"the inventory knows {found.num_files} files of this block replica but {by_name} by name: inject the names of its files"
    )
