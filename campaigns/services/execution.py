"""Executing: the frozen list is released once all that must be said has been said; then paused, resumed, ended."""

from __future__ import annotations

from datetime import datetime

from django.core.exceptions import PermissionDenied
from django.db import transaction

from campaigns.choices import CampaignAction, CampaignState, ExceptionState
from campaigns.exceptions import NotReady, TooEarly, TooLate
from campaigns.models import Campaign, ExceptionRequest, Revision
from campaigns.selectors.quorum import quorum_of
from campaigns.services.campaigns import plan_give_up
from campaigns.services.readings import check_readings, readings_passed
from campaigns.services.transitions import (
    campaign_lock,
    campaign_lock_for,
    campaign_move,
    current_revision,
    demand_reason,
    storable,
)
from inventory.services.audit import Actor
from policies.choices import PlanState
from policies.selectors.plan_items import plan_states
from policies.services.limits import Reading
from policies.services.plans import plan_release_listed


@transaction.atomic
def campaign_execute(*, campaign_id: int, actor: Actor, now: datetime) -> Campaign:
    """Release exactly the frozen list for deletion; what was marked as dropped stays, each item is looked at again in its turn.

    Raises ``PermissionDenied`` (the system itself may only where the campaign says so), `InvalidTransition` unless it is
    approved, `TooEarly` before the closing date or the earliest start, `TooLate` after the expiry, `NotReady` while an exception
    waits for a decision, the quorum does not hold, or a safety limit trips that nobody who signed saw (inventory or feeds of
    facts too old, belts), ``PlanAlteredError`` where the list is not what was signed.
    """
    campaign = campaign_lock_for(campaign_id, CampaignAction.EXECUTE, actor)
    if actor.user is None and not campaign.starts_by_itself:
        raise PermissionDenied(f"'{campaign}' does not start by itself: somebody with the right must execute it.")
    revision = current_revision(campaign)
    readings = check_execution(campaign, revision, now)
    signatures = quorum_of(revision).given
    plan_release_listed(
        plan_id=revision.plan_id,
        actor=actor,
        reason=f"campaign {campaign.pk} r{revision.number}, {signatures} signature{'' if signatures == 1 else 's'}",
        readings=readings,
        passed=readings_passed(revision),
        digest=revision.digest,
    )
    campaign.started_at = now
    details = {"revision": revision.number, "digest": revision.digest, "plan": revision.plan_id}
    campaign_move(campaign, CampaignAction.EXECUTE, actor=actor, now=now, details=details, changed=["started_at"])
    return campaign


def check_execution(campaign: Campaign, revision: Revision, now: datetime) -> list[Reading]:
    """Return what the safety limits read of the list; raise what keeps an approved campaign from being executed now."""
    for moment, what in ((campaign.exceptions_close_at, "exceptions close"), (campaign.earliest_start_at, "it may start")):
        if moment is None or now < moment:
            raise TooEarly(f"{what} at {moment:%Y-%m-%d %H:%M} UTC: nothing is deleted before")
    if campaign.expires_at is None or now >= campaign.expires_at:
        raise TooLate(f"the campaign expired at {campaign.expires_at:%Y-%m-%d %H:%M} UTC: nothing of it is deleted any more")
    waiting = ExceptionRequest.objects.filter(campaign=campaign, state=ExceptionState.ASKED).count()
    if waiting:
        raise NotReady(f"{waiting} exception{'' if waiting == 1 else 's'} wait for a decision: decide them first")
    quorum = quorum_of(revision)
    if not quorum.is_met:
        raise NotReady(f"the signatures do not suffice (any more): {'; '.join(quorum.missing)}")
    return check_readings(campaign, revision, now)


@transaction.atomic
def campaign_pause(*, campaign_id: int, reason: str, actor: Actor, now: datetime) -> Campaign:
    """Stop a campaign that executes: no further item is taken up until it is resumed.

    What a worker deletes at this moment comes to its end. Raises ``PermissionDenied``, `InvalidTransition`, `InvalidInput`.
    """
    campaign = campaign_lock_for(campaign_id, CampaignAction.PAUSE, actor)
    reason = demand_reason(reason, "it is paused")
    campaign_move(campaign, CampaignAction.PAUSE, actor=actor, now=now, reason=reason)
    return campaign


@transaction.atomic
def campaign_resume(*, campaign_id: int, actor: Actor, now: datetime, reason: str = "") -> Campaign:
    """Let a paused campaign go on. Raises ``PermissionDenied``, `InvalidTransition`, `TooLate` after the expiry."""
    campaign = campaign_lock_for(campaign_id, CampaignAction.RESUME, actor)
    if campaign.expires_at is not None and now >= campaign.expires_at:
        raise TooLate(f"the campaign expired at {campaign.expires_at:%Y-%m-%d %H:%M} UTC: nothing of it is deleted any more")
    campaign_move(campaign, CampaignAction.RESUME, actor=actor, now=now, reason=storable(reason))
    return campaign


@transaction.atomic
def campaign_expire(*, campaign_id: int, actor: Actor, now: datetime) -> Campaign:
    """End a campaign whose time is over: nothing more of it is deleted. Raises `InvalidTransition`, `TooEarly`."""
    campaign = campaign_lock_for(campaign_id, CampaignAction.EXPIRE, actor)
    if campaign.expires_at is None or now < campaign.expires_at:
        raise TooEarly(f"campaign {campaign.pk} does not expire before {campaign.expires_at}")
    plan_give_up(campaign, reason="campaign expired", actor=actor)
    campaign.finished_at = now
    reason = f"expired at {campaign.expires_at:%Y-%m-%d %H:%M} UTC"
    campaign_move(campaign, CampaignAction.EXPIRE, actor=actor, now=now, reason=reason, changed=["finished_at"])
    return campaign


@transaction.atomic
def campaign_settle(*, campaign_id: int, actor: Actor, now: datetime) -> Campaign:
    """Note what has become of the list of a campaign under way: completed when nothing is left, cancelled if it was discarded."""
    campaign = campaign_lock(campaign_id)
    if campaign.state not in (CampaignState.EXECUTING, CampaignState.PAUSED):
        return campaign
    revision = current_revision(campaign)
    state = plan_states([revision.plan_id]).get(revision.plan_id)
    details = {"plan": revision.plan_id}
    if state == PlanState.DONE:
        campaign.finished_at = now
        campaign_move(campaign, CampaignAction.COMPLETE, actor=actor, now=now, details=details, changed=["finished_at"])
    elif state == PlanState.DISCARDED:
        campaign.finished_at = now
        reason = f"plan {revision.plan_id} was discarded: nothing more of it is deleted"
        campaign_move(
            campaign, CampaignAction.CANCEL, actor=actor, now=now, reason=reason, details=details, changed=["finished_at"]
        )
    return campaign
