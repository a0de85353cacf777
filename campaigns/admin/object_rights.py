"""Rights on one campaign, given to accounts and groups on a page of the admin."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from campaigns.permissions import CHANGE_QUORUM, campaign_rights_offered
from inventory.permissions import may
from inventory.rights_pages import RightsPagesMixin


class CampaignRightsMixin(RightsPagesMixin):
    """The pages of rights on a campaign, for who may say who must sign: also of rights that they do not have themselves."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Tell who may open the pages of rights; the campaign itself is changed by its own acts alone."""
        return may(request.user, CHANGE_QUORUM)

    def rights_to_give(self, request: HttpRequest) -> frozenset[str]:
        """Return every right on a campaign, for who may say who must sign at this moment."""
        return campaign_rights_offered(request.user)
