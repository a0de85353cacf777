"""Act: delete the files of a claim from the storage. No transaction is held; written are the heartbeat and what is put aside."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from django.db import Error as DatabaseError

from inventory.selectors.replicas import FileRow
from operations.choices import DeletionState, FileOutcome
from operations.constants import MAX_FILES_PER_CALL
from operations.models import Deletion
from operations.services.claim import Claim, ClaimedDeletion
from operations.services.late_locks import LateLocks
from operations.services.limits import QueueLimits
from operations.services.trash_open import OpenedTrash, trash_open
from operations.services.watch import Clock, OneCall, Watch
from operations.storage import FileResult, Gateway

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Acted:
    """What the storage said. ``results``: by deletion, the files that were tried; ``stopped`` says why others were not."""

    claim: Claim
    results: dict[int, list[FileResult]]
    stopped: str


def act(claim: Claim, *, gateway: Gateway, clock: Clock, limits: QueueLimits) -> Acted:
    """Delete the files of a claim, or put them aside where that can be, until all are tried, a pause or the end of the lease.

    A call names at most ``MAX_FILES_PER_CALL`` files.

    An answer that does not fit the question, or an error of the back end, makes the files of that call unknown. Errors of
    the database pass through: then nothing is recorded, the lease runs out and the files are asked for again.
    """
    watch = Watch(
        claim.site, claim.lease_until, clock, limits, lambda until: _extend(claim, until), objection=LateLocks(claim).reason
    )
    aside = trash_open(claim, now=clock(), limits=limits) if gateway.can_trash else OpenedTrash()
    results: dict[int, list[FileResult]] = {item.deletion_id: [] for item in claim.items}
    for item in claim.items:
        if reason := aside.busy.get(item.deletion_id):
            busy = (FileResult(file.lfn, FileOutcome.RETRYABLE, reason, is_untouched=True) for file in item.files)
            results[item.deletion_id].extend(busy)
    for is_to_trash in (True, False):
        items = [item for item in claim.items if item.deletion_id not in aside.busy]
        for call in _calls([item for item in items if (item.deletion_id in aside.folders) == is_to_trash]):
            if watch.should_stop_now():
                break
            for (deletion_id, _), result in _take(gateway, call, watch, aside if is_to_trash else None):
                results[deletion_id].append(result)
            if watch.reason:
                break
    return Acted(claim, results, watch.reason)


def _extend(claim: Claim, until: datetime) -> bool:
    """Keep the lease of a claim alive; tell whether it is still held for all of it."""
    held = Deletion.objects.filter(lease_token=claim.token, state=DeletionState.ACTING).update(lease_until=until)
    return held == len(claim.items)


_Named = tuple[int, FileRow]


def _calls(items: Sequence[ClaimedDeletion]) -> Iterator[list[_Named]]:
    """Yield the files of deletions with their keys, in lists for one call each."""
    named = ((item.deletion_id, file) for item in items for file in item.files)
    while call := list(islice(named, MAX_FILES_PER_CALL)):
        yield call


def _take(
    gateway: Gateway, call: Sequence[_Named], watch: Watch, aside: OpenedTrash | None
) -> Iterator[tuple[_Named, FileResult]]:
    """Delete the files of a call, or put them aside; go on after the time of one call until all are tried or it is to stop."""
    waiting = list(call)
    while waiting:
        calling = watch.for_one_call()
        answers = dict(_ask(gateway, waiting, calling, aside, watch.site_name))
        yield from ((named, answers[named]) for named in waiting if named in answers)
        left = [named for named in waiting if named not in answers]
        if left and not watch.reason and (not calling.is_time_over or len(left) == len(waiting)):
            silent = "the storage did not answer for this file"
            yield from ((named, FileResult(named[1].lfn, FileOutcome.UNKNOWN, silent)) for named in left)
            return
        waiting = left if not watch.should_stop() else []


def _ask(
    gateway: Gateway, call: Sequence[_Named], calling: OneCall, aside: OpenedTrash | None, site_name: str
) -> Iterator[tuple[_Named, FileResult]]:
    lfns = [file.lfn for _, file in call]
    try:
        if aside is None:
            answers = gateway.delete(lfns, should_stop=calling.should_stop)
        else:
            files = [aside.place(deletion_id, file) for deletion_id, file in call]
            answers = gateway.trash(files, should_stop=calling.should_stop)
    except DatabaseError:
        raise
    except Exception as error:
        # Back ends raise whatever their libraries raise. Nothing is known of these files then, and a person sees it.
        logger.exception("the storage of %s failed", site_name, extra={"site": site_name})
        problem = f"{type(error).__name__}: {error}"
        answers = [FileResult(lfn, FileOutcome.UNKNOWN, problem[:1024]) for lfn in lfns]
    by_name = {answer.lfn: answer for answer in answers}
    is_clean = len(by_name) == len(answers) and by_name.keys() <= set(lfns)
    if not is_clean:
        logger.error("the storage of %s answered what was not asked", site_name, extra={"site": site_name})
    for named in call:
        answer = by_name.get(named[1].lfn)
        if not is_clean:
            yield named, FileResult(named[1].lfn, FileOutcome.UNKNOWN, "the storage's answer does not fit the question")
        elif answer is not None:
            yield named, answer
