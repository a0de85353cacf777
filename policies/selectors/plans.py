"""Frozen plans as those who carry them out read them."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from policies.choices import PlanAction, PlanKind, PlanState
from policies.models import Plan, PlanItem, PlanItemFile

_DIGEST_FIELDS = (
    "sequence",
    "action",
    "site_name",
    "dataset_name",
    "block_name",
    "block_replica_key",
    "size_bytes",
    "num_files",
    "line",
    "new_owner",
    "owner",
    "may_be_last_copy",
    "files_digest",
    "path",
    "modified_at",
)
_DIGESTED = attrgetter(*_DIGEST_FIELDS)


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One block replica that a plan deletes or hands over, as it was when the plan was frozen.

    ``line``: of the policy, 0 = the default, None for a hand-over and where no text decided; ``new_owner`` is empty unless it
    is one. ``owner``: what the cycle saw, "None" for nobody, empty in plans that were frozen before it was kept.
    ``may_be_last_copy``: it was said by name that it goes even as the last copy. ``files_digest``: empty where the whole goes.
    ``path`` and ``modified_at``: of a file that nobody knows, which has no names, no key and no owner.
    """

    id: int
    plan_id: int
    sequence: int
    action: str
    site_name: str
    dataset_name: str
    block_name: str
    block_replica_key: int | None
    size_bytes: int
    num_files: int
    line: int | None
    rule_text: str
    new_owner: str
    owner: str
    may_be_last_copy: bool
    files_digest: str
    path: str
    modified_at: datetime | None

    @property
    def is_deletion(self) -> bool:
        return self.action == PlanAction.DELETE


_ITEM_FIELDS = tuple(PlannedItem.__dataclass_fields__)


def released_plan_ids() -> list[int]:
    """Return the plans that are released and not done, oldest first."""
    return list(Plan.objects.filter(state=PlanState.RELEASED).order_by("pk").values_list("pk", flat=True))


def plan_items(plan_id: int, *, after_sequence: int = -1, limit: int = 10_000) -> list[PlannedItem]:
    """Return the next items of a plan in the order in which they were decided; empty at the end."""
    rows = PlanItem.objects.filter(plan_id=plan_id, sequence__gt=after_sequence).order_by("sequence")
    return [PlannedItem(*row) for row in rows.values_list(*_ITEM_FIELDS)[:limit]]


def plan_replicas_at(plan_id: int, site_names: Collection[str]) -> dict[int, str]:
    """Return the block replicas that a plan lists at those sites: key -> dataset."""
    items = PlanItem.objects.filter(plan_id=plan_id, site_name__in=list(site_names)).order_by("sequence")
    return {key: name for key, name in items.values_list("block_replica_key", "dataset_name") if key is not None}


def items_allowed_as_last_copies(item_ids: Collection[int]) -> set[int]:
    """Return those items of which it was said by name that they go even as the last copy anywhere."""
    allowed = PlanItem.objects.filter(pk__in=list(item_ids), may_be_last_copy=True)
    return set(allowed.values_list("pk", flat=True))


def executable_plans(plan_ids: Collection[int]) -> set[int]:
    """Return those of *plan_ids* that are released at this moment.

    Inside a transaction the rows stay locked against changes until it ends (on SQLite the transaction excludes other writers
    anyway), so that a plan is not discarded between the answer and the act; readers of the same plan do not wait.
    """
    if connection.vendor == "postgresql" and connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM policies_plan WHERE id = ANY(%s) AND state = %s ORDER BY id FOR SHARE",
                [list(plan_ids), PlanState.RELEASED.value],
            )
            return {row[0] for row in cursor.fetchall()}
    return set(plans_released(plan_ids).values_list("pk", flat=True))


def plans_released(plan_ids: Collection[int]) -> QuerySet[Plan]:
    """Return those of *plan_ids* that are released."""
    return Plan.objects.filter(pk__in=list(plan_ids), state=PlanState.RELEASED)


def plan_digest_matches(plan_id: int) -> bool:
    """Tell whether the items of a plan are still those that were frozen: number, order and content."""
    plan = Plan.objects.get(pk=plan_id)
    rows = PlanItem.objects.filter(plan_id=plan_id).order_by("sequence").values_list(*_DIGEST_FIELDS)
    count, digest = items_digest(rows.iterator(chunk_size=5000))
    return (count, digest) == (plan.num_items, plan.digest) and _files_match(plan_id)


def _files_match(plan_id: int) -> bool:
    """Tell whether the files of items of which not the whole goes are those that were frozen."""
    expected = dict(PlanItem.objects.filter(plan_id=plan_id).exclude(files_digest="").values_list("pk", "files_digest"))
    rows = PlanItemFile.objects.filter(plan_item__plan_id=plan_id).order_by("plan_item_id", "lfn")
    found = {
        item: file_names_digest(lfn for _, lfn in some)
        for item, some in groupby(rows.values_list("plan_item_id", "lfn").iterator(chunk_size=5000), key=lambda row: row[0])
    }
    return found == expected


def file_names_digest(lfns: Iterable[str]) -> str:
    """Return the SHA-256 over names of files, in the order of their UTF-8 bytes, one a line."""
    digest = hashlib.sha256()
    for lfn in sorted(lfn.encode() for lfn in lfns):
        digest.update(lfn + b"\n")
    return digest.hexdigest()


def files_of_items(item_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """Return the files (name and bytes) of those items of which not the whole goes; the others are absent from the result."""
    partial = PlanItem.objects.filter(pk__in=list(item_ids)).exclude(files_digest="").values_list("pk", flat=True)
    found: dict[int, dict[str, int]] = {pk: {} for pk in partial}
    rows = PlanItemFile.objects.filter(plan_item_id__in=list(found)).order_by("plan_item_id", "lfn")
    for item, lfn, size_bytes in rows.values_list("plan_item_id", "lfn", "size_bytes"):
        found[item][lfn] = size_bytes
    return found


def items_with_other_files(found: Mapping[int, Collection[str]]) -> set[int]:
    """Return those items of which *found*, the files that are named now, are not those that were frozen."""
    if not found:
        return set()
    frozen = PlanItem.objects.filter(pk__in=list(found)).values_list("pk", "files_digest")
    return {pk for pk, digest in frozen if file_names_digest(found[pk]) != digest}


def times_of_paths(item_ids: Collection[int]) -> dict[int, datetime]:
    """Return when the files of those items were last changed that nobody knows, as they were seen."""
    rows = PlanItem.objects.filter(pk__in=list(item_ids), modified_at__isnull=False).order_by("pk")
    return {pk: moment for pk, moment in rows.values_list("pk", "modified_at") if moment is not None}


@dataclass(frozen=True, slots=True)
class TouchingPlan:
    """A plan that is not over and lists some of the block replicas that were asked for."""

    plan_id: int
    kind: str
    title: str
    state: str
    num_items: int


def open_plans_touching(*, datasets: Collection[str], keys: Collection[int]) -> list[TouchingPlan]:
    """Return the plans that are not over and would delete some of these block replicas (*keys*, of *datasets*), oldest first."""
    is_open = (PlanState.FROZEN, PlanState.HELD, PlanState.RELEASED)
    counts: Counter[int] = Counter()
    wanted = set(keys)
    names = sorted(datasets)
    for start in range(0, len(names), 500):
        items = PlanItem.objects.filter(dataset_name__in=names[start : start + 500], plan__state__in=is_open)
        rows = items.filter(action=PlanAction.DELETE).order_by().values_list("plan_id", "block_replica_key")
        counts.update(plan_id for plan_id, key in rows.iterator(chunk_size=5000) if key in wanted)
    plans = Plan.objects.filter(pk__in=list(counts)).order_by("pk").values_list("pk", "kind", "title", "state")
    return [TouchingPlan(pk, kind, title, state, counts[pk]) for pk, kind, title, state in plans]


def items_digest(rows: Iterable[tuple[Any, ...]]) -> tuple[int, str]:
    """Return number and SHA-256 of items in order, one JSON array per line with the fields that may never change.

    Each row has the fields of `digest_row`; owner, ``may_be_last_copy``, ``files_digest``, path and ``modified_at`` last.
    """
    digest = hashlib.sha256()
    count = 0
    for *fields, owner, may_be_last_copy, files_digest, path, modified_at in rows:
        # Each is left out where it says nothing: plans that were frozen before it was kept have a digest without it.
        row = [*fields, owner] if owner else fields
        if may_be_last_copy:
            row = [*row, "may be the last copy"]
        if files_digest:
            row = [*row, "files", files_digest]
        if path:
            row = [*row, "path", path, modified_at.astimezone(UTC).isoformat()]
        digest.update(json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode("ascii") + b"\n")
        count += 1
    return count, digest.hexdigest()


def digest_row(item: Any) -> tuple[Any, ...]:
    """Return what `items_digest` takes of *item*, which has the attributes of a ``PlanItem``."""
    return _DIGESTED(item)


def partition_superseded_in(plan_id: int) -> int | None:
    """Return the partition whose newer plans take the place of this one; None for a plan that no cycle made.

    What a campaign, a request or a person decided stands until somebody withdraws it, whatever a policy decides meanwhile.
    """
    plan = Plan.objects.get(pk=plan_id)
    return plan.partition_id if plan.kind == PlanKind.CYCLE else None


def open_plans(partition_id: int) -> list[Plan]:
    """Return the plans of a partition's cycles that may still delete something: held or released, oldest first."""
    is_open = (PlanState.HELD, PlanState.RELEASED)
    return list(Plan.objects.filter(kind=PlanKind.CYCLE, partition_id=partition_id, state__in=is_open).order_by("pk"))
