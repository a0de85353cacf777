"""What the page of one campaign shows to one account, now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.http import HttpRequest

from campaigns.choices import CampaignState, ExceptionState
from campaigns.models import Campaign, CampaignEvent, Comment, ExceptionRequest, Revision, Study
from campaigns.permissions import CHANGE_QUORUM, DECIDE_EXCEPTIONS
from campaigns.selectors.campaigns import exception_sums, revision_current, revision_dropped
from campaigns.selectors.quorum import Quorum, quorum_of
from campaigns.services.looks import campaign_look
from campaigns.services.offers import Offer, actions_offered
from campaigns.services.readings import readings_passed
from inventory.permissions import may
from inventory.services.audit import Actor
from policies.selectors.plan_items import plan_states
from policies.services.standing import plans_that_wait

EXCEPTIONS_SHOWN, EVENTS_SHOWN, COMMENTS_SHOWN = 200, 40, 100


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the stepper: ``state`` is done, now or ahead."""

    label: str
    state: str
    at: datetime | None
    word: str = ""


def campaign_context(request: HttpRequest, campaign: Campaign, now: datetime) -> dict[str, Any]:
    """Return the context of the page. Notes that the account has looked."""
    revision = revision_current(campaign.pk)
    quorum = quorum_of(revision) if revision else None
    offers = {offer.action.value.lower(): offer for offer in actions_offered(campaign=campaign, actor=_actor(request), now=now)}
    decides_all = may(request.user, DECIDE_EXCEPTIONS, campaign)
    return {
        "campaign": campaign,
        "revision": revision,
        "dropped": revision_dropped(revision) if revision else None,
        "plan_state": plan_states([revision.plan_id]).get(revision.plan_id) if revision else None,
        "limits_passed": sorted(readings_passed(revision)) if revision else [],
        "waits_because": _waits_because(campaign, revision, now),
        "quorum": quorum,
        "steps": steps(campaign, revision, now),
        "offers": offers,
        "next_offers": _next_offers(campaign, offers),
        "since": campaign_look(campaign_id=campaign.pk, user_id=request.user.pk, revision=revision, now=now),
        "exceptions": _exceptions(request, campaign, decides_all=decides_all),
        "exception_sums": _named_sums(campaign.pk),
        "comments": Comment.objects.filter(campaign=campaign).order_by("-pk")[:COMMENTS_SHOWN],
        "events": CampaignEvent.objects.filter(campaign=campaign).order_by("-pk")[:EVENTS_SHOWN],
        "study": Study.objects.filter(campaign=campaign).order_by("-pk").first(),
        "may_give_rights": may(request.user, CHANGE_QUORUM),
        "signs_for": _signs_for(request, quorum),
        "now": now,
    }


def steps(campaign: Campaign, revision: Revision | None, now: datetime) -> list[Step]:
    """Return the way of the campaign with its dates; what ended it early stands at the end."""
    state = CampaignState(campaign.state)
    studied_at = revision.created_at if revision else None
    is_closed = campaign.exceptions_close_at is not None and campaign.exceptions_close_at <= now
    order = [
        ("Studied", studied_at, "", state == CampaignState.DRAFT),
        ("Announced", campaign.announced_at, "", state == CampaignState.STUDIED),
        (
            "Exceptions closed" if is_closed else "Exceptions close",
            campaign.exceptions_close_at,
            "",
            state == CampaignState.PROPOSED and not is_closed,
        ),
        ("Signed", None, "", state == CampaignState.PROPOSED and is_closed),
        (
            "Executing",
            campaign.started_at or campaign.earliest_start_at,
            "" if campaign.started_at else "not before",
            state in (CampaignState.APPROVED, CampaignState.EXECUTING, CampaignState.PAUSED),
        ),
    ]
    is_over = campaign.finished_at is not None or state in (CampaignState.REJECTED, CampaignState.COMPLETED)
    last = state.label.capitalize() if is_over else "Completed"
    current = next((place for place, entry in enumerate(order) if entry[3]), len(order))
    found = [
        Step(label, "now" if place == current and not is_over else "done" if place < current else "ahead", at, word)
        for place, (label, at, word, _) in enumerate(order)
    ]
    if is_over and state != CampaignState.COMPLETED:
        reached = [step for step in found if step.at is not None and step.at <= now]
        found = [Step(step.label, "done", step.at, "") for step in reached]
    return [
        *found,
        Step(last, "now" if is_over else "ahead", campaign.finished_at or campaign.expires_at, "" if is_over else "by"),
    ]


def _waits_because(campaign: Campaign, revision: Revision | None, now: datetime) -> str:
    """Return why nothing of a campaign that executes is taken up at the moment, empty where nothing keeps it."""
    if revision is None or campaign.state != CampaignState.EXECUTING:
        return ""
    return plans_that_wait([revision.plan_id], now=now).get(revision.plan_id, "")


def _next_offers(campaign: Campaign, offers: dict[str, Offer]) -> list[Offer]:
    """Return the acts that stand as buttons: those that this account may ever do, the possible ones first."""
    wanted = ("edit", "study", "propose", "execute", "pause", "resume", "revise", "cancel")
    found = [offers[name] for name in wanted if name in offers and offers[name].is_permitted]
    return sorted(found, key=lambda offer: not offer.is_possible)


def _exceptions(request: HttpRequest, campaign: Campaign, *, decides_all: bool) -> list[dict[str, Any]]:
    rows = ExceptionRequest.objects.filter(campaign=campaign).select_related("asked_by", "decided_by")
    represented = set(request.user.represented_groups.values_list("group__name", flat=True))  # type: ignore[union-attr]
    return [
        {
            "row": row,
            "may_decide": row.state == ExceptionState.ASKED and (decides_all or row.group_name in represented),
            "is_own": row.state == ExceptionState.ASKED and row.asked_by_id == request.user.pk,
        }
        for row in rows.order_by("-pk")[:EXCEPTIONS_SHOWN]
    ]


def _named_sums(campaign_id: int) -> dict[str, tuple[int, int]]:
    sums = exception_sums(campaign_id).by_state
    kept = [sums.get(state, (0, 0)) for state in (ExceptionState.GRANTED, ExceptionState.SHORTENED)]
    return {
        "all": (sum(number for number, _ in sums.values()), sum(size for _, size in sums.values())),
        "granted": (sum(number for number, _ in kept), sum(size for _, size in kept)),
        "refused": sums.get(ExceptionState.REFUSED, (0, 0)),
        "waiting": sums.get(ExceptionState.ASKED, (0, 0)),
    }


def _signs_for(request: HttpRequest, quorum: Quorum | None) -> list[str]:
    """Return the groups that must sign for which this account can."""
    member_of = set(request.user.groups.values_list("name", flat=True))
    return [need.name for need in quorum.groups if need.name in member_of] if quorum else []


def _actor(request: HttpRequest) -> Actor:
    return Actor.of(request.user)  # type: ignore[arg-type] # the admin asks for an account before
