"""Work that a worker does while somebody watches: cycles, comparisons, previews, reports. Its row tells how far it is.

Such a row has ``state`` (of `CycleState`), ``stage``, ``heartbeat_at``, ``finished_at`` and ``error``, and ``progress`` where its
part is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Model
from django.utils import timezone

from policies.choices import CycleState

#: Seconds between two notes in the database.
NOTE_EVERY = 1.0

Watched = type[Model]


class Notes:
    """Tells the database what is being done, at most once a second, and that it is alive; nothing once the work is given up.

    *part_done*: of a stage and the share of it that is done, the part of the whole work; without one no part is told.
    """

    def __init__(self, model: Watched, pk: int, part_done: Callable[[str, float], float] | None = None) -> None:
        self._running = model._default_manager.filter(pk=pk, state=CycleState.RUNNING)
        self._part_done = part_done
        self._noted = -NOTE_EVERY
        self._stage = ""

    def __call__(self, stage: str, share: float) -> None:
        moment = time.monotonic()
        if stage == self._stage and moment - self._noted < NOTE_EVERY:
            return
        self._stage, self._noted = stage, moment
        told = {} if self._part_done is None else {"progress": self._part_done(stage, share)}
        self._running.update(stage=stage[:128], heartbeat_at=timezone.now(), **told)


def watched_fail(model: Watched, pk: int, message: str) -> bool:
    """Note why running work ended without a result; return False where it was over already."""
    running = model._default_manager.filter(pk=pk, state=CycleState.RUNNING)
    return bool(running.update(state=CycleState.FAILED, finished_at=timezone.now(), error=message))


def watched_sweep(model: Watched, *, now: datetime, again: str, fail: Callable[[int, str], bool] | None = None) -> list[int]:
    """Fail the running work that gave no sign of life for longer than the limit of cycles, and return the keys.

    *again*: what to do now; *fail* in the place of `watched_fail`.
    """
    limit = timedelta(minutes=settings.DYNAMO_CYCLE_MAX_SILENCE_MINUTES)
    silent = model._default_manager.filter(state=CycleState.RUNNING, heartbeat_at__lt=now - limit).order_by("pk")
    message = f"gave no sign of life for {limit}: its process has died; {again}"
    failed = fail or (lambda pk, text: watched_fail(model, pk, text))
    return [pk for pk in silent.values_list("pk", flat=True) if failed(pk, message)]
