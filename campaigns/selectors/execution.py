"""What whoever deletes asks in the transaction in which an item is taken up: does the campaign stand, and the item with it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection
from django.db.models import QuerySet

from campaigns.choices import CampaignState
from campaigns.models import Campaign, DroppedItem, Revision, StudiedStatus, StudiedTransfer
from campaigns.selectors.quorum import quorum_of
from inventory.selectors.last_access import dataset_states
from inventory.selectors.transfers import transfers_under_way


@dataclass(frozen=True, slots=True)
class Standing:
    """How the campaign of a plan stands. ``hold``: why nothing of it is taken up now, empty when it may go on.

    ``site_bytes_per_day``: at most so many bytes go at a site in a day (UTC); None: no limit.
    """

    plan_id: int
    campaign_id: int
    hold: str
    site_bytes_per_day: int | None


@dataclass(frozen=True, slots=True)
class ListedItem:
    """One item of a campaign's list, as far as this page needs it."""

    plan_id: int
    plan_item_id: int
    dataset_name: str


def campaigns_standing(plan_ids: Collection[int], *, now: datetime) -> dict[int, Standing]:
    """Return how the campaigns of these plans stand; plans that are of no campaign are absent.

    Inside a transaction the campaigns stay as they are until it ends: a pause, a granted exception or a revision waits for the
    claim that is deciding, or the claim sees it. Take it before plans and their rows are locked (the order of all transitions).
    """
    rows = revisions_of_plans(plan_ids).order_by("campaign_id")
    campaign_ids = sorted(set(rows.values_list("campaign_id", flat=True)))
    if not campaign_ids:
        return {}
    _hold_still(campaign_ids)
    # Read after the lock: whoever held it may have changed everything.
    revisions = revisions_of_plans(plan_ids).select_related("campaign", "plan").order_by("pk")
    return {
        revision.plan_id: Standing(
            plan_id=revision.plan_id,
            campaign_id=revision.campaign_id,
            hold=_hold(revision.campaign, revision, now),
            site_bytes_per_day=revision.campaign.site_bytes_per_day,
        )
        for revision in revisions
    }


def revisions_of_plans(plan_ids: Collection[int]) -> QuerySet[Revision]:
    """Return the revisions of campaigns to which these plans belong."""
    return Revision.objects.filter(plan_id__in=list(plan_ids))


def items_dropped_out(items: Sequence[ListedItem]) -> dict[int, str]:
    """Return those of *items* that must stay, and why: excepted, read or copied since the study, or of another status by now."""
    out: dict[int, str] = {}
    marked = DroppedItem.objects.filter(plan_item_id__in=[item.plan_item_id for item in items]).order_by("pk")
    out.update(marked.values_list("plan_item_id", "reason"))
    by_plan: dict[int, list[ListedItem]] = defaultdict(list)
    for item in items:
        if item.plan_item_id not in out:
            by_plan[item.plan_id].append(item)
    for revision in Revision.objects.filter(plan_id__in=list(by_plan)).order_by("pk"):
        some = by_plan[revision.plan_id]
        names = {item.dataset_name for item in some}
        states = dataset_states(names)
        unusual = StudiedStatus.objects.filter(revision=revision, dataset_name__in=names).order_by("pk")
        statuses = dict(unusual.values_list("dataset_name", "status"))
        moving = _transfers_since(revision, names)
        for item in some:
            state = states.get(item.dataset_name)
            if state is None:
                continue  # gone from the inventory: whoever deletes finds that out by itself
            was = statuses.get(item.dataset_name, revision.usual_status)
            if state.status != was:
                out[item.plan_item_id] = f"status changed from {was} to {state.status} since the study"
            elif state.last_access_at is not None and state.last_access_at > revision.snapshot_at:
                out[item.plan_item_id] = f"read on {state.last_access_at:%Y-%m-%d %H:%M} UTC, after the study"
            elif item.dataset_name in moving:
                out[item.plan_item_id] = moving[item.dataset_name]
    return out


def _transfers_since(revision: Revision, names: Collection[str]) -> dict[str, str]:
    """Return the datasets of which a copy has been on its way, or asked for, only since the study, in words."""
    transfers = transfers_under_way(names)
    if not transfers:
        return {}
    known: dict[str, set[str]] = defaultdict(set)
    seen = StudiedTransfer.objects.filter(revision=revision, dataset_name__in=list(transfers)).order_by("pk")
    for name, site in seen.values_list("dataset_name", "site_name"):
        known[name].add(site)
    new = {name: sorted(sites - known[name]) for name, sites in transfers.items() if sites - known[name]}
    return {
        name: f"a copy is on its way to {', '.join(filter(None, sites))} since the study"
        if any(sites)
        else "a copy was asked for since the study"
        for name, sites in new.items()
    }


def _hold(campaign: Campaign, revision: Revision, now: datetime) -> str:
    if campaign.state != CampaignState.EXECUTING:
        return f"campaign {campaign.pk} is {campaign.get_state_display()}"
    if not revision.is_current:
        return f"revision {revision.number} of campaign {campaign.pk} is void"
    if revision.plan.digest != revision.digest:
        return f"the list of plan {revision.plan_id} is not the one that was signed for campaign {campaign.pk}"
    if campaign.expires_at is None or now >= campaign.expires_at:
        return f"campaign {campaign.pk} expired"
    quorum = quorum_of(revision)
    if not quorum.is_met:
        return f"the signatures of campaign {campaign.pk} do not suffice: {'; '.join(quorum.missing)}"
    return ""


def _hold_still(campaign_ids: Sequence[int]) -> None:
    if connection.vendor == "postgresql" and connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM campaigns_campaign WHERE id = ANY(%s) ORDER BY id FOR SHARE", [list(campaign_ids)])
