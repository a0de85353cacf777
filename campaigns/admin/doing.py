"""Acts on a campaign, each one form that is sent once: the service asks for right, state and digest again, under its lock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from campaigns.choices import Verdict
from campaigns.exceptions import CampaignError, InvalidInput
from campaigns.models import ExceptionRequest
from campaigns.selectors.campaigns import campaigns_visible
from campaigns.services.approvals import campaign_sign
from campaigns.services.campaigns import campaign_cancel, campaign_comment, campaign_revise
from campaigns.services.exception_requests import exception_decide, exception_withdraw
from campaigns.services.execution import campaign_execute, campaign_pause, campaign_resume
from campaigns.services.proposals import campaign_propose
from campaigns.services.reports import campaign_report
from campaigns.services.studies import campaign_study
from inventory.services.audit import Actor
from policies.exceptions import PolicyError


@require_POST
def do_view(request: HttpRequest, campaign_id: int, action: str) -> HttpResponse:
    """Do *action* and go back to the campaign; what the service refuses is said there, and nothing has changed."""
    campaign = get_object_or_404(campaigns_visible(request.user), pk=campaign_id)
    act = _ACTS.get(action)
    if act is None:
        raise Http404("There is no such act.")
    try:
        said = act(request, campaign.pk, Actor.of(request.user), timezone.now())  # type: ignore[arg-type] # an account is asked for
    except (CampaignError, PolicyError) as refused:
        messages.error(request, str(refused))
    except PermissionDenied as denied:
        messages.error(request, str(denied))
    else:
        messages.success(request, said)
    page = "admin:campaigns_reports" if action == "report" else "admin:campaigns_campaign_change"
    return HttpResponseRedirect(reverse(page, args=[campaign.pk]))


def _text(request: HttpRequest, name: str = "reason") -> str:
    return request.POST.get(name, "").strip()


def _study(request: HttpRequest, campaign_id: int, actor: Actor, now: datetime) -> str:
    campaign_study(campaign_id=campaign_id, actor=actor, now=now)
    return "The study has begun: a worker evaluates the text and freezes the list."


def _propose(request: HttpRequest, campaign_id: int, actor: Actor, now: datetime) -> str:
    campaign_propose(campaign_id=campaign_id, actor=actor, now=now)
    return "The campaign is proposed: those concerned are told, exceptions are open."


def _sign(request: HttpRequest, campaign_id: int, actor: Actor, now: datetime) -> str:
    verdict = request.POST.get("verdict", "")
    if verdict not in Verdict.values:
        raise InvalidInput("say whether you approve, reject or abstain")
    campaign_sign(
        campaign_id=campaign_id,
        verdict=Verdict(verdict),
        digest=_text(request, "digest"),
        actor=actor,
        now=now,
        comment=_text(request),
        address=request.META.get("REMOTE_ADDR", ""),
    )
    return {"APPROVE": "You have signed.", "REJECT": "You have rejected the campaign.", "ABSTAIN": "You abstain."}[verdict]


def _execute(request: HttpRequest, campaign_id: int, actor: Actor, now: datetime) -> str:
    campaign_execute(campaign_id=campaign_id, actor=actor, now=now)
    return "The campaign executes: exactly the signed list, each item looked at again in its turn."


def _pause(request: HttpRequest, campaign_id: int, actor: Actor, now: datetime) -> str:
    campaign_pause(campaign_id=campaign_id, reason=_text(request), actor=actor, now=now)
    return "The campaign is paused: no worker takes up another item of it."


def _resume(request: HttpRequest, campaign_id: int, actor: Actor, now: datetime) -> str:
    campaign_resume(campaign_id=campaign_id, reason=_text(request), actor=actor, now=now)
    return "The campaign goes on."


def _revise(request: HttpRequest, campaign_id: int, actor: Actor, now: datetime) -> str:
    campaign_revise(campaign_id=campaign_id, reason=_text(request), actor=actor, now=now)
    return "The campaign is a draft again; its list and all signatures are void."


def _cancel(request: HttpRequest, campaign_id: int, actor: Actor, now: datetime) -> str:
    campaign_cancel(campaign_id=campaign_id, reason=_text(request), actor=actor, now=now)
    return "The campaign is cancelled: nothing more of it is deleted."


def _comment(request: HttpRequest, campaign_id: int, actor: Actor, now: datetime) -> str:
    campaign_comment(campaign_id=campaign_id, text=_text(request), actor=actor, now=now)
    return "Your comment stands below."


def _decide(request: HttpRequest, campaign_id: int, actor: Actor, now: datetime) -> str:
    decided = exception_decide(
        exception_id=_exception(request, campaign_id),
        is_granted=request.POST.get("decision") == "grant",
        actor=actor,
        now=now,
        reason=_text(request),
        until=_day(_text(request, "until")),
        becomes_lock=request.POST.get("becomes_lock") == "on",
    )
    return f"The exception is {decided.get_state_display()}."


def _withdraw(request: HttpRequest, campaign_id: int, actor: Actor, now: datetime) -> str:
    exception_withdraw(exception_id=_exception(request, campaign_id), actor=actor, now=now)
    return "Your exception is withdrawn."


def _report(request: HttpRequest, campaign_id: int, actor: Actor, now: datetime) -> str:
    campaign_report(campaign_id=campaign_id, actor=actor, now=now)
    return "A worker makes the report; its digests will stand in the audit chain."


def _exception(request: HttpRequest, campaign_id: int) -> int:
    """Return the exception that the form names. Raises ``Http404`` for one of another campaign."""
    text = request.POST.get("exception", "")
    key = int(text) if text.isdecimal() and len(text) < 18 else 0
    return get_object_or_404(ExceptionRequest, pk=key, campaign_id=campaign_id).pk


def _day(text: str) -> date | None:
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{text!r} is no date: expected a day like 2027-03-31") from error


_ACTS: Mapping[str, Callable[[HttpRequest, int, Actor, datetime], str]] = {
    "study": _study,
    "propose": _propose,
    "sign": _sign,
    "execute": _execute,
    "pause": _pause,
    "resume": _resume,
    "revise": _revise,
    "cancel": _cancel,
    "comment": _comment,
    "decide": _decide,
    "withdraw": _withdraw,
    "report": _report,
}
