"""What an account may do with a campaign at this moment, and why not the rest: what buttons and the API show. Writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import PermissionDenied

from campaigns.choices import CampaignAction
from campaigns.exceptions import CampaignError, TooLate
from campaigns.lifecycle import next_state
from campaigns.models import Campaign, GroupRepresentative, Revision
from campaigns.permissions import RIGHT_OF, require
from campaigns.services.approvals import check_signature
from campaigns.services.execution import check_execution
from campaigns.services.proposals import check_quorum_possible, check_times
from inventory.services.audit import Actor

#: Acts that people start, in the order in which they come.
OFFERED = (
    CampaignAction.EDIT,
    CampaignAction.STUDY,
    CampaignAction.PROPOSE,
    CampaignAction.ASK,
    CampaignAction.DECIDE,
    CampaignAction.SIGN,
    CampaignAction.EXECUTE,
    CampaignAction.PAUSE,
    CampaignAction.RESUME,
    CampaignAction.REVISE,
    CampaignAction.CANCEL,
)


@dataclass(frozen=True, slots=True)
class Offer:
    """One act: possible now, or why not. ``is_permitted``: the account has the right, whatever state and time say."""

    action: CampaignAction
    is_permitted: bool
    why_not: str

    @property
    def is_possible(self) -> bool:
        return not self.why_not


def actions_offered(*, campaign: Campaign, actor: Actor, now: datetime) -> tuple[Offer, ...]:
    """Return every act with what keeps *actor* from it now; the act itself asks all of it again, under lock."""
    revision = Revision.objects.select_related("campaign").filter(campaign=campaign, is_current=True).first()
    return tuple(_offer(action, campaign, revision, actor, now) for action in OFFERED)


def _offer(action: CampaignAction, campaign: Campaign, revision: Revision | None, actor: Actor, now: datetime) -> Offer:
    try:
        _check_right(action, campaign, actor)
    except PermissionDenied as denied:
        return Offer(action, is_permitted=False, why_not=str(denied))
    try:
        next_state(campaign.state, action)
        _check_more(action, campaign, revision, actor, now)
    except CampaignError as refused:
        return Offer(action, is_permitted=True, why_not=str(refused))
    return Offer(action, is_permitted=True, why_not="")


def _check_right(action: CampaignAction, campaign: Campaign, actor: Actor) -> None:
    is_speaker = (
        action == CampaignAction.DECIDE
        and actor.user is not None
        and GroupRepresentative.objects.filter(user_id=actor.user.pk).exists()
    )
    right = RIGHT_OF.get(action)
    if right is not None and not is_speaker:
        require(actor, right, campaign)


def _check_more(action: CampaignAction, campaign: Campaign, revision: Revision | None, actor: Actor, now: datetime) -> None:
    if action == CampaignAction.ASK and (campaign.exceptions_close_at is None or now >= campaign.exceptions_close_at):
        raise TooLate(f"exceptions closed at {campaign.exceptions_close_at:%Y-%m-%d %H:%M} UTC")
    if revision is None:
        return
    if action == CampaignAction.PROPOSE and actor.user is not None:
        check_times(campaign, now)
        check_quorum_possible(revision, actor.user.pk)
    elif action == CampaignAction.SIGN:
        check_signature(campaign, revision, digest=None, actor=actor, now=now)
    elif action == CampaignAction.EXECUTE:
        check_execution(campaign, revision, now)
