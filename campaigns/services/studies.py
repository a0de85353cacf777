"""Studies: a worker evaluates the campaign's text on a snapshot and saves what would go as a revision, frozen and counted."""

from __future__ import annotations

import io
import logging
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.db.models import Max

from campaigns.choices import KEEPING_STATES, CampaignAction, StudyState
from campaigns.exceptions import InvalidInput, NotReady
from campaigns.models import Campaign, ExceptionRequest, Revision, StudiedStatus, StudiedTransfer, Study
from campaigns.services.campaigns import campaign_get, revision_void, site_fits
from campaigns.services.readings import study_readings
from campaigns.services.sums import list_sums
from campaigns.services.transitions import campaign_lock, campaign_lock_for, campaign_move
from campaigns.signals import study_started
from inventory.selectors.transfers import transfers_under_way
from inventory.services.audit import Actor
from policies.choices import PlanKind
from policies.selectors.partitions import partition_by_name
from policies.selectors.plan_items import keys_in_other_campaigns
from policies.services.cycles import cycle_fail
from policies.services.plans import plan_freeze_listed
from policies.services.studied_lists import StudiedList, list_study, list_study_start, listed_replicas
from policies.services.watched import watched_sweep

logger = logging.getLogger(__name__)

#: Name of the constraint that keeps two studies of one campaign apart.
_ONE_RUNNING = "study_one_running_per_campaign"


def text_with_exceptions(campaign: Campaign) -> str:
    """Return the text as it is evaluated: the Protect rules of the granted exceptions on top."""
    granted = ExceptionRequest.objects.filter(campaign=campaign, state__in=sorted(KEEPING_STATES)).order_by("pk")
    rules = [exception.rule_text for exception in granted]
    return "".join(f"{rule}\n" for rule in rules) + campaign.text


@transaction.atomic
def campaign_study(*, campaign_id: int, actor: Actor, now: datetime) -> Study:
    """Record a study as started and hand it to a worker; look at its state and progress for what becomes of it.

    Raises what `campaign_study_now` raises before anything is evaluated.
    """
    study = _start(campaign_id, actor, now)
    transaction.on_commit(lambda: study_started.send(sender=Study, study_id=study.pk, actor_name=actor.name))
    return study


def campaign_study_now(*, campaign_id: int, actor: Actor, now: datetime) -> Study:
    """Study a campaign in this process, and return the finished study.

    Raises ``PermissionDenied``, `InvalidTransition`, `NotReady` while another one runs, ``PolicyInvalidError`` with all findings
    where the text has errors (also one that an older Dynamo took), ``PartitionUnknownError``.
    """
    with transaction.atomic():
        study = _start(campaign_id, actor, now)
    return study_carry_out(study_id=study.pk, actor=actor, now=now)


def _start(campaign_id: int, actor: Actor, now: datetime) -> Study:
    campaign = campaign_lock_for(campaign_id, CampaignAction.STUDY, actor)
    cycle = list_study_start(
        text=text_with_exceptions(campaign),
        source=f"campaign {campaign.pk}: {campaign.title}"[:512],
        partition_name=campaign.partition.name,
        actor=actor,
        now=now,
    )
    try:
        with transaction.atomic():
            return Study.objects.create(
                campaign=campaign,
                cycle_id=cycle.pk,
                base_text=campaign.text,
                started_by=actor.name,
                started_at=now,
                heartbeat_at=now,
                stage="waiting for a worker",
            )
    except IntegrityError as error:
        if not Study.objects.filter(campaign=campaign, state=StudyState.RUNNING).exists():
            raise
        raise NotReady(f"a study of '{campaign}' is under way: wait until it has finished") from error


def study_carry_out(*, study_id: int, actor: Actor, now: datetime) -> Study:
    """Evaluate a study that was started and save its revision; a study that is over is returned as it is.

    What it leaves is written in one transaction at the end. Whatever stops it is noted with the study and raised again.
    """
    study = Study.objects.select_related("campaign").get(pk=study_id)
    if study.state != StudyState.RUNNING:
        return study
    try:
        _note(study, "evaluating", 0.05, now)
        studied = list_study(cycle_id=study.cycle_id or 0, actor=actor)
        _check_sites(study.campaign, studied)
        _note(study, "freezing the list", 0.7, now)
        return _save(study, studied, actor, now)
    except BaseException as error:
        study_fail(study_id=study_id, message=str(error) or type(error).__name__, now=now)
        raise


def study_fail(*, study_id: int, message: str, now: datetime) -> bool:
    """Note why a running study ended without a revision; return False where it was over already."""
    changed = Study.objects.filter(pk=study_id, state=StudyState.RUNNING).update(
        state=StudyState.FAILED, finished_at=now, error=message, stage=""
    )
    if changed:
        cycle_fail(cycle_id=Study.objects.values_list("cycle_id", flat=True).get(pk=study_id) or 0, message=message)
        logger.error("study %s failed: %s", study_id, message, extra={"study_id": study_id})
    return bool(changed)


def studies_sweep(*, now: datetime) -> list[int]:
    """Fail the running studies that gave no sign of life for longer than the limit of cycles, and return them."""
    return watched_sweep(Study, now=now, again="study again", fail=lambda pk, why: study_fail(study_id=pk, message=why, now=now))


@dataclass(frozen=True, slots=True)
class TouchedByOthers:
    """What others do with data at one moment: block replicas that other open campaigns delete, copies on their way by dataset."""

    in_other_campaigns: tuple[int, ...]
    transfers: Mapping[str, Collection[str]]


def touched_by_others(campaign_id: int) -> TouchedByOthers:
    """Return what others do with data now, seen from a campaign."""
    own = Revision.objects.filter(campaign=campaign_id).order_by("pk").values_list("plan_id", flat=True)
    keys = keys_in_other_campaigns(except_plans=list(own))
    return TouchedByOthers(tuple(key for key in keys if key is not None), transfers_under_way())


def campaign_sums(campaign: Campaign, studied: StudiedList, *, others: TouchedByOthers, now: datetime) -> dict[str, Any]:
    """Return the sums of a list of the campaign, with what others touch of it."""
    return list_sums(
        studied,
        in_other_campaigns=others.in_other_campaigns,
        in_transfer=others.transfers,
        readings=study_readings(campaign, studied, now),
    )


def _note(study: Study, stage: str, progress: float, now: datetime) -> None:
    Study.objects.filter(pk=study.pk, state=StudyState.RUNNING).update(stage=stage, progress=progress, heartbeat_at=now)


def _check_sites(campaign: Campaign, studied: StudiedList) -> None:
    outside = sorted(site for site in set(studied.items.get_column("site").to_list()) if not site_fits(campaign, site))
    if outside:
        raise InvalidInput(
            f"the text would delete at {', '.join(outside[:5])}{' and more' if len(outside) > 5 else ''}, but the campaign is of "
            f"{campaign.site_patterns}: narrow the text's On, or name the sites in the campaign"
        )


def _save(study: Study, studied: StudiedList, actor: Actor, now: datetime) -> Study:
    current = campaign_get(study.campaign_id)
    partition = partition_by_name(current.partition.name)
    others = touched_by_others(current.pk)
    sums = campaign_sums(current, studied, others=others, now=now)
    name = _file_save(study, studied.items)
    try:
        with transaction.atomic():
            campaign = campaign_lock(study.campaign_id)
            held = _lock_running(study, campaign)
            _check_sites(campaign, studied)
            revision_void(campaign, reason=f"studied again by {actor.name}", actor=actor, now=now)
            plan = plan_freeze_listed(
                kind=PlanKind.CAMPAIGN,
                title=f"campaign {campaign.pk}: {campaign.title}",
                items=listed_replicas(studied.items),
                actor=actor,
                partition=partition,
            )
            revision = _revision(campaign, study, studied, actor, now)
            revision.plan_id, revision.digest, revision.sums, revision.items_file = plan.pk, plan.digest, sums, name
            revision.text = campaign_text(study)
            revision.full_clean(exclude=["plan", "cycle", "campaign"], validate_unique=False, validate_constraints=False)
            revision.save()
            _statuses_save(revision, studied.items)
            _transfers_save(revision, studied.items, others.transfers)
            held.state, held.finished_at, held.progress, held.stage = StudyState.COMPLETED, now, 1.0, ""
            held.revision = revision
            held.save(update_fields=["state", "finished_at", "progress", "stage", "revision"])
            campaign_move(
                campaign,
                CampaignAction.STUDY,
                actor=actor,
                now=now,
                details={
                    "revision": revision.number,
                    "digest": revision.digest,
                    "items": revision.num_items,
                    "size_bytes": revision.size_bytes,
                },
            )
    except BaseException:
        default_storage.delete(name)
        raise
    return held


def _lock_running(study: Study, campaign: Campaign) -> Study:
    """Lock the study and see that it, and what it studied, still stands."""
    held = Study.objects.select_for_update(of=("self",)).get(pk=study.pk)
    if held.state != StudyState.RUNNING:
        raise NotReady(f"study {study.pk} was given up while it was computed: study again")
    if campaign.text != study.base_text:
        raise NotReady("the campaign's text was changed while it was studied: study again")
    return held


def campaign_text(study: Study) -> str:
    """Return the text that the study evaluated, exceptions on top."""
    text: str = study.cycle.text if study.cycle is not None else ""
    return text


def _file_save(study: Study, items: pl.DataFrame) -> str:
    buffer = io.BytesIO()
    items.drop("dataset_row", "replica_row").write_parquet(buffer, compression="zstd", row_group_size=50_000)
    return default_storage.save(f"campaigns/study-{study.pk:08d}.parquet", ContentFile(buffer.getvalue()))


def _revision(campaign: Campaign, study: Study, studied: StudiedList, actor: Actor, now: datetime) -> Revision:
    items = studied.items
    last = Revision.objects.filter(campaign=campaign).aggregate(last=Max("number"))["last"] or 0
    last_copies, tape = items.filter("is_last_copy"), items.filter("is_tape")
    return Revision(
        campaign=campaign,
        number=last + 1,
        cycle_id=study.cycle_id or 0,
        clock=studied.clock,
        snapshot_at=studied.snapshot_at,
        created_at=now,
        created_by=actor.name,
        num_items=items.height,
        num_replicas=items.get_column("replica_row").n_unique(),
        num_datasets=items.get_column("dataset_row").n_unique(),
        num_files=int(items.get_column("num_files").sum()),
        size_bytes=int(items.get_column("size").sum()),
        partition_bytes=studied.partition_bytes,
        num_last_copies=last_copies.height,
        last_copy_bytes=int(last_copies.get_column("size").sum()),
        num_tape_items=tape.height,
        tape_bytes=int(tape.get_column("size").sum()),
        usual_status=_usual_status(items),
    )


def _usual_status(items: pl.DataFrame) -> str:
    counts = Counter(dict(items.select("dataset", "status").unique().iter_rows()).values())
    return str(max(sorted(counts), key=lambda status: counts[status])) if counts else ""


def _statuses_save(revision: Revision, items: pl.DataFrame) -> None:
    unusual = items.select("dataset", "status").unique().filter(pl.col("status") != revision.usual_status).sort("dataset")
    rows = (StudiedStatus(revision=revision, dataset_name=name, status=status) for name, status in unusual.iter_rows())
    StudiedStatus.objects.bulk_create(rows, batch_size=2000)


def _transfers_save(revision: Revision, items: pl.DataFrame, transfers: Mapping[str, Collection[str]]) -> None:
    """Keep which copies were on their way when people decided: only one that begins later keeps an item."""
    listed = sorted(set(items.get_column("dataset").unique().to_list()) & set(transfers))
    rows = (
        StudiedTransfer(revision=revision, dataset_name=name, site_name=site)
        for name in listed
        for site in sorted(transfers[name])
    )
    StudiedTransfer.objects.bulk_create(rows, batch_size=2000)
