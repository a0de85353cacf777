"""Documents that are kept part by part: stopped anywhere and started again, the inventory becomes what one go makes it.

Each part is a transaction of its own, and the row of the injection says in the same transaction how many records have been read
for it. Whoever goes on passes these by. Facts and locks come last, all at once. Until then the inventory is half loaded: nothing
is deleted on its account (see `inventory_standing`).
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import IO, Any

from django.core.files.storage import default_storage
from django.db import DatabaseError, transaction
from django.utils import timezone

from inventory.choices import InjectionState
from inventory.exceptions import IngestError, InjectionCancelledError, InvalidTransition, NotFound
from inventory.ingest.documents import MAX_RECORD_BYTES, DocumentReader, open_document
from inventory.ingest.late_facts import LateFacts
from inventory.ingest.loader import Loader, known_sections
from inventory.ingest.portions import Portion
from inventory.ingest.rejects import Reject
from inventory.ingest.results import LoadResult, Progress
from inventory.models import Injection
from inventory.models.injections import HALF_LOADED
from inventory.selectors.wording import plural
from inventory.services.audit import Actor, audit_record
from inventory.services.injection_rights import account_of, demand_own, lacks_of
from inventory.services.injection_rows import (
    also_recorded,
    cause,
    fail,
    finish,
    life_of_many_transactions,
    rejects_kept,
    tail,
    take_turn,
)
from inventory.services.injections import BATCH_SIZE, InjectionReport, late_details, rejected_text

#: Portions of a part: what is done again at most after a stop.
PORTIONS_PER_PART = 10


@dataclass(frozen=True, slots=True)
class _Told:
    """What must be told again to go on."""

    brings_back: bool
    skips_bad: bool
    feeds: list[str] | None
    feed_source: str | None


class _Rejected(Exception):
    """Records of a part were rejected, and the others are not to be taken without them."""


def inject_by_parts(
    *,
    source: str,
    actor: Actor,
    now: datetime | None = None,
    bad_records: Path | None = None,
    brings_back: bool = False,
    feeds: Collection[str] | None = None,
    feed_source: str | None = None,
    stream: IO[bytes] | None = None,
    injection: Injection | None = None,
    batch_size: int = BATCH_SIZE,
    max_record_bytes: int = MAX_RECORD_BYTES,
    on_progress: Callable[[Progress], None] | None = None,
) -> InjectionReport:
    """Bring the file at *source* into the inventory part by part, or go on where the same file was left.

    Or *stream*, the document that was sent with *injection*, which says how far it is.

    With *bad_records*, records that are wrong are left out and written to this file, which must not exist unless it is gone on
    with. Without, the first part with one is the last: what was kept before stays. Everything else is as for `inject`. Raises
    ``IngestError``; what was kept before stays then, too.
    """
    started = time.monotonic()
    told = _Told(brings_back, bad_records is not None, None if feeds is None else sorted(set(feeds)), feed_source)
    if injection is None:
        injection = _begun(source, actor=actor, told=told, now=now or timezone.now())
    before = injection.records_kept
    with ExitStack() as stack:
        if not stack.enter_context(life_of_many_transactions(injection.pk)):
            raise IngestError(f"{source}: injection {injection.pk} of the same document runs: wait for its end, or stop it first")
        _claim(injection, before)
        try:
            bad = None if bad_records is None else stack.enter_context(_opened_bad(bad_records, injection))
            reader = stack.enter_context(
                open_document(
                    source,
                    known_sections=known_sections(),
                    max_record_bytes=max_record_bytes,
                    stream=stream,
                    length=injection.length_bytes,
                )
            )
            loader = Loader(
                source=source,
                now=datetime.fromisoformat(injection.resume_with["now"]),
                clock=timezone.now(),
                batch_size=batch_size,
                lacks=lacks_of(actor),
                bad_records=bad,
                brings_back=brings_back,
                feeds=feeds,
                feed_source=feed_source,
                on_progress=also_recorded(injection, on_progress),
                result=_result_so_far(injection),
            )
            is_kept = _Parts(injection, loader, reader, bad, actor).take()
        except (IngestError, InjectionCancelledError) as error:
            fail(injection, f"{error}; {kept_text(injection)}")
            raise IngestError(f"{str(error).replace('; nothing was kept', '')}; {kept_text(injection)}") from error
        except (DatabaseError, OSError) as error:
            message = f"{source}: {cause(error)}; {kept_text(injection)}"
            fail(injection, message)
            raise IngestError(message) from error
        except KeyboardInterrupt:
            fail(injection, f"interrupted; {kept_text(injection)}")
            raise
    return InjectionReport.of(
        loader.result,
        source=source,
        injection=injection,
        is_kept=is_kept,
        started=started,
        records_before=before,
        records_kept=injection.records_kept,
    )


@transaction.atomic
def injection_give_up(*, injection_id: int, actor: Actor, reason: str) -> Injection:
    """Leave a document half loaded for good: what is there counts as the inventory from now on.

    Raises ``NotFound``, ``InvalidTransition`` for one that is not half loaded or still runs, and ``PermissionDenied`` for who
    may not (see `demand_own`).
    """
    injection = Injection.objects.select_for_update().filter(pk=injection_id).first()
    if injection is None:
        raise NotFound(f"there is no injection {injection_id}")
    demand_own(actor, injection)
    if not injection.is_batch or injection.state != InjectionState.FAILED:
        raise InvalidTransition(
            f"injection {injection_id} is {injection.get_state_display()}: only one that was left half-way can"
        )
    left, injection.document = injection.document, ""
    injection.state = InjectionState.CANCELLED
    injection.error = f"given up by {actor.name}; {injection.records_kept:,} of its records were read for what is kept"
    injection.save(update_fields=["state", "error", "document"])
    if left:
        transaction.on_commit(lambda: default_storage.delete(left))
    details = {"records_kept": injection.records_kept, "counts": injection.counts}
    audit_record(
        actor=actor, action="inventory.injection_give_up", subject=f"injection {injection_id}", reason=reason, details=details
    )
    return injection


def resume_values(*, now: datetime, brings_back: bool, skips_bad: bool) -> dict[str, Any]:
    """Return what the row of a document keeps that was sent to be loaded part by part."""
    return {"now": now.isoformat(), **asdict(_Told(brings_back, skips_bad, feeds=None, feed_source=None))}


def _begun(source: str, *, actor: Actor, told: _Told, now: datetime) -> Injection:
    """Return the injection of the same file that was left half-way, or a new one. Raises ``IngestError``."""
    fingerprint = _fingerprint(source)
    # What was sent to be loaded by a worker is gone on with where it was sent.
    left = Injection.objects.filter(fingerprint=fingerprint, state__in=HALF_LOADED, document="")
    found = left.order_by("-pk").first()
    options = asdict(told)
    if found is None:
        return Injection.objects.create(
            # With its folder: an injection takes the place of what was left of the same file, not of one of the same name.
            source=tail(str(Path(source).resolve())),
            started_by=actor.name,
            user_id=account_of(actor),
            fingerprint=fingerprint,
            skips_bad=told.skips_bad,
            brings_back=told.brings_back,
            resume_with={"now": now.isoformat(), **options},
            kept_at=timezone.now(),
        )
    other = [name for name, value in options.items() if found.records_kept and found.resume_with.get(name) != value]
    if told.skips_bad and not found.skips_bad:  # none was left out so far, so that the file begins here
        other = [name for name in other if name != "skips_bad"]
        found.resume_with |= {"skips_bad": True}
    if other:
        raise IngestError(
            f"{source}: injection {found.pk} left this document half-way with {other[0]} = {found.resume_with.get(other[0])!r}: "
            f"go on with the same options, or give it up by inject --give-up {found.pk}"
        )
    if not found.records_kept:
        found.resume_with = {"now": now.isoformat(), **options}
    return found


def _claim(injection: Injection, before: int) -> None:
    """Say that the injection runs (again). Raises ``IngestError`` if another process has gone on with it meanwhile."""
    injection.state = InjectionState.RUNNING
    injection.kept_at = timezone.now()
    changed = Injection.objects.filter(pk=injection.pk, state__in=HALF_LOADED, records_kept=before).update(
        state=injection.state,
        error="",
        cancelled_by="",
        finished_at=None,
        kept_at=injection.kept_at,
        skips_bad=injection.resume_with["skips_bad"],
        brings_back=injection.resume_with["brings_back"],
        resume_with=injection.resume_with,
    )
    if not changed:
        raise IngestError(f"injection {injection.pk} is not what it was a moment ago: look at it, then try again")


@dataclass(slots=True)
class _Parts:
    """The parts of one document, one after another."""

    injection: Injection
    loader: Loader
    reader: DocumentReader
    bad: IO[bytes] | None
    actor: Actor

    def take(self) -> bool:
        """Take the parts that are left, then the facts; False if records were rejected that were not to be left out."""
        with LateFacts() as late:
            portions = self.loader.portions(self.reader, skip=self.injection.records_kept, late=late)
            try:
                while self._part(islice(portions, PORTIONS_PER_PART)):
                    pass
                with transaction.atomic():
                    take_turn()
                    self.loader.take(self.loader.portions(late), self.reader)
                    self._demand_no_rejects()
                    self.loader.finish(self.reader)
                    self._complete()
            except _Rejected:
                result = self.loader.result
                rejects = {"rejects": rejects_kept(result), "num_rejects": result.num_rejects}
                Injection.objects.filter(pk=self.injection.pk).update(**rejects)
                fail(self.injection, f"{rejected_text(self.loader.result.num_rejects)}; {kept_text(self.injection)}")
                return False
        return True

    def _part(self, portions: Iterator[Portion]) -> bool:
        """Take one part and note how far it goes; False at the end. Raises ``_Rejected``; then nothing of it was kept."""
        with transaction.atomic():
            take_turn()
            end = self.loader.take(portions, self.reader)
            if not end:
                return False
            self._demand_no_rejects()
            result = self.loader.result
            self._note(
                records_kept=end,
                num_records=result.num_records,
                counts=result.counts.as_json(),
                rejects=rejects_kept(result),
                num_rejects=result.num_rejects,
                resume_with=self.injection.resume_with | ({} if self.bad is None else {"bad_bytes": _kept_bytes(self.bad)}),
            )
            if not self.injection.records_kept:
                details = {"injection": self.injection.pk}
                audit_record(actor=self.actor, action="inventory.inject_begin", subject=self.injection.source, details=details)
        self.injection.records_kept = end
        return True

    def _note(self, **fields: Any) -> None:
        """Write how far the injection is, if it is still this process's. Raises ``IngestError``."""
        injection = self.injection
        row = Injection.objects.filter(pk=injection.pk, state=InjectionState.RUNNING, records_kept=injection.records_kept)
        if not row.update(kept_at=timezone.now(), **fields):
            raise IngestError(f"injection {injection.pk} was given up, or another process goes on with it")

    def _complete(self) -> None:
        _kept_bytes(self.bad)
        self._note()
        injection, result = self.injection, self.loader.result
        finish(injection, result, InjectionState.COMPLETED, "")
        replaced = self._replaced()
        details: dict[str, Any] = {"injection": injection.pk, "counts": result.counts.as_json(), "rejects": result.num_rejects}
        details |= {"brings_back": True} if injection.brings_back else {}
        details |= {"took_the_place_of": replaced} if replaced else {}
        details |= late_details(result, timezone.now())
        audit_record(actor=self.actor, action="inventory.inject", subject=injection.source, details=details)

    def _replaced(self) -> list[int]:
        """Cancel what was left of the same file before it was mended, and return it.

        The name of a document that was sent says too little for that: who sent one that is left half-way gives it up.
        """
        if self.injection.document:
            return []
        left = Injection.objects.filter(source=self.injection.source, state=InjectionState.FAILED, document="")
        left = left.exclude(fingerprint="")
        replaced = list(left.order_by("pk").values_list("pk", flat=True))
        left.update(state=InjectionState.CANCELLED, error=f"injection {self.injection.pk} of the same source took its place")
        return replaced

    def _demand_no_rejects(self) -> None:
        if self.loader.result.num_rejects and self.bad is None:
            raise _Rejected


def kept_text(injection: Injection) -> str:
    """Say what is kept of an injection that stopped, and what to do."""
    if not injection.records_kept:
        return "nothing of the document was kept: mend the cause, then inject it again"
    how = f"POST injections/{injection.pk}/resume/ (or give-up/)" if injection.document else "the same command"
    return (
        f"what its first {plural(injection.records_kept, 'record says', 'records say')} was kept, and nothing is deleted "
        f"until the rest is there: mend the cause, then go on by {how}"
    )


def _result_so_far(injection: Injection) -> LoadResult:
    # What stopped it is read again; only what was left out before stays so.
    is_left_out = injection.records_kept > 0 and injection.skips_bad
    result = LoadResult(num_records=injection.records_kept, num_rejects=injection.num_rejects if is_left_out else 0)
    if is_left_out:
        result.rejects = [Reject(**reject) for reject in injection.rejects]
    if injection.records_kept:
        for table, counts in injection.counts.items():
            for what, number in counts.items():
                result.counts.add(table, what, number)
    return result


@contextmanager
def _opened_bad(path: Path, injection: Injection) -> Iterator[IO[bytes]]:
    """Open a new file of bad records, or cut the one that is gone on with back to what belongs to the records that are kept."""
    try:
        if not injection.records_kept or "bad_bytes" not in injection.resume_with:
            with path.open("xb") as new:
                yield new
            return
        with path.open("r+b") as known:
            known.truncate(injection.resume_with["bad_bytes"])
            known.seek(0, os.SEEK_END)
            yield known
    except FileExistsError as error:
        raise IngestError(f"--skip-bad {path} exists: name a file that does not exist yet") from error
    except FileNotFoundError as error:
        raise IngestError(f"--skip-bad {path} does not exist, but bad records of the first part were written to it") from error


def _kept_bytes(bad: IO[bytes] | None) -> int:
    """Return how long the file of bad records is, when all of it is on the disk."""
    if bad is None:
        return 0
    bad.flush()
    os.fsync(bad.fileno())
    return bad.tell()


def _fingerprint(source: str) -> str:
    try:
        with Path(source).open("rb") as document:
            return hashlib.file_digest(document, "sha256").hexdigest()
    except OSError as error:
        raise IngestError(f"{source} cannot be opened: {error.strerror}") from error
