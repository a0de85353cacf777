"""Campaigns as lists and pages read them: who may see which, the frozen list page by page, the inbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, F, Q, QuerySet, Sum
from guardian.shortcuts import get_objects_for_user

from campaigns.choices import ANNOUNCED_STATES, FINAL_STATES, ExceptionState
from campaigns.models import Campaign, DroppedItem, ExceptionRequest, Notice, Revision
from policies.selectors.plans import plan_items

_VIEW = "campaigns.view_campaign"


@dataclass(frozen=True, slots=True)
class ListedRow:
    """One item of a revision's frozen list; ``dropped_because`` is empty for what goes."""

    sequence: int
    site_name: str
    dataset_name: str
    block_name: str
    owner: str
    size_bytes: int
    num_files: int
    line: int | None
    rule_text: str
    dropped_because: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """What has dropped out of a list before it is carried out."""

    num_items: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ExceptionSums:
    """How the exceptions of a campaign stand: number and bytes by state."""

    by_state: dict[str, tuple[int, int]]

    @property
    def num_waiting(self) -> int:
        return self.by_state.get(ExceptionState.ASKED, (0, 0))[0]


def campaigns_visible(user: Any) -> QuerySet[Campaign]:
    """Return the campaigns that the account may see: all announced ones, and others by the right to view, in general or on it."""
    campaigns = Campaign.objects.select_related("partition", "coordinator")
    if user.has_perm(_VIEW):
        return campaigns
    own = get_objects_for_user(user, _VIEW, klass=Campaign, accept_global_perms=False).values("pk")
    return campaigns.filter(Q(state__in=sorted(ANNOUNCED_STATES)) | Q(announced_at__isnull=False) | Q(pk__in=own))


def campaign_exists(title: str) -> bool:
    """Tell whether there is a campaign of that title."""
    return Campaign.objects.filter(title=title).exists()


@dataclass(frozen=True, slots=True)
class CampaignUnderWay:
    """A campaign that is not over: where it stands, what it would delete, and its next date with what happens then."""

    pk: int
    title: str
    state: str
    state_text: str
    size_bytes: int | None
    next_at: datetime | None
    next_what: str


def campaigns_under_way(user: Any, *, now: datetime) -> list[CampaignUnderWay]:
    """Return the campaigns that the account may see and that are not over, the nearest date first; two queries."""
    rows = campaigns_visible(user).exclude(state__in=sorted(FINAL_STATES)).prefetch_related("revisions")
    found = [campaign_under_way(campaign, now) for campaign in rows.order_by("pk")]
    return sorted(found, key=lambda row: (row.next_at is None, row.next_at or now, row.pk))


def num_unread(user_id: int) -> int:
    """Return how many notices of the account are not read yet."""
    return Notice.objects.filter(user_id=user_id, read_at__isnull=True).count()


def campaign_under_way(campaign: Campaign, now: datetime) -> CampaignUnderWay:
    """Return where a campaign stands; its revisions are asked for once more unless they were prefetched."""
    dates = (
        (campaign.exceptions_close_at, "exceptions close"),
        (campaign.earliest_start_at, "may start"),
        (campaign.expires_at, "expires"),
    )
    coming = [(moment, what) for moment, what in dates if moment is not None and moment > now]
    current = [revision for revision in campaign.revisions.all() if revision.is_current]
    return CampaignUnderWay(
        pk=campaign.pk,
        title=campaign.title,
        state=campaign.state,
        state_text=campaign.get_state_display(),
        size_bytes=current[0].size_bytes if current else None,
        next_at=coming[0][0] if coming else None,
        next_what=coming[0][1] if coming else "",
    )


def revision_current(campaign_id: int) -> Revision | None:
    """Return the revision that counts, None where the campaign has no list."""
    return Revision.objects.select_related("campaign", "proposed_by").filter(campaign_id=campaign_id, is_current=True).first()


def revision_items(revision: Revision, *, after_sequence: int = -1, limit: int = 100) -> list[ListedRow]:
    """Return the next rows of the frozen list in its order (keyset: the last sequence seen); empty at the end."""
    items = plan_items(revision.plan_id, after_sequence=after_sequence, limit=limit)
    marked = DroppedItem.objects.filter(plan_item_id__in=[item.id for item in items]).order_by("pk")
    dropped = dict(marked.values_list("plan_item_id", "reason"))
    return [
        ListedRow(
            sequence=item.sequence,
            site_name=item.site_name,
            dataset_name=item.dataset_name,
            block_name=item.block_name,
            owner=item.owner,
            size_bytes=item.size_bytes,
            num_files=item.num_files,
            line=item.line,
            rule_text=item.rule_text,
            dropped_because=dropped.get(item.id, ""),
        )
        for item in items
    ]


def revision_dropped(revision: Revision) -> Dropped:
    """Return what was marked as dropped out of a list so far."""
    found = DroppedItem.objects.filter(revision=revision).aggregate(items=Count("pk"), size=Sum("size_bytes"))
    return Dropped(found["items"], found["size"] or 0)


def dropped_since(revision: Revision, moment: datetime) -> Dropped:
    """Return what has dropped out since *moment*: what changed since somebody last looked or signed."""
    found = DroppedItem.objects.filter(revision=revision, at__gt=moment).aggregate(items=Count("pk"), size=Sum("size_bytes"))
    return Dropped(found["items"], found["size"] or 0)


def exception_sums(campaign_id: int) -> ExceptionSums:
    """Return number and bytes of the campaign's exceptions by state."""
    rows = ExceptionRequest.objects.filter(campaign_id=campaign_id).order_by().values("state")
    summed = rows.annotate(number=Count("pk"), size=Sum("size_bytes"))
    return ExceptionSums({row["state"]: (row["number"], row["size"] or 0) for row in summed})


def inbox(user_id: int, *, only_unread: bool = False) -> QuerySet[Notice]:
    """Return what the account was told, what waits for an answer first, the oldest deadline first."""
    notices = Notice.objects.filter(user_id=user_id).select_related("campaign")
    if only_unread:
        notices = notices.filter(read_at__isnull=True)
    # Databases differ in where they put what is not there.
    return notices.order_by(F("read_at").desc(nulls_first=True), F("due_at").asc(nulls_last=True), "-pk")
