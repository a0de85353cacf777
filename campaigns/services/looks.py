"""What changed since somebody last looked at a campaign."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from campaigns.models import CampaignEvent, Look, Revision
from campaigns.selectors.campaigns import Dropped, dropped_since

#: Acts that change nothing of what is signed.
_QUIET = frozenset({"COMMENT"})


@dataclass(frozen=True, slots=True)
class SinceLastLook:
    """``at`` None: the first look. ``is_other_list``: the revision is younger than the last look."""

    at: datetime | None
    is_other_list: bool
    dropped: Dropped
    num_events: int
    num_comments: int

    @property
    def is_nothing(self) -> bool:
        return not (self.is_other_list or self.dropped.num_items or self.num_events or self.num_comments)


@transaction.atomic
def campaign_look(*, campaign_id: int, user_id: int, revision: Revision | None, now: datetime) -> SinceLastLook:
    """Note that the account looks at the campaign now, and return what changed since it last did."""
    look = Look.objects.select_for_update(of=("self",)).filter(campaign_id=campaign_id, user_id=user_id).first()
    Look.objects.update_or_create(campaign_id=campaign_id, user_id=user_id, defaults={"at": now})
    if look is None:
        return SinceLastLook(None, is_other_list=False, dropped=Dropped(0, 0), num_events=0, num_comments=0)
    actions = list(CampaignEvent.objects.filter(campaign_id=campaign_id, at__gt=look.at).values_list("action", flat=True))
    comments = sum(action == "COMMENT" for action in actions)
    return SinceLastLook(
        at=look.at,
        is_other_list=revision is not None and revision.created_at > look.at,
        dropped=Dropped(0, 0) if revision is None else dropped_since(revision, look.at),
        num_events=sum(action not in _QUIET for action in actions),
        num_comments=comments,
    )
