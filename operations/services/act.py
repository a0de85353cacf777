"""Act: delete the files of a claim from the storage. No transaction is held; written are the heartbeat and what is put aside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from inventory.selectors.replicas import FileRow
from operations.choices import DeletionState, FileOutcome
from operations.constants import BRAKE_MIN_OUTCOMES
from operations.models import Deletion
from operations.services.calls import Keyed, answers_in_calls
from operations.services.claim import Claim
from operations.services.doubt import Doubt
from operations.services.glance import Glance
from operations.services.late_locks import LateLocks
from operations.services.limits import QueueLimits
from operations.services.trash_open import OpenedTrash, trash_open
from operations.services.watch import Clock, Watch
from operations.services.withdrawn import withdrawn
from operations.storage import FileResult, Gateway, ShouldStop


@dataclass(frozen=True, slots=True)
class Acted:
    """What the storage said. ``results``: by deletion, the files that were tried; ``stopped`` says why others were not.

    ``busy``: deletions that were not begun because something else is done with their files now, and what.
    """

    claim: Claim
    results: dict[int, list[FileResult]]
    stopped: str
    busy: Mapping[int, str] = field(default_factory=dict)


def act(claim: Claim, *, gateway: Gateway, clock: Clock, limits: QueueLimits) -> Acted:
    """Delete the files of a claim, or put them aside where that can be, until all are tried, a pause or the end of the lease.

    How the storage is asked, and what becomes of answers that do not fit: ``answers_in_calls``.
    """
    now = clock()
    locks = LateLocks(claim)
    watch = Watch(
        claim.site,
        claim.lease_until,
        clock,
        limits,
        lambda until: _extend(claim, until),
        objection=lambda now: locks.reason(now) or withdrawn(claim, now),
        glance=Glance(claim, now),
    )
    doubt = Doubt(claim)
    aside = trash_open(claim, now=now, limits=limits) if gateway.can_trash else OpenedTrash()
    num_files = {item.deletion_id: len(item.files) for item in claim.items}
    results: dict[int, list[FileResult]] = {item.deletion_id: [] for item in claim.items}
    for is_to_trash in (True, False):
        items = [item for item in claim.items if item.deletion_id not in aside.busy]
        files = (
            (item.deletion_id, file)
            for item in items
            if (item.deletion_id in aside.folders) == is_to_trash
            for file in item.files
        )
        asked = answers_in_calls(
            files,
            partial(_ask, gateway, aside if is_to_trash else None),
            watch=watch,
            outcomes=frozenset(FileOutcome),
            unknown=unknown,
            most_keys=BRAKE_MIN_OUTCOMES,
        )
        for deletion_id, result in asked:
            said = results[deletion_id]
            said.append(result)
            if len(said) == num_files[deletion_id] and doubt.grows(deletion_id, said):
                watch.stop(doubt.reason)
        if watch.reason:
            break
    return Acted(claim, results, watch.reason, aside.busy)


def unknown(lfn: str, message: str) -> FileResult:
    """Return the answer for a file of which nothing is known."""
    return FileResult(lfn, FileOutcome.UNKNOWN, message)


def _extend(claim: Claim, until: datetime) -> bool:
    """Keep the lease of a claim alive; tell whether it is still held for all of it."""
    held = Deletion.objects.filter(lease_token=claim.token, state=DeletionState.ACTING).update(lease_until=until)
    return held == len(claim.items)


def _ask(
    gateway: Gateway, aside: OpenedTrash | None, call: Sequence[Keyed[FileRow]], should_stop: ShouldStop
) -> Sequence[FileResult]:
    if aside is None:
        return gateway.delete([file.lfn for _, file in call], should_stop=should_stop)
    return gateway.trash([aside.place(deletion_id, file) for deletion_id, file in call], should_stop=should_stop)
