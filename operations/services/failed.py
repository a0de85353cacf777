"""What a person does about deletions that failed: try them again, or let them go."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from django.db import transaction
from django.utils import timezone

from inventory.services.audit import Actor, audit_record
from operations.choices import DeletionState
from operations.exceptions import InvalidTransitionError, NotFoundError
from operations.models import Deletion, SiteHealth
from operations.services.bulk import rows_update
from operations.services.rights import demand_right
from operations.services.trash_keeping import trash_give_back

_BATCH = 1000
_Item = TypeVar("_Item")


def deletions_retry(*, deletion_ids: Sequence[int], actor: Actor, reason: str) -> int:
    """Put failed deletions back into the queue, and end the back-off of their sites. Return how many.

    The re-check before they are acted on is the same as ever.

    Raises ``PermissionDenied`` without the right ``operations.change_deletion``, ``NotFoundError`` for an unknown one,
    ``InvalidTransitionError`` unless all have failed: then nothing is changed.
    """
    with transaction.atomic():
        rows = _locked_failed(deletion_ids, actor)
        for row in rows:
            row.state = DeletionState.QUEUED
            row.not_before = None
            row.reason = f"to be tried again, said {actor.name}: {reason}"[:1024]
        _write(rows, ["state", "not_before", "reason"])
        # Whoever says so has looked: the site need not be left alone for up to an hour more. A next failure waits as ever.
        SiteHealth.objects.filter(site_name__in={row.site_name for row in rows}).update(back_off_until=None)
        _audit("operations.deletions_retried", rows, actor, reason)
    return len(rows)


def deletions_drop(*, deletion_ids: Sequence[int], actor: Actor, reason: str) -> int:
    """Give up failed deletions: what they put aside comes back, what they deleted is for a scan to find. Return how many.

    Raises ``PermissionDenied`` without the right ``operations.change_deletion``, ``NotFoundError`` for an unknown one,
    ``InvalidTransitionError`` unless all have failed: then nothing is changed.
    """
    now = timezone.now()
    with transaction.atomic():
        rows = _locked_failed(deletion_ids, actor)
        for row in rows:
            row.reason = f"given up by {actor.name}: {reason}; it had failed: {row.reason}"[:1024]
            row.state = DeletionState.DROPPED
            row.finished_at = now
        _write(rows, ["state", "finished_at", "reason"])
        _audit("operations.deletions_given_up", rows, actor, reason)
        trash_give_back([row.pk for row in rows], actor=actor, reason=f"the deletion was given up: {reason}")
    return len(rows)


def _locked_failed(deletion_ids: Sequence[int], actor: Actor) -> list[Deletion]:
    wanted = sorted(set(deletion_ids))
    locking = Deletion.objects.select_for_update(no_key=True, of=("self",)).order_by("pk")
    rows = [row for some in _portions(wanted) for row in locking.filter(pk__in=some)]
    demand_right(actor, "operations.change_deletion", "decide on failed deletions")
    missing = set(wanted) - {row.pk for row in rows}
    if missing:
        raise NotFoundError(f"there is no deletion {', '.join(str(pk) for pk in sorted(missing)[:10])}")
    for row in rows:
        if row.state != DeletionState.FAILED:
            raise InvalidTransitionError(f"deletion {row.pk} is {row.get_state_display()}: only failed ones wait for a decision")
    return rows


def _write(rows: Sequence[Deletion], fields: Sequence[str]) -> None:
    for some in _portions(rows):
        rows_update(some, fields)


def _portions(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    """Yield the items a thousand at a time: a statement takes only so many values, and a site may have failed as a whole."""
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def _audit(action: str, rows: Sequence[Deletion], actor: Actor, reason: str) -> None:
    if rows:
        plans = sorted({row.plan_id for row in rows})
        audit_record(
            actor=actor,
            action=action,
            subject=f"plan {', '.join(str(plan) for plan in plans)}"[:640],
            reason=reason,
            details={"deletions": [row.pk for row in rows[:1000]], "number": len(rows)},
        )
