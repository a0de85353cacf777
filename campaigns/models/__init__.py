"""Campaigns as the database keeps them. What is signed is a revision: frozen text, frozen list, digest."""

from campaigns.models.approvals import Approval, QuorumGroup, QuorumRule
from campaigns.models.campaigns import Campaign, CampaignEvent, Comment
from campaigns.models.exception_requests import DroppedItem, ExceptionRequest, GroupRepresentative
from campaigns.models.looks import Look
from campaigns.models.notices import Notice
from campaigns.models.reports import CampaignReport
from campaigns.models.revisions import Revision, StudiedStatus, StudiedTransfer, Study

__all__ = [
    "Approval",
    "Campaign",
    "CampaignEvent",
    "CampaignReport",
    "Comment",
    "DroppedItem",
    "ExceptionRequest",
    "GroupRepresentative",
    "Look",
    "Notice",
    "QuorumGroup",
    "QuorumRule",
    "Revision",
    "StudiedStatus",
    "StudiedTransfer",
    "Study",
]
