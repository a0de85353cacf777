"""Injections that somebody has sent: stored in bounded memory, small ones carried out at once, others by a worker.

The row is the queue: a lost message loses nothing, because the sweeper asks for what waits.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from django.conf import settings
from django.core.files import File as StoredFile
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.utils import timezone

from inventory.choices import InjectionState
from inventory.exceptions import DocumentTooLarge, IngestError, InvalidInput, InvalidTransition, NotFound
from inventory.models import Injection
from inventory.models.injections import HALF_LOADED
from inventory.services.audit import Actor, audit_record
from inventory.services.injection_rights import account_of, demand_inject, demand_own, sender_of
from inventory.services.injection_rows import fail
from inventory.services.injections import inject
from inventory.services.resumable import inject_by_parts, kept_text, resume_values
from inventory.signals import injection_queued

#: A document of at most so many bytes, as it is sent, is injected while the sender waits.
AT_ONCE_BYTES = 1 << 20

#: How long the document of a dry run is kept, so that it can be confirmed.
CONFIRMABLE_FOR = timedelta(days=7)

_FOLDER = "injections"
_PIECE = 1 << 16


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a document is to be taken: see `inject`; ``name`` only names it, and tells a table by its end (.csv).

    ``is_batch``: kept part by part by a worker, see `inject_by_parts`; without dry run.
    """

    name: str = "api"
    is_dry_run: bool = False
    skips_bad: bool = False
    brings_back: bool = False
    is_batch: bool = False


def injection_receive(*, stream: IO[bytes], actor: Actor, wishes: Wishes, at_once: bool = True) -> Injection:
    """Store the document that *stream* holds, and inject it: at once if it is small (unless not *at_once*), else by a worker.

    Returns the injection: over if it was carried out, else queued. Raises ``DocumentTooLarge`` beyond
    ``DYNAMO_INJECT_MAX_BYTES``, ``InvalidInput`` without content or for wishes that do not go together, ``PermissionDenied``
    without ``inventory.add_injection``; a document that cannot be taken makes a failed injection.
    """
    demand_inject(actor)
    if wishes.is_batch and wishes.is_dry_run:
        raise InvalidInput("batch does not go with dry_run: each part is kept at once")
    with TemporaryFile() as spool:
        size = _spooled(stream, spool)
        if size == 0:
            raise InvalidInput("the body is empty: expected a JSON object with sections, or one per line")
        path = f"{_FOLDER}/{timezone.now():%Y-%m}/{uuid.uuid4().hex}"
        is_small = at_once and size <= AT_ONCE_BYTES and not wishes.is_batch
        # What a dry run has shown can be confirmed without sending it again.
        is_kept = wishes.is_dry_run or not is_small
        as_batch: dict[str, Any] = {}
        if wishes.is_batch:
            spool.seek(0)
            as_batch = {
                "fingerprint": hashlib.file_digest(spool, "sha256").hexdigest(),
                "resume_with": resume_values(now=timezone.now(), brings_back=wishes.brings_back, skips_bad=wishes.skips_bad),
            }
        if is_kept:
            spool.seek(0)
            path = default_storage.save(path, StoredFile(spool))
        injection = Injection.objects.create(
            source=wishes.name[: Injection._meta.get_field("source").max_length],
            started_by=actor.name,
            user_id=account_of(actor),
            state=InjectionState.RUNNING if is_small else InjectionState.QUEUED,
            document=path if is_kept else "",
            length_bytes=size,
            is_dry_run=wishes.is_dry_run,
            skips_bad=wishes.skips_bad,
            brings_back=wishes.brings_back,
            **as_batch,
        )
        if is_small:
            spool.seek(0)
            _carry_out(injection, spool, actor)
            _drop_unless_needed(injection)
        else:
            transaction.on_commit(lambda: injection_queued.send(sender=Injection, injection_id=injection.pk))
    injection.refresh_from_db()
    return injection


def injection_repeat(*, injection_id: int, actor: Actor) -> Injection:
    """Take what a dry run has shown for good: at once if it is small, else by a worker.

    Raises ``NotFound``, and ``InvalidTransition`` unless the dry run is completed and its document is kept, which is for
    `CONFIRMABLE_FOR`; ``PermissionDenied`` without ``inventory.add_injection``, and for who may not (see `demand_own`).
    It is then the injection of *actor*, whose rights count.
    """
    demand_inject(actor)
    with transaction.atomic():
        shown = _locked(injection_id)
        demand_own(actor, shown)
        if not shown.is_dry_run or shown.state != InjectionState.COMPLETED or not shown.document:
            raise InvalidTransition("only a dry run that is over and whose document is kept can be made for good")
        injection = Injection.objects.create(
            source=shown.source,
            started_by=actor.name,
            user_id=account_of(actor),
            state=InjectionState.QUEUED,
            document=shown.document,
            length_bytes=shown.length_bytes,
            skips_bad=shown.skips_bad,
            brings_back=shown.brings_back,
        )
        shown.document = ""
        shown.save(update_fields=["document"])
        if not _is_small(injection):
            transaction.on_commit(lambda: injection_queued.send(sender=Injection, injection_id=injection.pk))
    if _is_small(injection):
        injection_carry_out(injection_id=injection.pk)
        injection.refresh_from_db()
    return injection


def injection_resume(*, injection_id: int, actor: Actor) -> Injection:
    """Let a worker go on with a document that was sent to be kept part by part and was left half-way.

    It stays its sender's, whose rights count. Raises ``NotFound``, ``InvalidTransition`` unless it was, its document is kept and
    its sender may still inject, and ``PermissionDenied`` for who may not (see `demand_own`).
    """
    with transaction.atomic():
        injection = _locked(injection_id)
        demand_own(actor, injection)
        if not injection.is_batch or injection.state != InjectionState.FAILED or not injection.document:
            raise InvalidTransition(
                f"injection {injection_id} is {injection.get_state_display()}: a worker can go on only with a document that was "
                "sent with batch=true and was left half-way"
            )
        if sender_of(injection) is None:
            raise InvalidTransition(
                f"{injection.started_by}, who sent it, may not inject any more: give it up, and send the document anew"
            )
        injection.state, injection.finished_at, injection.error = InjectionState.QUEUED, None, ""
        injection.save(update_fields=["state", "finished_at", "error"])
        details = {"records_kept": injection.records_kept}
        audit_record(actor=actor, action="inventory.injection_resume", subject=f"injection {injection_id}", details=details)
        transaction.on_commit(lambda: injection_queued.send(sender=Injection, injection_id=injection.pk))
    return injection


def documents_sweep(*, now: datetime) -> int:
    """Remove the documents of dry runs that nobody has confirmed for `CONFIRMABLE_FOR`; return how many."""
    old = Injection.objects.filter(is_dry_run=True, state=InjectionState.COMPLETED, finished_at__lt=now - CONFIRMABLE_FOR)
    found = list(old.exclude(document="").order_by("pk"))
    for injection in found:
        _drop_document(injection)
    return len(found)


def injection_carry_out(*, injection_id: int) -> Injection | None:
    """Inject a queued document by the rights of who sent it; None if another worker has it, or it was cancelled.

    Never raises for a document that is wrong.
    """
    claimed = Injection.objects.filter(pk=injection_id, state=InjectionState.QUEUED).update(
        state=InjectionState.RUNNING, started_at=timezone.now()
    )
    if not claimed:
        return None
    injection = Injection.objects.get(pk=injection_id)
    sender = sender_of(injection)
    if sender is None:
        fail(injection, f"{injection.started_by}, who sent it, may not inject any more; {kept_text(injection)}")
        _drop_unless_needed(injection)
        return injection
    try:
        with default_storage.open(injection.document, "rb") as stored:
            carry_out = _carry_out_by_parts if injection.is_batch else _carry_out
            carry_out(injection, stored, sender)
    except OSError as error:
        fields = {"state": InjectionState.FAILED, "finished_at": timezone.now()}
        Injection.objects.filter(pk=injection.pk).update(error=f"its document cannot be read: {error}", **fields)
    _drop_unless_needed(injection)
    return injection


def injection_cancel(*, injection_id: int, actor: Actor, reason: str = "") -> Injection:
    """Cancel an injection that waits or runs; a running one stops at its next batch, and nothing of it is kept.

    One that is kept part by part stays half-way where parts of it are there: somebody goes on with it, or gives it up.

    Raises ``InvalidTransition`` if it is over, and on SQLite while it runs: there nobody else can write until it ends;
    ``PermissionDenied`` for who may not (see `demand_own`).
    """
    with transaction.atomic():
        injection = _locked(injection_id)
        demand_own(actor, injection)
        if injection.state == InjectionState.QUEUED:
            injection.state = InjectionState.CANCELLED
            injection.finished_at = timezone.now()
            injection.error = f"cancelled by {actor.name}; nothing was kept"
            if injection.records_kept:
                injection.state = InjectionState.FAILED
                injection.error = f"cancelled by {actor.name}; {kept_text(injection)}"
        elif injection.state != InjectionState.RUNNING or connection.vendor != "postgresql":
            state = injection.get_state_display()
            raise InvalidTransition(
                f"the injection is {state}: it can be cancelled while it waits, on PostgreSQL also while it runs"
            )
        injection.cancelled_by = actor.name
        injection.save(update_fields=["state", "finished_at", "error", "cancelled_by"])
        audit_record(actor=actor, action="inventory.injection_cancel", subject=f"injection {injection_id}", reason=reason)
    if injection.state == InjectionState.CANCELLED:
        _drop_document(injection)
    return injection


def bad_records_open(injection: Injection) -> IO[bytes]:
    """Open the bad records that *injection* has left out, as JSON lines that are packed with gzip."""
    stored: IO[bytes] = default_storage.open(injection.bad_records, "rb")
    if injection.bad_records.endswith(".gz"):
        return stored
    packed: IO[bytes] = TemporaryFile()  # noqa: SIM115 - closed by who reads it
    with stored, gzip.GzipFile(fileobj=packed, mode="wb") as packing:
        shutil.copyfileobj(stored, packing)
    packed.seek(0)
    return packed


def _spooled(stream: IO[bytes], spool: IO[bytes]) -> int:
    limit = settings.DYNAMO_INJECT_MAX_BYTES
    size = 0
    for piece in _pieces(stream):
        size += len(piece)
        if size > limit:
            raise DocumentTooLarge(f"the body has more than {limit:,} bytes: send it in several parts, or inject it by command")
        spool.write(piece)
    return size


def _pieces(stream: IO[bytes]) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece


def _carry_out(injection: Injection, document: IO[bytes], actor: Actor) -> None:
    options: dict[str, Any] = {"dry_run": injection.is_dry_run, "brings_back": injection.brings_back}
    with TemporaryFile() as bad:
        options |= {"bad_records": bad} if injection.skips_bad else {}
        try:
            inject(
                source=injection.source,
                stream=document,
                length=injection.length_bytes,
                injection=injection,
                actor=actor,
                **options,
            )
        except IngestError:
            return  # told in the injection's row
        if bad.tell():
            bad.seek(0)
            path = default_storage.save(f"{_FOLDER}/bad/{injection.pk}.jsonl.gz", StoredFile(BytesIO(gzip.compress(bad.read()))))
            Injection.objects.filter(pk=injection.pk).update(bad_records=path)


def _carry_out_by_parts(injection: Injection, document: IO[bytes], actor: Actor) -> None:
    bad = _bad_records_of_parts(injection) if injection.skips_bad else None
    try:
        report = inject_by_parts(
            source=injection.source,
            stream=document,
            injection=injection,
            actor=actor,
            bad_records=bad,
            brings_back=injection.brings_back,
        )
    except IngestError:
        return  # told in the injection's row
    if bad is not None and not report.num_rejects:
        Injection.objects.filter(pk=injection.pk).update(bad_records="")
        bad.unlink()


def _bad_records_of_parts(injection: Injection) -> Path:
    """Return the file to which the parts of a document write their bad records; a new one until a part of it is kept.

    It is written on as parts are kept, so it cannot be compressed, and must be a file of the folder where documents wait.
    """
    name = f"{_FOLDER}/bad/{injection.pk}.jsonl"
    path = Path(default_storage.path(name))
    path.parent.mkdir(parents=True, exist_ok=True)
    if "bad_bytes" not in injection.resume_with:
        path.unlink(missing_ok=True)
    Injection.objects.filter(pk=injection.pk).update(bad_records=name)
    return path


def _locked(injection_id: int) -> Injection:
    injection = Injection.objects.select_for_update().filter(pk=injection_id).first()
    if injection is None:
        raise NotFound(f"there is no injection {injection_id}")
    return injection


def _is_small(injection: Injection) -> bool:
    return injection.length_bytes is not None and injection.length_bytes <= AT_ONCE_BYTES


def _drop_unless_needed(injection: Injection) -> None:
    """Remove a document that nobody can confirm or go on with."""
    injection.refresh_from_db()
    is_confirmable = injection.is_dry_run and injection.state == InjectionState.COMPLETED
    is_half_loaded = injection.records_kept > 0 and injection.state in HALF_LOADED
    is_under_way = injection.state in {InjectionState.QUEUED, InjectionState.RUNNING}
    if not (is_confirmable or is_half_loaded or is_under_way):
        _drop_document(injection)


def _drop_document(injection: Injection) -> None:
    if injection.document:
        Injection.objects.filter(pk=injection.pk).update(document="")
        default_storage.delete(injection.document)
