"""Who may do what with a campaign: an object permission (guardian), or the same right on all campaigns (a role)."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied

from campaigns.choices import CampaignAction
from campaigns.models import Campaign, GroupRepresentative
from inventory.permissions import may
from inventory.services.audit import Actor
from inventory.services.object_rights import rights_of_kind

ADD_CAMPAIGN = "campaigns.add_campaign"
VIEW_CAMPAIGN = "campaigns.view_campaign"
CHANGE_CAMPAIGN = "campaigns.change_campaign"
PROPOSE_CAMPAIGN = "campaigns.propose_campaign"
APPROVE_CAMPAIGN = "campaigns.approve_campaign"
PAUSE_CAMPAIGN = "campaigns.pause_campaign"
EXECUTE_CAMPAIGN = "campaigns.execute_campaign"
DECIDE_EXCEPTIONS = "campaigns.decide_exceptions"
CHANGE_QUORUM = "campaigns.change_quorumrule"
CHANGE_REPRESENTATIVES = "campaigns.change_grouprepresentative"

#: The right that each act of a person takes; asking for an exception takes none, the rest is the system's own.
RIGHT_OF: Mapping[CampaignAction, str] = {
    CampaignAction.EDIT: CHANGE_CAMPAIGN,
    CampaignAction.STUDY: CHANGE_CAMPAIGN,
    CampaignAction.REVISE: CHANGE_CAMPAIGN,
    CampaignAction.PROPOSE: PROPOSE_CAMPAIGN,
    CampaignAction.DECIDE: DECIDE_EXCEPTIONS,
    CampaignAction.SIGN: APPROVE_CAMPAIGN,
    CampaignAction.REJECT: APPROVE_CAMPAIGN,
    CampaignAction.EXECUTE: EXECUTE_CAMPAIGN,
    CampaignAction.PAUSE: PAUSE_CAMPAIGN,
    CampaignAction.RESUME: EXECUTE_CAMPAIGN,
    CampaignAction.CANCEL: CHANGE_CAMPAIGN,
}


def require(actor: Actor, permission: str, campaign: Campaign | None = None) -> None:
    """Raise ``PermissionDenied`` unless *actor* has the right, on the campaign or in general.

    An actor without an account is a part of the system, or somebody at a shell of the server, who has the database anyway.
    """
    if actor.user is not None and not may(actor.user, permission, campaign, afresh=True):
        where = f" on the campaign '{campaign}'" if campaign is not None else ""
        raise PermissionDenied(f"{actor.name} lacks the right {permission!r}{where}.")


def campaign_rights_offered(user: AbstractBaseUser | AnonymousUser) -> frozenset[str]:
    """Return the rights on campaigns that *user* may give and take: every one for who may say who must sign, at this moment."""
    return frozenset(rights_of_kind(Campaign) if may(user, CHANGE_QUORUM, afresh=True) else ())


def represents(user: AbstractBaseUser | AnonymousUser, group_name: str) -> bool:
    """Tell whether the account speaks for the group that owns data."""
    if user.pk is None:
        return False
    return GroupRepresentative.objects.filter(user_id=user.pk, group__name=group_name, user__is_active=True).exists()
