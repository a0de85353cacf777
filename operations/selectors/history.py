"""Single deletions: what became of a dataset, and one deletion with its attempts and files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import QuerySet

from operations.choices import DeletionState
from operations.models import Attempt, Deletion, DeletionFile


@dataclass(frozen=True, slots=True)
class DeletionRow:
    """One deletion as lists show it; ``line`` and ``rule_text`` say which rule of the policy decided."""

    id: int
    plan_id: int
    site_name: str
    dataset_name: str
    block_name: str
    size_bytes: int
    num_files: int
    state: str
    reason: str
    num_attempts: int
    not_before: datetime | None
    files_deleted: int
    files_absent: int
    bytes_deleted: int
    queued_at: datetime
    finished_at: datetime | None
    line: int | None
    rule_text: str


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try; ``recorded_at`` is None while it runs and for ever if its worker died."""

    number: int
    worker: str
    started_at: datetime
    recorded_at: datetime | None
    outcome: str
    message: str
    files_deleted: int
    files_absent: int
    files_failed: int


@dataclass(frozen=True, slots=True)
class FileOutcomeRow:
    """A file with which something was not plain."""

    lfn: str
    size_bytes: int
    outcome: str
    message: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DeletionStory:
    """One deletion with all its attempts, and the first of its files that were not plain."""

    deletion: DeletionRow
    attempts: tuple[AttemptRow, ...]
    files: tuple[FileOutcomeRow, ...]
    num_files_not_plain: int


@dataclass(frozen=True, slots=True)
class FailedSum:
    """Failed deletions that are to be decided on together."""

    ids: tuple[int, ...]
    site_names: tuple[str, ...]
    num_files: int
    size_bytes: int


_PLAN_ITEM_FIELDS = ("line", "rule_text")
_FIELDS = tuple(f"plan_item__{name}" if name in _PLAN_ITEM_FIELDS else name for name in DeletionRow.__dataclass_fields__)
_ATTEMPT_FIELDS = tuple(AttemptRow.__dataclass_fields__)
_FILE_FIELDS = tuple(FileOutcomeRow.__dataclass_fields__)


def deletion_rows(
    *,
    site_name: str = "",
    state: str = "",
    dataset_name: str = "",
    plan_id: int | None = None,
    before_id: int | None = None,
    is_failing: bool = False,
    limit: int = 50,
) -> list[DeletionRow]:
    """Return deletions, newest first, that fit all that is given; *before_id* leads to the next page.

    *is_failing*: those that failed at least once and are not done, whether they are tried again by themselves or not.
    """
    rows = _fitting(state=state, site_name=site_name, dataset_name=dataset_name, plan_id=plan_id).order_by("-pk")
    if before_id is not None:
        rows = rows.filter(pk__lt=before_id)
    if is_failing:
        rows = rows.filter(state__in=[DeletionState.QUEUED, DeletionState.FAILED], num_attempts__gt=0).exclude(reason="")
    return [DeletionRow(*row) for row in rows.values_list(*_FIELDS)[:limit]]


def failed_deletions(
    *, site_name: str = "", dataset_name: str = "", plan_id: int | None = None, deletion_ids: Sequence[int] | None = None
) -> FailedSum:
    """Return the failed deletions that fit all that is given, and what they are of."""
    rows = _fitting(state=DeletionState.FAILED, site_name=site_name, dataset_name=dataset_name, plan_id=plan_id)
    if deletion_ids is not None:
        rows = rows.filter(pk__in=deletion_ids)
    found = list(rows.order_by("pk").values_list("pk", "site_name", "num_files", "size_bytes"))
    return FailedSum(
        ids=tuple(pk for pk, *_ in found),
        site_names=tuple(sorted({site for _, site, *_ in found})),
        num_files=sum(num_files for *_, num_files, _ in found),
        size_bytes=sum(size for *_, size in found),
    )


def _fitting(*, state: str, site_name: str, dataset_name: str, plan_id: int | None) -> QuerySet[Deletion]:
    """Return the deletions that fit all that is given."""
    given = {"state": state, "site_name": site_name, "dataset_name": dataset_name, "plan_id": plan_id}
    return Deletion.objects.filter(**{name: value for name, value in given.items() if value not in {"", None}})


def deletion_story(deletion_id: int, *, max_files: int = 1000) -> DeletionStory | None:
    """Return one deletion with its attempts and at most *max_files* of the files that were not plain; None if there is none."""
    row = Deletion.objects.filter(pk=deletion_id).values_list(*_FIELDS).first()
    if row is None:
        return None
    attempts = Attempt.objects.filter(deletion_id=deletion_id).order_by("number").values_list(*_ATTEMPT_FIELDS)
    files = DeletionFile.objects.filter(deletion_id=deletion_id).order_by("lfn")
    return DeletionStory(
        deletion=DeletionRow(*row),
        attempts=tuple(AttemptRow(*attempt) for attempt in attempts),
        files=tuple(FileOutcomeRow(*file) for file in files.values_list(*_FILE_FIELDS)[:max_files]),
        num_files_not_plain=files.count(),
    )
