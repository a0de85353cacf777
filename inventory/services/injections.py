"""Injections: documents into the inventory, one transaction each, with a record of what they did."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import IO

from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from inventory.choices import FactFeedName, InjectionState
from inventory.exceptions import IngestError, InjectionCancelledError
from inventory.ingest.documents import MAX_RECORD_BYTES, open_document
from inventory.ingest.gone import register_record
from inventory.ingest.loader import Loader, known_sections
from inventory.ingest.rejects import Problem, Reject
from inventory.ingest.results import LoadResult, Progress
from inventory.ingest.sections import Change, SectionHandler, register_section
from inventory.models import Injection
from inventory.selectors.locks_in_force import locks_in_force
from inventory.selectors.wording import plural
from inventory.services.audit import Actor, audit_record
from inventory.services.injection_rights import account_of, lacks_of
from inventory.services.injection_rows import also_recorded, cause, fail, finish, is_dead, show_life, tail, take_turn
from inventory.services.under_way import too_late_for
from inventory.signals import injection_queued

logger = logging.getLogger(__name__)

__all__ = [
    "Change",
    "InjectionReport",
    "Problem",
    "Progress",
    "Reject",
    "SectionHandler",
    "inject",
    "register_record",
    "register_section",
]

#: Rows per batch: what is held in memory at once, some hundred bytes each.
BATCH_SIZE = 20_000

#: Source of locks that documents bring.
INJECTED_LOCKS = "inject"

#: Block replicas named in the audit event of an injection whose locks come too late for them.
_LATE_SHOWN = 100

#: From its row to its transaction an injection takes moments; a row that is older and holds no transaction is of a dead one.
_TIME_TO_BEGIN = timedelta(minutes=1)
#: After this time in the queue a worker is told again.
_PATIENCE = timedelta(minutes=2)
_DIED = "its process has died; nothing of the document was kept: inject it again"
_DIED_HALF_WAY = "its process has died; the parts before stay: go on by the same command, or by POST injections/{id}/resume/"
#: So many workers may die of the same part of a document before a person must look.
_DEATHS_OF_A_PART = 3
#: A part takes minutes at most.
_TIME_FOR_A_PART = timedelta(hours=1)
_SWEEPER = Actor(name="sweeper")


@dataclass(frozen=True, slots=True)
class InjectionReport:
    """What an injection did; ``is_kept`` is False if nothing was: a dry run, or rejects that were not to be skipped.

    Of one that keeps its parts: ``records_before`` had been kept when it went on, and now ``records_kept``, even if not all are.
    """

    source: str
    injection_id: int | None
    is_kept: bool
    is_dry_run: bool
    num_records: int
    counts: dict[str, dict[str, int]]
    num_changes: int
    rejects: tuple[Reject, ...]
    num_rejects: int
    feed_measured_at: datetime | None
    feeds: tuple[str, ...]
    older_feeds: tuple[str, ...]
    seconds: float
    records_before: int = 0
    records_kept: int = 0

    @classmethod
    def of(
        cls,
        result: LoadResult,
        *,
        source: str,
        injection: Injection | None,
        is_kept: bool,
        started: float,
        is_dry_run: bool = False,
        records_before: int = 0,
        records_kept: int = 0,
    ) -> InjectionReport:
        """Return the report of what was loaded since *started*, a reading of the monotonic clock."""
        return cls(
            source=source,
            injection_id=None if injection is None else injection.pk,
            is_kept=is_kept,
            is_dry_run=is_dry_run,
            num_records=result.num_records,
            counts=result.counts.as_json(),
            num_changes=result.counts.changes,
            rejects=tuple(result.rejects),
            num_rejects=result.num_rejects,
            feed_measured_at=result.feed_measured_at,
            feeds=tuple(result.feeds),
            older_feeds=tuple(result.older_feeds),
            seconds=time.monotonic() - started,
            records_before=records_before,
            records_kept=records_kept,
        )


def inject(
    *,
    source: str,
    actor: Actor,
    now: datetime | None = None,
    stream: IO[bytes] | None = None,
    length: int | None = None,
    injection: Injection | None = None,
    bad_records: IO[bytes] | None = None,
    dry_run: bool = False,
    brings_back: bool = False,
    feeds: Collection[str] | None = None,
    feed_source: str | None = None,
    batch_size: int = BATCH_SIZE,
    max_record_bytes: int = MAX_RECORD_BYTES,
    on_progress: Callable[[Progress], None] | None = None,
) -> InjectionReport:
    """Bring the document at *source* (a path, or ``-``) into the inventory: all of it, or nothing.

    Or *stream*, of *length* bytes if that is known, which *source* then only names. *injection* is the row to keep account in;
    without it a new one (none for a dry run). *feeds* and *feed_source* are what the document may also say in its ``meta``.
    Unless it *brings_back*, block replicas that were deleted after ``meta.now`` are refused.

    With *bad_records*, records that are wrong are left out and written there; all others are taken. *now* is the
    time of what the document gives no time for (default: the clock). A dry run does all the work and takes it back.
    Records are bad that ask for what *actor* has no right to by hand: sites and quotas.
    On PostgreSQL injections take turns. Raises ``IngestError`` if the document or the database fails half-way: then
    nothing was kept.
    """
    started = time.monotonic()
    if injection is None and not dry_run:
        injection = Injection.objects.create(source=tail(source), started_by=actor.name, user_id=account_of(actor))
    wanted = _Wanted(
        source=source,
        stream=stream,
        length=length,
        now=now or timezone.now(),
        bad_records=bad_records,
        is_dry_run=dry_run,
        brings_back=brings_back,
        feeds=feeds,
        feed_source=feed_source,
        batch_size=batch_size,
        max_record_bytes=max_record_bytes,
        on_progress=also_recorded(injection, on_progress),
    )
    try:
        result, is_kept = _load(injection, actor=actor, wanted=wanted)
    except InjectionCancelledError as error:
        fail(injection, str(error), InjectionState.CANCELLED)
        raise
    except IngestError as error:
        fail(injection, str(error))
        raise
    except (DatabaseError, OSError) as error:
        message = f"{source}: {cause(error)}; nothing of the document was kept: mend the cause, then inject it again"
        fail(injection, message)
        raise IngestError(message) from error
    except KeyboardInterrupt:
        fail(injection, "interrupted; nothing was kept")
        raise
    if injection is not None and not is_kept:
        is_fine = dry_run and (not result.num_rejects or bad_records is not None)
        message = "" if is_fine else f"{rejected_text(result.num_rejects)}; nothing was kept"
        finish(injection, result, InjectionState.COMPLETED if is_fine else InjectionState.FAILED, message)
    return InjectionReport.of(result, source=source, injection=injection, is_kept=is_kept, is_dry_run=dry_run, started=started)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What `inject` was asked for."""

    source: str
    stream: IO[bytes] | None
    length: int | None
    now: datetime
    bad_records: IO[bytes] | None
    is_dry_run: bool
    brings_back: bool
    feeds: Collection[str] | None
    feed_source: str | None
    batch_size: int
    max_record_bytes: int
    on_progress: Callable[[Progress], None] | None


def _load(injection: Injection | None, *, actor: Actor, wanted: _Wanted) -> tuple[LoadResult, bool]:
    """Load in one transaction; return the result and whether it was kept."""
    unknown = sorted(set(wanted.feeds or ()) - set(FactFeedName.values))
    if unknown:
        raise IngestError(f"feeds: found {unknown[0]!r}, expected some of {', '.join(FactFeedName.values)}")
    opened = open_document(
        wanted.source,
        known_sections=known_sections(),
        max_record_bytes=wanted.max_record_bytes,
        stream=wanted.stream,
        length=wanted.length,
    )
    with opened as reader, transaction.atomic():
        if injection is not None:
            show_life(injection.pk)
        take_turn()
        loader = Loader(
            source=wanted.source,
            now=wanted.now,
            clock=timezone.now(),
            batch_size=wanted.batch_size,
            lacks=lacks_of(actor),
            bad_records=wanted.bad_records,
            brings_back=wanted.brings_back,
            feeds=wanted.feeds,
            feed_source=wanted.feed_source,
            on_progress=wanted.on_progress,
        )
        result = loader.load(reader)
        if injection is None or wanted.is_dry_run or (result.num_rejects and wanted.bad_records is None):
            transaction.set_rollback(True)
            return result, False
        if wanted.bad_records is not None:
            wanted.bad_records.flush()
        finish(injection, result, InjectionState.COMPLETED, "")
        details = {"injection": injection.pk, "counts": result.counts.as_json(), "rejects": result.num_rejects}
        details |= {"brings_back": True} if wanted.brings_back else {}
        audit_record(
            actor=actor,
            action="inventory.inject",
            subject=tail(wanted.source),
            details=details | late_details(result, wanted.now),
        )
    return result, True


def injections_sweep(*, now: datetime) -> list[int]:
    """Fail the running injections whose process has died, and return them: the database has taken back what they had done.

    Documents that were sent to be kept part by part wait for a worker again, which goes on where they were.

    A running injection is in a transaction from its first second to its end. On PostgreSQL it holds a lock of its own there,
    which goes with its connection; on SQLite it is the one writer, so that whoever may write knows that there is none.
    Wakes a worker again for what has waited long: its message may be lost.
    """
    died: dict[int, str] = {}
    silent = Injection.objects.filter(state=InjectionState.RUNNING, started_at__lt=now - _TIME_TO_BEGIN).order_by("pk")
    # One that keeps its parts is between two transactions now and then, where on SQLite nothing shows that it lives.
    patience = _TIME_TO_BEGIN if connection.vendor == "postgresql" else _TIME_FOR_A_PART
    silent = silent.exclude(kept_at__gte=now - patience)
    for pk, kept in list(silent.values_list("pk", "records_kept")):
        with transaction.atomic():
            if not is_dead(pk):
                continue
            injection = Injection.objects.select_for_update().filter(pk=pk, state=InjectionState.RUNNING).first()
            if injection is None or injection.records_kept != kept:
                continue
            goes_on = _goes_on(injection)
            if goes_on:
                injection.state, injection.error = (
                    InjectionState.QUEUED,
                    f"its process has died; it goes on after {plural(kept, 'record')}",
                )
                transaction.on_commit(partial(injection_queued.send, sender=Injection, injection_id=pk))
            else:
                injection.state, injection.finished_at = InjectionState.FAILED, now
                injection.error = _DIED_HALF_WAY if kept else _DIED
            injection.save(update_fields=["state", "finished_at", "error", "resume_with"])
            audit_record(
                actor=_SWEEPER,
                action="inventory.injection_died",
                subject=f"injection {pk}",
                reason=injection.error,
                details={"records_kept": kept, "goes_on": goes_on},
            )
            died[pk] = injection.error
    waiting = Injection.objects.filter(state=InjectionState.QUEUED, started_at__lt=now - _PATIENCE)
    for pk in list(waiting.order_by("pk").values_list("pk", flat=True)):
        injection_queued.send(sender=Injection, injection_id=pk)
    for pk, what in died.items():
        logger.error("injection %s: %s", pk, what, extra={"injection": pk})
    return list(died)


def _goes_on(injection: Injection) -> bool:
    """Tell whether a worker may go on with a document whose worker has died: not where several have died of the same part."""
    if not (injection.is_batch and injection.document):
        return False
    died_at, deaths = injection.resume_with.get("died_at"), injection.resume_with.get("deaths", 0)
    deaths = deaths + 1 if died_at == injection.records_kept else 1
    injection.resume_with |= {"died_at": injection.records_kept, "deaths": deaths}
    return deaths <= _DEATHS_OF_A_PART


def rejected_text(number: int) -> str:
    """Say how many records were rejected."""
    return plural(number, "record was rejected", "records were rejected")


def late_details(result: LoadResult, now: datetime) -> dict[str, object]:
    """Return, for the audit trail, what injected locks come too late for: it is being deleted, and nobody sees a screen."""
    if not result.counts.as_json().get("locks", {}).get("created"):
        return {}
    injected = locks_in_force(now).filter(source=INJECTED_LOCKS).order_by("pk").values_list("pk", flat=True)
    late = too_late_for(list(injected), now=now)
    if late:
        logger.warning("injected locks come too late for %s block replicas that are being deleted", len(late))
    return {"too_late": len(late), "too_late_for": [str(one) for one in late[:_LATE_SHOWN]]} if late else {}
