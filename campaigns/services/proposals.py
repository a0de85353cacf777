"""Proposing: the studied list becomes what people are told of and sign."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from campaigns.choices import CampaignAction
from campaigns.exceptions import InvalidInput, QuorumImpossible
from campaigns.models import Campaign, Revision
from campaigns.selectors.quorum import num_who_could_sign, quorum_of
from campaigns.services.campaigns import rights_give
from campaigns.services.transitions import campaign_lock_for, campaign_move, current_revision
from inventory.selectors.wording import duration_text
from inventory.services.audit import Actor
from policies.services.cycles import parsed_policy


def usual_notice() -> timedelta:
    """Return how long before exceptions close a campaign must be announced, unless somebody says why not."""
    return timedelta(days=settings.DYNAMO_CAMPAIGN_NOTICE_DAYS)


@transaction.atomic
def campaign_propose(*, campaign_id: int, actor: Actor, now: datetime) -> Campaign:
    """Freeze the studied list as what is to be signed, and announce it; who proposes never signs it.

    Raises ``PermissionDenied``, `InvalidTransition` unless it is studied, `InvalidInput` where the actor has no account or the
    time table is not complete, in order and in the future, or gives less than the usual notice without a reason,
    `QuorumImpossible` where a group that must sign has nobody who could, ``PolicyInvalidError`` where the text does not parse
    (any more).
    """
    campaign = campaign_lock_for(campaign_id, CampaignAction.PROPOSE, actor)
    if actor.user is None:
        raise InvalidInput("a campaign is proposed by a person: name the account")
    revision = current_revision(campaign)
    check_times(campaign, now)
    parsed_policy(revision.text, f"campaign '{campaign}'", partition_name=campaign.partition.name)
    check_quorum_possible(revision, actor.user.pk)
    revision.proposed_at, revision.proposed_by_id = now, actor.user.pk
    revision.save(update_fields=["proposed_at", "proposed_by"])
    rights_give(campaign)
    campaign.announced_at = now
    campaign_move(
        campaign,
        CampaignAction.PROPOSE,
        actor=actor,
        now=now,
        reason=campaign.notice_reason,
        details={
            "revision": revision.number,
            "digest": revision.digest,
            "items": revision.num_items,
            "size_bytes": revision.size_bytes,
        },
        changed=["announced_at"],
    )
    return campaign


def check_times(campaign: Campaign, now: datetime) -> None:
    """Raise `InvalidInput` unless the time table is complete, in the future and gives enough notice (or says why not)."""
    names = {
        "exceptions close": campaign.exceptions_close_at,
        "earliest start": campaign.earliest_start_at,
        "expiry": campaign.expires_at,
    }
    missing = [name for name, moment in names.items() if moment is None]
    if missing:
        raise InvalidInput(f"the time table has no {', '.join(missing)}: edit the campaign first")
    closes = campaign.exceptions_close_at
    if closes is None or closes <= now:
        raise InvalidInput("exceptions would close in the past: nobody could object; choose a later time")
    notice = usual_notice()
    if closes - now < notice and not campaign.notice_reason.strip():
        raise InvalidInput(
            f"exceptions close in {duration_text(closes - now)}, the usual notice is {duration_text(notice)}: "
            "give more time, or say why not (the reason is shown to everybody)"
        )


def check_quorum_possible(revision: Revision, proposer_id: int) -> None:
    """Raise `QuorumImpossible` where not enough active accounts beside the proposer could sign, in all or of a group."""
    quorum = quorum_of(revision, proposer_id=proposer_id)
    if quorum.impossible:
        raise QuorumImpossible(
            f"nobody could sign for {', '.join(quorum.impossible)}: the group has not enough active members beside who proposes; "
            "add members, change the quorum of the partition, or let somebody else propose"
        )
    possible = num_who_could_sign(revision.campaign, proposer_id=proposer_id)
    if possible < quorum.needed:
        raise QuorumImpossible(
            f"{possible} of {quorum.needed} signatures could be given: too few active accounts beside who proposes may sign; "
            "give the right to more, or let somebody else propose"
        )
