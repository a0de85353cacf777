"""The pages of campaigns: the list, the campaign, its study, exceptions, the inbox. They decide nothing: services do."""

from campaigns.admin import campaigns, quorum

__all__ = ["campaigns", "quorum"]
