"""Campaigns from the first idea to the draft that is studied: created, edited, revised, cancelled, talked about."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction
from guardian.shortcuts import assign_perm

from campaigns.choices import CampaignAction, CampaignState
from campaigns.exceptions import InvalidInput, NotFound
from campaigns.models import Campaign, Comment, Revision
from campaigns.permissions import (
    ADD_CAMPAIGN,
    APPROVE_CAMPAIGN,
    CHANGE_CAMPAIGN,
    DECIDE_EXCEPTIONS,
    EXECUTE_CAMPAIGN,
    PAUSE_CAMPAIGN,
    PROPOSE_CAMPAIGN,
    VIEW_CAMPAIGN,
    require,
)
from campaigns.selectors.quorum import approver_groups
from campaigns.services.transitions import (
    campaign_lock,
    campaign_lock_for,
    campaign_move,
    demand_reason,
    event_add,
    storable,
)
from inventory.services.audit import Actor
from policies.selectors.partitions import partition_by_name
from policies.services.plans import plan_discard_listed

#: What the coordinator may do with a campaign of their own.
COORDINATOR_RIGHTS = (VIEW_CAMPAIGN, CHANGE_CAMPAIGN, PROPOSE_CAMPAIGN, PAUSE_CAMPAIGN, EXECUTE_CAMPAIGN, DECIDE_EXCEPTIONS)
#: What those who must sign may do.
APPROVER_RIGHTS = (VIEW_CAMPAIGN, APPROVE_CAMPAIGN, PAUSE_CAMPAIGN)


@dataclass(frozen=True, slots=True)
class Edits:
    """What of a draft is to be changed; None leaves a field as it is."""

    title: str | None = None
    purpose: str | None = None
    text: str | None = None
    site_patterns: str | None = None
    exceptions_close_at: datetime | None = None
    earliest_start_at: datetime | None = None
    expires_at: datetime | None = None
    notice_reason: str | None = None
    starts_by_itself: bool | None = None
    site_bytes_per_day: int | None = None

    def given(self) -> dict[str, Any]:
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name)) is not None}


@transaction.atomic
def campaign_create(
    *,
    title: str,
    purpose: str,
    partition_name: str,
    text: str,
    actor: Actor,
    now: datetime,
    coordinator_login: str = "",
    times: Edits | None = None,
) -> Campaign:
    """Create a draft; the coordinator (default: who creates it) and those who must sign get their rights on it.

    *times* gives the time table and the rest of what `Edits` has. Raises ``PermissionDenied`` without ``campaigns.add_campaign``,
    ``PartitionUnknownError``, `InvalidInput` for values that contradict each other or a title that is taken.
    """
    require(actor, ADD_CAMPAIGN)
    login = coordinator_login or (actor.user.get_username() if actor.user is not None else "")
    coordinator = get_user_model().objects.filter(username=login, is_active=True).first()
    if coordinator is None:
        raise InvalidInput(f"the coordinator {login!r} is no active account: name one")
    campaign = Campaign(
        title=title.strip(),
        purpose=purpose.strip(),
        coordinator=coordinator,
        partition_id=partition_by_name(partition_name).pk,
        text=text,
        created_by=actor.name,
    )
    for name, value in (times or Edits()).given().items():
        setattr(campaign, name, value)
    _clean(campaign)
    campaign.save()
    rights_give(campaign)
    event_add(campaign, "CREATE", CampaignState.DRAFT, actor=actor, now=now, details={"partition": partition_name})
    return campaign


@transaction.atomic
def campaign_edit(*, campaign_id: int, edits: Edits, actor: Actor, now: datetime) -> Campaign:
    """Change a draft. Raises ``PermissionDenied``, `InvalidTransition` unless it is a draft, `InvalidInput`."""
    campaign = campaign_lock_for(campaign_id, CampaignAction.EDIT, actor)
    given = edits.given()
    for name, value in given.items():
        setattr(campaign, name, value.strip() if name in ("title", "purpose") else value)
    _clean(campaign)
    details = {name: "changed" if name in ("text", "purpose") else str(value) for name, value in given.items()}
    campaign_move(campaign, CampaignAction.EDIT, actor=actor, now=now, details=details, changed=list(given))
    return campaign


@transaction.atomic
def campaign_revise(*, campaign_id: int, reason: str, actor: Actor, now: datetime, text: str | None = None) -> Campaign:
    """Take a campaign back to draft: its list is given up and what was signed is void.

    Raises ``PermissionDenied``, `InvalidTransition` where the state does not allow it, `InvalidInput` without a reason.
    """
    campaign = campaign_lock_for(campaign_id, CampaignAction.REVISE, actor)
    reason = demand_reason(reason, "it is revised")
    revision_void(campaign, reason=reason, actor=actor, now=now)
    changed = ["announced_at"]
    campaign.announced_at = None
    if text is not None:
        if not storable(text):
            raise InvalidInput("the text is empty: write the rules of the list")
        campaign.text = text
        changed.append("text")
    campaign_move(campaign, CampaignAction.REVISE, actor=actor, now=now, reason=reason, changed=changed)
    return campaign


@transaction.atomic
def campaign_cancel(*, campaign_id: int, reason: str, actor: Actor, now: datetime) -> Campaign:
    """Give a campaign up for good: nothing that has not been deleted yet will be.

    Raises ``PermissionDenied``, `InvalidTransition` where it is over, `InvalidInput` without a reason.
    """
    campaign = campaign_lock_for(campaign_id, CampaignAction.CANCEL, actor)
    reason = demand_reason(reason, "it is cancelled")
    plan_give_up(campaign, reason=f"campaign cancelled: {reason}", actor=actor)
    campaign.finished_at = now
    campaign_move(campaign, CampaignAction.CANCEL, actor=actor, now=now, reason=reason, changed=["finished_at"])
    return campaign


@transaction.atomic
def campaign_comment(*, campaign_id: int, text: str, actor: Actor, now: datetime) -> Comment:
    """Say something about a campaign; anybody with an account may. Raises `NotFound`, `InvalidInput` for an empty comment."""
    campaign = campaign_lock(campaign_id)
    if not text.strip():
        raise InvalidInput("the comment is empty: write what you want to say")
    comment = Comment.objects.create(
        campaign=campaign,
        author_id=None if actor.user is None else actor.user.pk,
        author_name=actor.name,
        text=storable(text),
        at=now,
    )
    event_add(campaign, "COMMENT", campaign.state, actor=actor, now=now, reason=comment.text)
    return comment


def revision_void(campaign: Campaign, *, reason: str, actor: Actor, now: datetime) -> None:
    """Give up the list of a locked campaign: its signatures count for nothing any more, and nothing of it is deleted."""
    for revision in Revision.objects.select_for_update(of=("self",)).filter(campaign=campaign, is_current=True):
        revision.is_current, revision.voided_at, revision.voided_reason = False, now, reason[:512]
        revision.save(update_fields=["is_current", "voided_at", "voided_reason"])
        plan_discard_listed(plan_id=revision.plan_id, actor=actor, reason=f"{campaign} r{revision.number}: {reason}"[:512])


def plan_give_up(campaign: Campaign, *, reason: str, actor: Actor) -> None:
    """Have nothing more deleted of the list of a locked campaign; the revision stays what was proposed and signed."""
    plan_id = Revision.objects.filter(campaign=campaign, is_current=True).values_list("plan_id", flat=True).first()
    if plan_id is not None:
        plan_discard_listed(plan_id=plan_id, actor=actor, reason=reason[:512])


def rights_give(campaign: Campaign) -> None:
    """Give the coordinator and the groups that must sign their rights on the campaign; what they have already stays."""
    for right in COORDINATOR_RIGHTS:
        assign_perm(right, campaign.coordinator, campaign)
    for name in approver_groups(campaign.partition_id):
        group = Group.objects.get(name=name)
        for right in APPROVER_RIGHTS:
            assign_perm(right, group, campaign)


def site_fits(campaign: Campaign, site_name: str) -> bool:
    """Tell whether the campaign may touch the site."""
    return any(fnmatchcase(site_name, pattern.replace("[", "[[]")) for pattern in campaign.site_patterns.split())


def _clean(campaign: Campaign) -> None:
    for written in (campaign.title, campaign.purpose, campaign.text, campaign.site_patterns, campaign.notice_reason):
        storable(written)
    if not campaign.site_patterns.split():
        raise InvalidInput("name the sites that the campaign may touch, or * for all")
    try:
        campaign.full_clean()
    except ValidationError as error:
        raise InvalidInput("; ".join(f"{name}: {' '.join(found)}" for name, found in error.message_dict.items())) from error


def campaign_get(campaign_id: int) -> Campaign:
    """Return the campaign as it is now. Raises `NotFound`."""
    found = Campaign.objects.select_related("partition", "coordinator").filter(pk=campaign_id).first()
    if found is None:
        raise NotFound(f"there is no campaign {campaign_id}")
    return found
