"""Clean-ups: the dark files of a scan that count, frozen as the list of a plan, released by a person, deleted as all is deleted.

What counts: seen unchanged by two scans that are long enough apart, older than that itself, known to nobody then and now, at a
storage on which no file can be seen under two names. Nothing else ever gets into the list; each is asked again before it goes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from inventory.choices import StorageType
from inventory.selectors.sites import SiteStorage, site_storage
from inventory.selectors.snapshot import inventory_standing
from inventory.selectors.wording import duration_text
from inventory.services.audit import Actor, audit_record
from operations.choices import OPEN_CLEAN_UP_STATES, CleanUpState, FindingKind
from operations.exceptions import InvalidTransitionError, NotFoundError
from operations.models import CleanUp, ScanFinding, SiteScans, StorageScan
from operations.services.known_paths import known_at, path_names
from operations.services.over import plan_report, plans_over
from operations.services.rights import demand_another, demand_reason, demand_site_right
from operations.services.scan_limits import ScanLimits, scan_limits_from_settings
from operations.services.scan_missing import demand_latest
from operations.services.scan_place import why_another_place
from operations.services.scans import DECIDE, scan_for_decision
from operations.services.worker import GatewayFactory, real_gateway
from policies.choices import PlanKind
from policies.services.limits import judge_inventory_age
from policies.services.listed import ListedPath
from policies.services.plans import plan_discard_listed, plan_freeze_listed, plan_release_listed

_STEP = 1000


def dark_that_counts(scan: StorageScan, limits: ScanLimits, *, now: datetime) -> QuerySet[ScanFinding]:
    """Return the dark files of a scan that may be cleaned up: seen twice far enough apart, old enough, of a name that is one."""
    return ScanFinding.objects.filter(
        scan=scan,
        kind=FindingKind.DARK,
        problem="",
        size_bytes__gte=0,
        modified_at__isnull=False,
        modified_at__lte=min(scan.started_at, now) - limits.dark_age,
        first_seen_at__lte=F("seen_at") - limits.dark_age,
    )


def why_no_clean_up(site: SiteStorage, *, gateway: GatewayFactory = real_gateway) -> str:
    """Return why nothing of a site may be cleaned up, empty if it may."""
    setting = SiteScans.objects.filter(pk=site.key).first()
    if site.storage_type == StorageType.MSS and not (setting is not None and setting.lists_tape):
        return (
            f"{site.name} is a tape site, and nobody has said that its lists show what is on tape: what is dark there may be "
            "a copy in the buffer (say so in the scans of the site, if they do)"
        )
    if not (gateway(site).shows_links or (setting is not None and setting.has_no_links)):
        return (
            f"the storage of {site.name} does not show symbolic links: one file could be seen under two names, and the known one "
            "would go with the dark one (if it holds none, say so in the scans of the site)"
        )
    return ""


def clean_up_create(
    *,
    scan_id: int,
    actor: Actor,
    reason: str,
    now: datetime | None = None,
    limits: ScanLimits | None = None,
    gateway: GatewayFactory = real_gateway,
) -> CleanUp:
    """Freeze the dark files of a scan that count as the list of a plan; nothing is deleted before it is released.

    Raises ``PermissionDenied`` without ``inventory.decide_scan`` at the site, ``InvalidTransitionError`` unless the scan is the
    latest of its site and done, where none counts, where nothing may be cleaned up, or without a reason.
    """
    at, limits = now or timezone.now(), limits or scan_limits_from_settings()
    with transaction.atomic():
        scan = scan_for_decision(scan_id, actor, DECIDE, reason)
        demand_latest(scan)
        waiting = CleanUp.objects.filter(site_name=scan.site_name, state__in=OPEN_CLEAN_UP_STATES).first()
        if waiting is not None:
            raise InvalidTransitionError(f"{waiting} is {waiting.get_state_display()}: decide on it, or wait until it is done")
        site = _site_in_place(scan)
        if problem := why_no_clean_up(site, gateway=gateway):
            raise InvalidTransitionError(problem)
        counting = dark_that_counts(scan, limits, now=at)
        if not counting.exists():
            apart = duration_text(limits.dark_age)
            raise InvalidTransitionError(
                f"{scan}: no dark file has been seen twice at least {apart} apart and is older than that"
            )
        title = f"clean-up of {scan.site_name} after scan {scan.pk}"
        plan = plan_freeze_listed(kind=PlanKind.CLEAN_UP, title=title, items=_items(counting, site, scan), actor=actor)
        made = CleanUp.objects.create(
            scan=scan,
            site_name=scan.site_name,
            plan_id=plan.pk,
            asked_by_id=actor.user.pk if actor.user is not None else None,
            asked_by_name=actor.name[:150],
            reason=reason[:512],
        )
        details = {"plan": plan.pk, "digest": plan.digest, "files": plan.num_items, "bytes": plan.size_bytes, "scan": scan.pk}
        _audit("operations.clean_up_create", made, actor, reason, details)
    return made


def _site_in_place(scan: StorageScan) -> SiteStorage:
    """Return the site of a scan. Raises ``NotFoundError``, and ``InvalidTransitionError`` where its storage has moved."""
    site = site_storage([scan.site_name]).get(scan.site_name)
    if site is None:
        raise NotFoundError(f"there is no site {scan.site_name} any more")
    if problem := why_another_place(scan, site):
        raise InvalidTransitionError(problem)
    return site


def _items(counting: QuerySet[ScanFinding], site: SiteStorage, scan: StorageScan) -> Iterator[ListedPath]:
    """Yield the files of a list in the order of their paths, but for those that somebody knows by now."""
    names = path_names(site)
    if names.problem:
        raise InvalidTransitionError(names.problem)
    last = 0
    while some := list(counting.filter(pk__gt=last).order_by("pk")[:_STEP]):
        last = some[-1].pk
        known = known_at([finding.path for finding in some], names)
        for finding in some:
            if finding.path not in known and finding.modified_at is not None:
                yield ListedPath(
                    site_name=site.name,
                    path=finding.path,
                    size_bytes=finding.size_bytes,
                    modified_at=finding.modified_at,
                    rule_text=f"known to nobody since {finding.first_seen_at:%Y-%m-%d}, as scan {scan.pk} saw it",
                )


def clean_up_release(*, clean_up_id: int, digest: str, actor: Actor, reason: str, now: datetime | None = None) -> CleanUp:
    """Let the files of a frozen list be deleted; *digest* must be that of the list that was looked at.

    It takes another person than the one who had it frozen: what goes, nobody has named. Where the inventory is too old the plan
    is held, as that of a cycle would be: what it does not know yet is not dark.

    Raises ``PermissionDenied`` without ``inventory.decide_scan`` at the site, ``OwnRequestError`` for one's own list,
    ``InvalidTransitionError`` unless it waits, for another digest, where the storage has moved, or without a reason.
    """
    at = now or timezone.now()
    with transaction.atomic():
        row = _locked(clean_up_id, actor, reason)
        if row.state != CleanUpState.WAITING:
            raise InvalidTransitionError(f"{row} is {row.get_state_display()}: nothing is left to decide")
        demand_another(actor, asked_by=row.asked_by_id, asked_by_name=row.asked_by_name, what=str(row))
        if digest != row.plan.digest:
            raise InvalidTransitionError(f"{row} is not the list with the digest {digest[:16]}: look at it, and release that one")
        _site_in_place(row.scan)
        _decide(row, CleanUpState.RELEASED, actor, reason, at)
        readings = [judge_inventory_age(inventory_standing(), at)]
        plan = plan_release_listed(plan_id=row.plan_id, actor=actor, reason=reason[:512], readings=readings)
        _audit(
            "operations.clean_up_release", row, actor, reason, {"plan": plan.pk, "digest": plan.digest, "plan_state": plan.state}
        )
    return row


def clean_up_discard(*, clean_up_id: int, actor: Actor, reason: str, now: datetime | None = None) -> CleanUp:
    """Give a list up; of one that was released, what has not been begun stays.

    Raises ``PermissionDenied`` without ``inventory.decide_scan`` at the site, ``InvalidTransitionError`` where it is over, or
    without a reason.
    """
    at = now or timezone.now()
    with transaction.atomic():
        row = _locked(clean_up_id, actor, reason)
        if row.state not in OPEN_CLEAN_UP_STATES:
            raise InvalidTransitionError(f"{row} is {row.get_state_display()}: nothing is left to decide")
        plan_discard_listed(plan_id=row.plan_id, actor=Actor(actor.name), reason=reason[:512])
        _decide(row, CleanUpState.DISCARDED, actor, reason, at)
        row.finished_at = at
        row.save(update_fields=["finished_at"])
        _audit("operations.clean_up_discard", row, actor, reason, {"plan": row.plan_id})
    return row


def clean_ups_sweep(*, now: datetime) -> tuple[int, ...]:
    """Close the released clean-ups whose plans are over, with a report; return their keys. Safe to run in any number at once."""
    over = plans_over(CleanUp.objects.filter(state=CleanUpState.RELEASED))
    for one in over:
        with transaction.atomic():
            row = CleanUp.objects.select_for_update(of=("self",)).filter(pk=one.row_key).first()
            if row is None or row.state != CleanUpState.RELEASED:
                continue
            row.state = CleanUpState.DISCARDED if one.is_discarded else CleanUpState.DONE
            row.finished_at, row.report = now, plan_report(one.plan_id)
            row.save(update_fields=["state", "finished_at", "report"])
            _audit("operations.clean_up_over", row, Actor("sweeper"), "", row.report)
    return tuple(one.row_key for one in over)


def _locked(clean_up_id: int, actor: Actor, reason: str) -> CleanUp:
    row = CleanUp.objects.select_for_update(of=("self",)).select_related("plan", "scan").filter(pk=clean_up_id).first()
    if row is None:
        raise NotFoundError(f"there is no clean-up {clean_up_id}: see the command scan for those there are")
    demand_site_right(actor, DECIDE, row.site_name)
    demand_reason(reason, "it is kept with the clean-up and in the audit trail")
    return row


def _decide(row: CleanUp, state: CleanUpState, actor: Actor, reason: str, at: datetime) -> None:
    row.state, row.decided_at, row.decided_by_name, row.decided_reason = state, at, actor.name[:150], reason[:512]
    row.decided_by_id = actor.user.pk if actor.user is not None else None
    row.save(update_fields=["state", "decided_at", "decided_by", "decided_by_name", "decided_reason"])


def _audit(action: str, row: CleanUp, actor: Actor, reason: str, details: dict[str, Any]) -> None:
    audit_record(actor=actor, action=action, subject=f"{row}"[:640], reason=reason, details=details)
