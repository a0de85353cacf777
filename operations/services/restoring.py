"""Restore: what was put aside comes back to storage and inventory, each file checked; asked for by a person, done by a worker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from random import Random

from django.db import connection, transaction
from django.db.models import QuerySet

from inventory.selectors.replicas import blocks_known, blocks_of_files
from inventory.selectors.sites import site_storage
from inventory.services.audit import Actor, audit_record
from inventory.services.replicas import ReplicaToRestore, block_replica_restore
from operations.choices import RestoreOutcome, TrashState
from operations.constants import NOBODY
from operations.exceptions import InvalidTransitionError, NotFoundError
from operations.models import Trash, TrashFile
from operations.selectors.pace import own_trash_days
from operations.services.calls import Keyed, answers_in_calls
from operations.services.limits import QueueLimits
from operations.services.rights import demand_right
from operations.services.trash_keeping import ASKED_FIELDS, ask_back, purge_time
from operations.services.trash_lease import TrashItem, TrashLease, lies_elsewhere, wait_after
from operations.services.watch import Clock
from operations.storage import Gateway, RestoreResult, ShouldStop, TrashedFile

_TRIED_AGAIN = RestoreOutcome.RETRYABLE
#: States of a trash that can be asked back.
RESTORABLE = (TrashState.KEPT, TrashState.RESTORING)


@dataclass(frozen=True, slots=True)
class RestoreWanted:
    """What is to come back: all that is given must fit. At least one of them is."""

    trash_ids: tuple[int, ...] = ()
    plan_id: int | None = None
    site_name: str = ""
    dataset_name: str = ""
    block_name: str = ""
    lfn: str = ""


@dataclass(frozen=True, slots=True)
class RestoreAsked:
    """``trash_ids``: what will come back; ``refused``: what cannot, ``back_already``: what was restored, as (what, why)."""

    trash_ids: tuple[int, ...]
    refused: tuple[tuple[str, str], ...]
    back_already: tuple[tuple[str, str], ...] = ()

    @property
    def left_out(self) -> tuple[tuple[str, str], ...]:
        """All that is not going to come back now, what needs somebody first."""
        return self.refused + self.back_already


def restore_request(*, wanted: RestoreWanted, actor: Actor, reason: str, now: datetime) -> RestoreAsked:
    """Ask for files back. What is being restored already stays so; a second request does no harm.

    Raises ``PermissionDenied`` without the right ``operations.restore_trash``, ``InvalidTransitionError`` if nothing is named
    or no reason is given, ``NotFoundError`` if nothing that fits was ever put aside.
    """
    if wanted == RestoreWanted():
        raise InvalidTransitionError("say what is to come back: a plan, a site, a dataset, a block or a file")
    if not reason.strip():
        raise InvalidTransitionError("say why it is to come back: restoring needs a reason")
    with transaction.atomic():
        demand_right(actor, "operations.restore_trash", "bring back what was deleted")
        rows = list(trash_fitting(wanted).select_for_update(no_key=True, of=("self",)).order_by("pk"))
        if not rows:
            raise NotFoundError("nothing that fits is in the trash or ever was: what was deleted without one is gone for good")
        sites = site_storage({row.site_name for row in rows})
        elsewhere = {row.pk: why for row in rows if row.site_name in sites and (why := lies_elsewhere(row, sites[row.site_name]))}
        taken = [row for row in rows if row.state in RESTORABLE and row.pk not in elsewhere]
        for row in taken:
            ask_back(row, actor=actor, reason=reason, lfn=wanted.lfn)
        Trash.objects.bulk_update(taken, ASKED_FIELDS, batch_size=500)
        taken_ids = {row.pk for row in taken}
        left = [row for row in rows if row.pk not in taken_ids]
        said = {row.pk: (str(row), why_gone(row) or elsewhere[row.pk]) for row in left}
        refused = tuple(said[row.pk] for row in left if row.state != TrashState.RESTORED)
        back_already = tuple(said[row.pk] for row in left if row.state == TrashState.RESTORED)
        audit_record(
            actor=actor,
            action="operations.restore_asked",
            subject=_subject(wanted)[:640],
            reason=reason,
            details={"block_replicas": len(taken), "bytes": sum(row.size_bytes for row in taken), "refused": len(said)},
        )
    return RestoreAsked(tuple(row.pk for row in taken), refused, back_already)


def why_gone(row: Trash) -> str:
    """Return why nothing comes back from a trash as it is now."""
    match row.state:
        case TrashState.PURGED:
            return f"gone for good since {row.finished_at:%Y-%m-%d %H:%M} UTC"
        case TrashState.PURGING:
            return "is being purged: a part of it may be gone for good already"
        case TrashState.RESTORED:
            return f"was restored already, on {row.finished_at:%Y-%m-%d %H:%M} UTC"
        case TrashState.FILLING:
            return "its deletion is still under way: stop that first (lock it, pause the site, discard the plan)"
    return ""


def trash_fitting(wanted: RestoreWanted) -> QuerySet[Trash]:
    """Return the trash that fits all that is given, also what cannot come back; what holds nothing is left out."""
    rows = Trash.objects.exclude(state=TrashState.EMPTY)
    if wanted.trash_ids:
        rows = rows.filter(pk__in=wanted.trash_ids)
    if wanted.plan_id is not None:
        rows = rows.filter(deletion__plan_id=wanted.plan_id)
    for field, value in (
        ("site_name", wanted.site_name),
        ("dataset_name", wanted.dataset_name),
        ("block_name", wanted.block_name),
    ):
        if value:
            rows = rows.filter(**{field: value})
    if wanted.lfn:
        known = blocks_of_files([wanted.lfn]).get(wanted.lfn)
        # A file that the inventory has forgotten is looked for in every trash.
        rows = rows.filter(dataset_name=known[0], block_name=known[1]) if known is not None else rows
        rows = _holding(rows, wanted.lfn)
    return rows


def _holding(rows: QuerySet[Trash], lfn: str) -> QuerySet[Trash]:
    """Return the trash among *rows* in which a file is, looked for by the database where it can: names may be many."""
    if connection.features.supports_json_field_contains:
        return rows.filter(files__contains=[[lfn]])
    names = rows.order_by().values_list("pk", "files").iterator()
    return rows.filter(pk__in=[pk for pk, files in names if any(name == lfn for name, _, _ in files)])


def _subject(wanted: RestoreWanted) -> str:
    parts = [f"plan {wanted.plan_id}"] if wanted.plan_id is not None else []
    parts += [f"trash {', '.join(map(str, wanted.trash_ids[:20]))}"] if wanted.trash_ids else []
    parts += [text for text in (wanted.dataset_name, wanted.block_name, wanted.lfn) if text]
    return " ".join(parts + ([f"at {wanted.site_name}"] if wanted.site_name else []))


@dataclass(frozen=True, slots=True)
class RestoreActed:
    """What became of each file, by trash."""

    lease: TrashLease
    results: dict[int, list[RestoreResult]]
    stopped: str


def restore_act(lease: TrashLease, *, gateway: Gateway, clock: Clock, limits: QueueLimits) -> RestoreActed:
    """Move the files of a lease back, those first asked after that the inventory still knows; no transaction is held."""
    watch = lease.watch(clock=clock, limits=limits)
    possible, results = _still_known(lease.items)
    files = ((item.trash_id, file) for item in possible for file in item.files)

    def ask(call: Sequence[Keyed[TrashedFile]], should_stop: ShouldStop) -> Sequence[RestoreResult]:
        return gateway.restore([file for _, file in call], should_stop=should_stop)

    def not_known(lfn: str, message: str) -> RestoreResult:
        return RestoreResult(lfn, RestoreOutcome.UNKNOWN, message)

    for trash_id, result in answers_in_calls(files, ask, watch=watch, outcomes=frozenset(RestoreOutcome), unknown=not_known):
        results[trash_id].append(result)
    return RestoreActed(lease, results, watch.reason)


def _still_known(items: Sequence[TrashItem]) -> tuple[list[TrashItem], dict[int, list[RestoreResult]]]:
    """Part the files that the inventory still knows, in their block, from those that it does not: these stay where they are.

    Two queries however many items there are. The results, by trash, are those of the files that stay.
    """
    of_blocks = [item for item in items if not item.is_of_path]
    block_of = blocks_of_files([file.lfn for item in of_blocks for file in item.files])
    blocks = blocks_known({(item.dataset, item.block) for item in of_blocks})
    results: dict[int, list[RestoreResult]] = {item.trash_id: [] for item in items}
    possible = [item for item in items if item.is_of_path]
    for item in of_blocks:
        place = (item.dataset, item.block)
        message = "has left the inventory" if place in blocks else "its block has left the inventory"
        gone = [file for file in item.files if block_of.get(file.lfn) != place]
        results[item.trash_id] = [
            RestoreResult(file.lfn, RestoreOutcome.REFUSED, f"{message} (invalidated?); it stays in the trash") for file in gone
        ]
        left = tuple(file for file in item.files if block_of.get(file.lfn) == place)
        possible.append(replace(item, files=left))
    return possible, results


def restore_record(acted: RestoreActed, *, now: datetime, limits: QueueLimits, rng: Random) -> Counter[str]:
    """Let the inventory know what is back, and write down what is not and why. Return how many files had which outcome."""
    lease = acted.lease
    items = {item.trash_id: item for item in lease.items}
    outcomes: Counter[str] = Counter()
    with transaction.atomic():
        rows = list(
            Trash.objects.select_for_update(no_key=True, of=("self",))
            .filter(pk__in=items, lease_token=lease.token)
            .order_by("pk")
        )
        for row in rows:
            results = acted.results[row.pk]
            problem = _tell_inventory(row, results)
            _write_down(row, results, now)
            _apply(row, results, items[row.pk], problem or acted.stopped, now=now, limits=limits, rng=rng)
            outcomes.update(str(result.outcome) for result in results)
        fields = [
            "state",
            "reason",
            "finished_at",
            "purge_after",
            "not_before",
            "lease_token",
            "lease_until",
            "wanted_files",
            "num_attempts",
        ]
        Trash.objects.bulk_update(rows, fields)
        if rows:
            audit_record(
                actor=Actor(name=f"worker {lease.worker}"[:150]),
                action="operations.restored",
                subject=f"{len(rows)} block replicas at {lease.site.name}",
                reason=rows[0].asked_reason,
                details={
                    "files": dict(outcomes),
                    "asked_by": sorted({row.asked_by for row in rows}),
                    "block_replicas": dict(Counter(str(row.state) for row in rows)),
                    "first": rows[0].deletion_id,
                    "last": rows[-1].deletion_id,
                },
            )
    return outcomes


def _tell_inventory(row: Trash, results: Sequence[RestoreResult]) -> str:
    back = frozenset(result.lfn for result in results if result.outcome == RestoreOutcome.RESTORED)
    if not back or row.path:
        return ""  # nobody knew it
    problem = block_replica_restore(
        ReplicaToRestore(
            dataset=row.dataset_name,
            block=row.block_name,
            site=row.site_name,
            group_name=None if row.group_name == NOBODY else row.group_name,
            is_custodial=row.is_custodial,
            last_update=row.replica_last_update,
            lfns=back,
        )
    )
    return f"{len(back)} files are back at the site, but the inventory cannot know them: {problem}" if problem else ""


def _write_down(row: Trash, results: Sequence[RestoreResult], now: datetime) -> None:
    """Keep the last word on each file that was asked back."""
    TrashFile.objects.bulk_create(
        [
            TrashFile(trash_id=row.pk, lfn=result.lfn, outcome=result.outcome, message=result.message[:1024], at=now)
            for result in results
        ],
        update_conflicts=True,
        unique_fields=["trash", "lfn"],
        update_fields=["outcome", "message", "at"],
        batch_size=1000,
    )


def _apply(
    row: Trash,
    results: Sequence[RestoreResult],
    item: TrashItem,
    problem: str,
    *,
    now: datetime,
    limits: QueueLimits,
    rng: Random,
) -> None:
    """Decide what becomes of a trash: all is back, some is to be tried again, or what could not come back stays in it."""
    row.lease_token, row.lease_until, row.not_before = None, None, None
    again = [result for result in results if result.outcome == _TRIED_AGAIN]
    bad = [result for result in results if result.outcome not in {_TRIED_AGAIN, RestoreOutcome.RESTORED}]
    if again or len(results) < len(item.files):
        row.reason = _summary(again) if again else problem or "not all files were tried"
        row.not_before = wait_after(row, now=now, limits=limits, rng=rng) if again else None
        return
    if later := _asked_meanwhile(row, item):
        row.wanted_files, row.reason, row.num_attempts = later, "", 0
        return
    row.wanted_files = []
    restored = set(TrashFile.objects.filter(trash=row, outcome=RestoreOutcome.RESTORED).values_list("lfn", flat=True))
    if all(lfn in restored for lfn, _, _ in row.files):
        row.state, row.reason, row.finished_at = TrashState.RESTORED, problem, now
        return
    row.state = TrashState.KEPT
    row.reason = "; ".join(filter(None, (problem, _summary(bad))))[:1024]
    row.purge_after = max(row.purge_after or now, purge_time(row, now=now, limits=limits, own=own_trash_days({row.site_name})))


def _asked_meanwhile(row: Trash, item: TrashItem) -> list[str]:
    """Return what was asked back after the lease was taken, and that it does not hold."""
    wanted = row.wanted_files or [lfn for lfn, _, _ in row.files]
    return sorted(set(wanted) - {file.lfn for file in item.files})


def _summary(bad: Sequence[RestoreResult]) -> str:
    if not bad:
        return ""
    more = f" (and {len(bad) - 1} more files)" if len(bad) > 1 else ""
    return f"{RestoreOutcome(bad[0].outcome).label}: {bad[0].message}: {bad[0].lfn}{more}"[:1024]
