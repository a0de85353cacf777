"""Deletion requests: somebody asks for data at sites to go, somebody else decides, the pipeline does it, a report says how.

The list is frozen when it is asked for, so that what is decided on is what was shown: later arrivals are not in it, and what
changed drops out at the last look.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from inventory.selectors.replicas import block_replicas_by_key, block_replicas_matching
from inventory.selectors.sites import sites_without_right
from inventory.selectors.snapshot import inventory_standing
from inventory.services.audit import Actor, audit_record
from operations.choices import DeletionRequestState
from operations.constants import MAX_REQUESTED_REPLICAS
from operations.exceptions import InvalidTransitionError, NotFoundError
from operations.models import DeletionRequest
from operations.selectors.requests import is_anything_left
from operations.services.listing import listed_whole
from operations.services.over import plan_report, plans_over
from operations.services.rights import demand_another, demand_reason, demand_right
from policies.choices import PlanKind
from policies.selectors.plans import plan_replicas_at
from policies.services.belonging import APPROVE_DELETION as APPROVE_IN_PARTITION
from policies.services.belonging import replicas_outside
from policies.services.limits import judge_inventory_age
from policies.services.plans import plan_discard_listed, plan_freeze_listed, plan_release_listed

logger = logging.getLogger(__name__)

ADD_REQUEST = "operations.add_deletionrequest"
APPROVE = "inventory.approve_deletion"

_KEPT = "it is shown to whoever decides and kept in the audit trail"
_OPEN = (DeletionRequestState.WAITING, DeletionRequestState.APPROVED)


def deletion_request_create(
    *,
    dataset_pattern: str,
    site_pattern: str,
    actor: Actor,
    reason: str,
    block_pattern: str = "*",
    allows_last_copy: bool = False,
) -> DeletionRequest:
    """Ask that what the patterns match now be deleted (``*`` any text, ``?`` any character); nothing is deleted by that.

    Raises ``PermissionDenied`` without ``operations.add_deletionrequest``, ``InvalidTransitionError`` without a reason, where
    nothing matches, or more than a person can decide on.
    """
    demand_reason(reason, _KEPT)
    with transaction.atomic():
        demand_right(actor, ADD_REQUEST, "ask for deletions")
        rows = block_replicas_matching(
            dataset=dataset_pattern, block=block_pattern, site=site_pattern, limit=MAX_REQUESTED_REPLICAS + 1
        )
        if not rows:
            raise InvalidTransitionError(
                f"nothing is at {site_pattern} that is called {dataset_pattern}#{block_pattern}: look at the names, * is any text"
            )
        if len(rows) > MAX_REQUESTED_REPLICAS:
            raise InvalidTransitionError(
                f"more than {MAX_REQUESTED_REPLICAS:,} block replicas: ask for less at a time, or plan a campaign"
            )
        title = f"request of {actor.name}: {dataset_pattern} at {site_pattern}"
        why = f"asked for by {actor.name}: {reason}"
        items = (listed_whole(row, why, may_be_last_copy=allows_last_copy) for row in rows)
        plan = plan_freeze_listed(kind=PlanKind.REQUEST, title=title[:512], items=items, actor=actor)
        request = DeletionRequest.objects.create(
            dataset_pattern=dataset_pattern,
            block_pattern=block_pattern,
            site_pattern=site_pattern,
            allows_last_copy=allows_last_copy,
            reason=reason[:512],
            requested_by_id=actor.user.pk if actor.user is not None else None,
            requested_by_name=actor.name[:150],
            plan_id=plan.pk,
            sites=sorted({row.site for row in rows}),
        )
        details = {"plan": plan.pk, "digest": plan.digest, "block_replicas": plan.num_items, "bytes": plan.size_bytes}
        _audit("operations.request_create", request, actor, reason, details | {"allows_last_copy": allows_last_copy})
    return request


def deletion_request_approve(
    *, request_id: int, actor: Actor, reason: str, allow_last_copy: bool = False, now: datetime | None = None
) -> DeletionRequest:
    """Let what was asked for be deleted, as it was frozen. *allow_last_copy* must say by name what the request asked by name.

    Where the inventory is too old the plan is held, as that of a cycle would be. The fractions that bound automatic cycles do not
    judge it: two people stand for it.

    Raises ``PermissionDenied`` without ``inventory.approve_deletion``, in general or on every site of it, or else
    ``policies.approve_deletion`` on partitions that hold what is listed at the other sites, ``OwnRequestError`` for
    one's own request, ``InvalidTransitionError`` unless it waits, without a reason, or where last copies are not allowed by name.
    """
    demand_reason(reason, _KEPT)
    at = now or timezone.now()
    with transaction.atomic():
        request = _locked(request_id)
        _demand_right(request, actor, at)
        demand_another(actor, asked_by=request.requested_by_id, asked_by_name=request.requested_by_name, what=str(request))
        _demand_state(request, DeletionRequestState.WAITING)
        if request.allows_last_copy != allow_last_copy:
            asked = (
                "asks that last copies go, too: say so by name, or reject it"
                if request.allows_last_copy
                else ("does not ask that last copies go: approve it without that")
            )
            raise InvalidTransitionError(f"{request} {asked}")
        _decide(request, DeletionRequestState.APPROVED, actor, reason, at)
        readings = [judge_inventory_age(inventory_standing(), at)]
        plan = plan_release_listed(plan_id=request.plan_id, actor=actor, reason=reason[:512], readings=readings)
        details = {"plan": plan.pk, "digest": plan.digest, "plan_state": plan.state, "allow_last_copy": allow_last_copy}
        _audit("operations.request_approve", request, actor, reason, details)
    return request


def deletion_request_reject(*, request_id: int, actor: Actor, reason: str, now: datetime | None = None) -> DeletionRequest:
    """Refuse what was asked for; nothing of it is deleted.

    Raises ``PermissionDenied`` without the right to approve it, ``InvalidTransitionError`` unless it waits, or without a reason.
    """
    demand_reason(reason, _KEPT)
    with transaction.atomic():
        request = _locked(request_id)
        _demand_right(request, actor, now or timezone.now())
        _demand_state(request, DeletionRequestState.WAITING)
        _discard(request, DeletionRequestState.REJECTED, actor, reason, now or timezone.now())
        _audit("operations.request_reject", request, actor, reason, {"plan": request.plan_id})
    return request


def deletion_request_cancel(*, request_id: int, actor: Actor, reason: str, now: datetime | None = None) -> DeletionRequest:
    """Take a request back; of one that was approved, what has not been begun stays.

    Its requester may, and whoever may approve it. Raises ``PermissionDenied``, ``InvalidTransitionError`` where it is over, or
    without a reason.
    """
    demand_reason(reason, _KEPT)
    with transaction.atomic():
        request = _locked(request_id)
        is_own = actor.user is not None and request.requested_by_id == actor.user.pk
        if not is_own:
            _demand_right(request, actor, now or timezone.now())
        _demand_state(request, *_OPEN)
        _discard(request, DeletionRequestState.CANCELLED, actor, reason, now or timezone.now())
        _audit("operations.request_cancel", request, actor, reason, {"plan": request.plan_id})
    return request


def deletion_requests_sweep(*, now: datetime) -> tuple[int, ...]:
    """Close the approved requests whose plans are over, with a report, and those that ask for what is gone; return their keys.

    Safe to run in any number at once.
    """
    over = plans_over(DeletionRequest.objects.filter(state=DeletionRequestState.APPROVED))
    for one in over:
        with transaction.atomic():
            request = DeletionRequest.objects.select_for_update(of=("self",)).filter(pk=one.row_key).first()
            if request is None or request.state != DeletionRequestState.APPROVED:
                continue
            request.state = DeletionRequestState.CANCELLED if one.is_discarded else DeletionRequestState.DONE
            request.finished_at = now
            request.report = plan_report(one.plan_id)
            request.save(update_fields=["state", "finished_at", "report"])
            _audit("operations.request_over", request, Actor("sweeper"), "", request.report)
    return *(one.row_key for one in over), *_of_nothing_left_cancel(now)


def _of_nothing_left_cancel(now: datetime) -> tuple[int, ...]:
    """Cancel the requests that wait for a decision and of whose list nothing is in the inventory any more; return their keys."""
    closed: list[int] = []
    waiting = DeletionRequest.objects.filter(state=DeletionRequestState.WAITING).order_by("pk")
    # Looked up without the lock, which a long list would hold for seconds; what comes back meanwhile can be asked for again.
    for key in [request.pk for request in waiting if not is_anything_left(request)]:
        with transaction.atomic():
            request = _locked(key)
            if request.state != DeletionRequestState.WAITING:
                continue
            actor, reason = Actor("sweeper"), "nothing of what it lists is in the inventory any more"
            _discard(request, DeletionRequestState.CANCELLED, actor, reason, now)
            _audit("operations.request_cancel", request, actor, reason, {"plan": request.plan_id})
            closed.append(key)
    return tuple(closed)


def _locked(request_id: int) -> DeletionRequest:
    request = DeletionRequest.objects.select_for_update(of=("self",)).filter(pk=request_id).first()
    if request is None:
        raise NotFoundError(f"there is no deletion request {request_id}: see the command deletion_requests for those there are")
    return request


def _demand_right(request: DeletionRequest, actor: Actor, at: datetime) -> None:
    """Refuse whoever may approve deletions neither at a site of the list nor in a partition that holds what is listed there."""
    if actor.user is None:
        return
    without = sites_without_right(actor.user, APPROVE, request.sites)
    if not without:
        return
    listed = plan_replicas_at(request.plan_id, without)
    outside = replicas_outside(actor.user, listed, now=at)
    # What has gone meanwhile is nobody's any more; but who answers for nothing of the list decides nothing.
    if not outside or (len(outside) < len(listed) and not block_replicas_by_key(sorted(outside))):
        return
    where = ", ".join(without[:5])
    raise PermissionDenied(
        f"{actor.name} lacks the right {APPROVE} at {where}, and {APPROVE_IN_PARTITION} on partitions that hold all that is "
        f"listed there: {len(outside):,} of {len(listed):,} block replicas are in none"
    )


def _demand_state(request: DeletionRequest, *allowed: DeletionRequestState) -> None:
    if request.state not in allowed:
        raise InvalidTransitionError(f"{request} is {request.get_state_display()}: nothing is left to decide")


def _decide(request: DeletionRequest, state: DeletionRequestState, actor: Actor, reason: str, at: datetime) -> None:
    request.state = state
    request.decided_at = at
    request.decided_by_id = actor.user.pk if actor.user is not None else None
    request.decided_by_name = actor.name[:150]
    request.decided_reason = reason[:512]
    request.save(update_fields=["state", "decided_at", "decided_by", "decided_by_name", "decided_reason"])


def _discard(request: DeletionRequest, state: DeletionRequestState, actor: Actor, reason: str, at: datetime) -> None:
    """Decide and give up the plan, unless somebody did by itself: the right that this takes was asked."""
    plan_discard_listed(plan_id=request.plan_id, actor=actor, reason=reason[:512])
    _decide(request, state, actor, reason, at)
    request.finished_at = at
    request.save(update_fields=["finished_at"])


def _audit(action: str, request: DeletionRequest, actor: Actor, reason: str, details: dict[str, Any]) -> None:
    audit_record(
        actor=actor,
        action=action,
        subject=f"{request}: {request.what} at {request.site_pattern}"[:640],
        reason=reason,
        details=details,
    )
