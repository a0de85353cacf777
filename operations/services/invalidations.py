"""Invalidation: data that are declared bad go from storage by a plan, as any deletion, and then from the inventory.

It cannot be reverted, so that it takes two steps: a preview, and a confirmation that holds for exactly what was previewed.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import logging
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import PermissionsMixin
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import transaction
from django.utils import timezone

from inventory.selectors.lock_owners import HoldingLock
from inventory.selectors.named import Target, named_look_up
from inventory.selectors.snapshot import inventory_standing
from inventory.services.audit import Actor, audit_record
from inventory.services.metadata import ForgottenBlock, block_replica_files_remove, metadata_forget, metadata_lock
from inventory.services.replicas import block_replicas_remove
from operations.choices import InvalidationState
from operations.exceptions import InvalidationChangedError, InvalidTransitionError, LockedDataError
from operations.models import InvalidatedBlock, Invalidation
from operations.services.invalidation_preview import Copy, InvalidationPreview, invalidation_preview
from operations.services.listing import listed_whole
from operations.services.over import plans_over
from operations.services.rights import demand_reason, demand_right
from operations.services.turns import take_turn
from policies.choices import PlanKind
from policies.services.limits import judge_inventory_age
from policies.services.listed import ListedFile, ListedReplica
from policies.services.plans import plan_freeze_listed, plan_release_listed

logger = logging.getLogger(__name__)

INVALIDATE = "operations.invalidate"
OVERRIDE_LOCK = "operations.override_lock"

_NAMES_IN_AUDIT = 20


def invalidation_confirm(
    *,
    targets: Iterable[Target],
    digest: str,
    actor: Actor,
    reason: str,
    now: datetime | None = None,
    override_locks: Collection[int] = (),
    is_metadata_only: bool = False,
) -> Invalidation:
    """Invalidate what *targets* name, exactly as the preview with *digest* showed it.

    The files are queued for deletion as the items of a plan; what they were is kept for ever in a file whose digest the audit
    trail has. With *is_metadata_only* the inventory forgets them at once and the files stay where they are.

    Raises:
        PermissionDenied: without ``operations.invalidate``.
        InvalidationChangedError: anything of it changed since the preview, or another digest was given.
        LockedDataError: a lock holds some of it and is not in *override_locks*, or is somebody else's and the actor may not.
        InvalidTransitionError: without a reason, for nothing, or while a worker deletes some of it.
    """
    at = now or timezone.now()
    wanted = list(targets)
    demand_reason(reason, "it is kept for ever with what was invalidated")
    archive = ""
    try:
        with transaction.atomic():
            demand_right(actor, INVALIDATE, "invalidate data")
            # No deletion begins and no lock comes in between: both wait for the claims' turn, and see then what is done here.
            take_turn()
            metadata_lock(datasets={block.dataset for block in named_look_up(wanted).blocks} | {one.dataset for one in wanted})
            preview = invalidation_preview(targets=wanted, now=at, is_metadata_only=is_metadata_only)
            _demand_unchanged(preview, digest)
            overridden = _demand_unlocked(preview.locks, set(override_locks), actor)
            archive, archive_digest = _archive(preview, at)
            invalidation = _record(preview, actor, reason, overridden, (archive, archive_digest))
            if is_metadata_only:
                _remove_copies(preview.copies)
            elif preview.copies:
                _plan(invalidation, preview, actor, reason, at)
            if invalidation.plan_id is None:
                invalidation_finish(invalidation, now=at)
            _audit(invalidation, preview, actor, reason)
    except BaseException:
        if archive:
            default_storage.delete(archive)
        raise
    logger.info("%s: %s files", invalidation, invalidation.num_files, extra={"invalidation_id": invalidation.pk})
    return invalidation


def invalidation_finish(invalidation: Invalidation, *, now: datetime) -> Invalidation:
    """Let the inventory forget what is nowhere any more, and note what stays and why. Runs in the caller's transaction."""
    blocks = [
        ForgottenBlock(
            dataset=row.dataset_name,
            block=row.block_name,
            size_bytes=row.size_bytes,
            num_files=row.num_files,
            files=None if row.files is None else tuple(row.files),
        )
        for row in invalidation.blocks.order_by("pk")
    ]
    invalidation.kept = metadata_forget(blocks=blocks, datasets=set(invalidation.datasets))
    invalidation.state = InvalidationState.KEPT if invalidation.kept else InvalidationState.DONE
    invalidation.finished_at = now
    invalidation.save(update_fields=["kept", "state", "finished_at"])
    return invalidation


def invalidations_sweep(*, now: datetime) -> tuple[int, ...]:
    """Finish the invalidations whose plans are over; return their keys. Safe to run at any time, in any number at once."""
    finished: list[int] = []
    for over in plans_over(Invalidation.objects.filter(state=InvalidationState.RUNNING)):
        with transaction.atomic():
            found = Invalidation.objects.select_for_update(of=("self",), skip_locked=True)
            row = found.filter(pk=over.row_key, state=InvalidationState.RUNNING).first()
            if row is None:
                continue
            invalidation_finish(row, now=now)
            details = {"state": row.state, "stays": len(row.kept), "what_stays": dict(list(row.kept.items())[:_NAMES_IN_AUDIT])}
            audit_record(actor=Actor("sweeper"), action="operations.invalidation_over", subject=str(row), details=details)
        finished.append(over.row_key)
    return tuple(finished)


def _demand_unchanged(preview: InvalidationPreview, digest: str) -> None:
    if preview.digest != digest:
        raise InvalidationChangedError(digest, preview.digest)
    if not preview.named.blocks and not preview.named.datasets:
        raise InvalidTransitionError(f"nothing of that is in the inventory: {', '.join(preview.named.unknown[:5])}")
    if preview.num_being_deleted:
        raise InvalidTransitionError(
            f"{preview.num_being_deleted} of the block replicas are being deleted at this moment: wait until that is over, "
            "then preview again"
        )


def _demand_unlocked(locks: Sequence[HoldingLock], overridden: set[int], actor: Actor) -> list[int]:
    """Return the locks that are overridden by name; refuse where one that holds is not, or may not be."""
    for lock in locks:
        if lock.lock_id not in overridden:
            raise LockedDataError(
                f"lock {lock.lock_id} of {lock.owner} holds {lock.num_block_replicas} of the block replicas ({lock.text}): "
                f"its owner, or who has the right {OVERRIDE_LOCK}, may override it by name",
                lock.lock_id,
            )
        user = actor.user
        is_owner = lock.owner == actor.name or (user is not None and lock.made_by == user.pk)
        may = user is None or (isinstance(user, PermissionsMixin) and user.has_perm(OVERRIDE_LOCK))
        if not (is_owner or may):
            raise LockedDataError(
                f"lock {lock.lock_id} is {lock.owner}'s: {actor.name} may not override it without the right {OVERRIDE_LOCK}",
                lock.lock_id,
            )
    return sorted(lock.lock_id for lock in locks)


def _record(
    preview: InvalidationPreview, actor: Actor, reason: str, overridden: list[int], archive: tuple[str, str]
) -> Invalidation:
    invalidation = Invalidation.objects.create(
        requested_by_id=actor.user.pk if actor.user is not None else None,
        requested_by_name=actor.name[:150],
        reason=reason[:512],
        digest=preview.digest,
        is_metadata_only=preview.is_metadata_only,
        datasets=list(preview.named.datasets),
        overridden_locks=overridden,
        num_blocks=len(preview.named.blocks),
        num_files=preview.num_files,
        size_bytes=preview.size_bytes,
        num_block_replicas=len(preview.copies),
        archive=archive[0],
        archive_digest=archive[1],
    )
    InvalidatedBlock.objects.bulk_create(
        (
            InvalidatedBlock(
                invalidation=invalidation,
                dataset_name=block.dataset,
                block_name=block.block,
                size_bytes=block.size_bytes,
                num_files=block.num_files,
                files=None if block.is_whole else [file.lfn for file in block.files],
            )
            for block in preview.named.blocks
        ),
        batch_size=1000,
    )
    return invalidation


def _plan(invalidation: Invalidation, preview: InvalidationPreview, actor: Actor, reason: str, at: datetime) -> None:
    title = f"invalidation {invalidation.pk}: {reason}"[:512]
    items = _listed(preview.copies, f"invalidation {invalidation.pk}")
    plan = plan_freeze_listed(kind=PlanKind.INVALIDATION, title=title, items=items, actor=actor)
    invalidation.plan_id = plan.pk
    invalidation.save(update_fields=["plan"])
    readings = [judge_inventory_age(inventory_standing(), at)]
    plan_release_listed(plan_id=plan.pk, actor=actor, reason=reason[:512], readings=readings)


def _listed(copies: Sequence[Copy], why: str) -> Iterator[ListedReplica]:
    for copy in copies:
        yield replace(
            listed_whole(copy.replica, why, may_be_last_copy=True),
            size_bytes=copy.size_bytes,
            num_files=copy.num_files,
            files=tuple(ListedFile(file.lfn, file.size_bytes) for file in copy.files or ()),
        )


def _remove_copies(copies: Sequence[Copy]) -> None:
    whole = [copy.replica.key for copy in copies if copy.files is None]
    parts = {copy.replica.key: [file.lfn for file in copy.files] for copy in copies if copy.files is not None}
    if whole:
        block_replicas_remove(keys=whole)
    if parts:
        block_replica_files_remove(files=parts)


def _archive(preview: InvalidationPreview, at: datetime) -> tuple[str, str]:
    """Write what everything was to the default file storage; return the name there and the SHA-256 of its content."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed:
        for row in _archived(preview):
            packed.write(json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
    content = buffer.getvalue()
    name = f"invalidations/{at:%Y%m%dT%H%M%S}-{preview.digest[:16]}.jsonl.gz"
    return default_storage.save(name, ContentFile(content)), hashlib.sha256(content).hexdigest()


def _archived(preview: InvalidationPreview) -> Iterator[dict[str, Any]]:
    for block in preview.named.blocks:
        files = [{"name": file.lfn, "size": file.size_bytes, "checksum": file.checksum} for file in block.files]
        yield {
            "dataset": block.dataset,
            "block": block.block,
            "size": block.size_bytes,
            "num_files": block.num_files,
            "is_whole": block.is_whole,
            "files": files,
        }
    for copy in preview.copies:
        row = copy.replica
        yield {
            "site": row.site,
            "dataset": row.dataset,
            "block": row.block,
            "group": row.group,
            "size": copy.size_bytes,
            "num_files": copy.num_files,
            "is_whole": copy.files is None,
        }


def _audit(invalidation: Invalidation, preview: InvalidationPreview, actor: Actor, reason: str) -> None:
    audit_record(
        actor=actor,
        action="operations.invalidate",
        subject=str(invalidation),
        reason=reason,
        details={
            "digest": preview.digest,
            "plan": invalidation.plan_id,
            "is_metadata_only": invalidation.is_metadata_only,
            "blocks": invalidation.num_blocks,
            "files": invalidation.num_files,
            "bytes": invalidation.size_bytes,
            "block_replicas": invalidation.num_block_replicas,
            "last_copies": preview.num_last_copies,
            "overridden_locks": invalidation.overridden_locks,
            "first_blocks": [str(block) for block in preview.named.blocks[:_NAMES_IN_AUDIT]],
            "archive": invalidation.archive,
            "archive_digest": invalidation.archive_digest,
        },
    )
