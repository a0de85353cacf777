"""The one way in which a campaign changes: locked, right and state asked again, saved, an event and an audit row, a wake-up.

Locks are taken in the order campaign, exception or revision, plan, audit trail; claims of deletions take the campaign before
the plan, too.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import transaction

from campaigns.choices import CampaignAction
from campaigns.exceptions import InvalidInput, NotFound
from campaigns.lifecycle import next_state
from campaigns.models import Campaign, CampaignEvent, Revision
from campaigns.permissions import RIGHT_OF, require
from campaigns.signals import campaign_moved
from inventory.services.audit import Actor, audit_record

logger = logging.getLogger(__name__)


def campaign_lock(campaign_id: int) -> Campaign:
    """Return the campaign, locked until the transaction ends. Raises `NotFound`."""
    found = (
        Campaign.objects.select_for_update(of=("self",)).select_related("partition", "coordinator").filter(pk=campaign_id).first()
    )
    if found is None:
        raise NotFound(f"there is no campaign {campaign_id}")
    return found


def campaign_lock_for(campaign_id: int, action: CampaignAction, actor: Actor) -> Campaign:
    """Lock the campaign, then ask right and state. Raises `NotFound`, ``PermissionDenied``, `InvalidTransition`."""
    campaign = campaign_lock(campaign_id)
    right = RIGHT_OF.get(action)
    if right is not None:
        require(actor, right, campaign)
    next_state(campaign.state, action)
    return campaign


def current_revision(campaign: Campaign) -> Revision:
    """Return the campaign's revision that counts, locked. Raises `NotFound` where it was never studied or was revised since."""
    found = (
        Revision.objects.select_for_update(of=("self",))
        .filter(campaign=campaign, is_current=True)
        .select_related("campaign")
        .first()
    )
    if found is None:
        raise NotFound(f"the campaign '{campaign}' has no list: study it first")
    return found


def campaign_move(
    campaign: Campaign,
    action: CampaignAction,
    *,
    actor: Actor,
    now: datetime,
    reason: str = "",
    details: Mapping[str, Any] | None = None,
    changed: Sequence[str] = (),
) -> CampaignEvent:
    """Move a locked campaign on by *action*, save the fields *changed*, and write the act down; runs in the caller's transaction.

    Called last: it locks the end of the audit trail.
    """
    before = campaign.state
    after = next_state(before, action)
    fields = list(changed)
    if after != before:
        campaign.state, campaign.state_reason = after, reason
        fields += ["state", "state_reason"]
    if fields:
        campaign.full_clean(validate_unique="title" in fields)
        campaign.save(update_fields=fields)
    event = event_add(campaign, action.value, before, actor=actor, now=now, reason=reason, details=details)
    if after != before:
        logger.info("campaign %s is %s", campaign.pk, after.label, extra={"campaign_id": campaign.pk, "state": after.value})
        campaign_tell_moved(campaign.pk)
    return event


def event_add(
    campaign: Campaign,
    action: str,
    before: str,
    *,
    actor: Actor,
    now: datetime,
    reason: str = "",
    details: Mapping[str, Any] | None = None,
) -> CampaignEvent:
    """Append an event and the same to the audit trail; the state is that of *campaign* now."""
    content = dict(details or {})
    audit = audit_record(
        actor=actor,
        action=f"campaigns.{action.lower()}",
        subject=f"campaign {campaign.pk}",
        reason=reason,
        details={"title": campaign.title, "from": before, "to": campaign.state} | content,
    )
    return CampaignEvent.objects.create(
        campaign=campaign,
        at=now,
        actor=actor.name,
        user_id=None if actor.user is None else actor.user.pk,
        action=action,
        from_state=before,
        to_state=campaign.state,
        reason=reason,
        details=content,
        audit_event=audit,
    )


def campaign_tell_moved(campaign_id: int) -> None:
    """Wake whoever tells people, after the commit; the periodic work finds what nobody was woken for."""
    transaction.on_commit(lambda: campaign_moved.send(sender=Campaign, campaign_id=campaign_id), robust=True)


def demand_reason(reason: str, what: str) -> str:
    """Return the reason without blanks around it. Raises `InvalidInput` where there is none."""
    if not reason.strip():
        raise InvalidInput(f"say why {what}: the reason is shown to everybody and kept")
    return storable(reason)


def storable(text: str) -> str:
    """Return what somebody wrote without blanks around it. Raises `InvalidInput` for what not every database takes."""
    if "\x00" in text:
        raise InvalidInput("the text holds a NUL character: write it without")
    return text.strip()
