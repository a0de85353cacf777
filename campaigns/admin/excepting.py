"""Keep mine, please: the form for who does not want to lose data, filled in with what of theirs is concerned."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from campaigns.admin.forms import ExceptionForm
from campaigns.constants import LONGEST_EXCEPTION
from campaigns.exceptions import CampaignError
from campaigns.models import Campaign
from campaigns.selectors.campaigns import campaigns_visible, revision_current
from campaigns.services.exception_requests import exception_ask, exception_effect
from campaigns.services.own_data import own_datasets
from inventory.selectors.wording import plural, size_text
from inventory.services.audit import Actor
from policies.exceptions import PolicyError


@require_http_methods(["GET", "POST"])
def exception_view(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Show the form, or ask for what it says and go back to the campaign."""
    campaign = get_object_or_404(campaigns_visible(request.user), pk=campaign_id)
    now = timezone.now()
    form = ExceptionForm(request.POST or None, initial=_initial(request, campaign, now))
    if request.method == "POST" and form.is_valid():
        try:
            asked = exception_ask(
                campaign_id=campaign.pk,
                patterns=form.cleaned_data["patterns"].split(),
                reason=form.cleaned_data["reason"],
                until=form.cleaned_data["until"],
                group_name=form.cleaned_data["group_name"],
                actor=Actor.of(request.user),  # type: ignore[arg-type] # the admin asks for an account before
                now=now,
            )
        except (CampaignError, PolicyError, PermissionDenied) as refused:
            form.add_error(None, str(refused))
        else:
            messages.success(
                request, f"Asked: {size_text(asked.size_bytes)} would be kept. You are told as soon as it is decided."
            )
            return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"Ask for an exception from {campaign.title}",
        "campaign": campaign,
        "form": form,
        "latest": (now + LONGEST_EXCEPTION).date(),
        "is_open": campaign.exceptions_close_at is not None and now < campaign.exceptions_close_at,
    }
    return TemplateResponse(request, "dynamo/campaigns/except.html", context)


@require_GET
def effect_view(request: HttpRequest, campaign_id: int) -> JsonResponse:
    """Say what the patterns (``?patterns=``, blanks between) would keep, while they are typed."""
    campaign = get_object_or_404(campaigns_visible(request.user), pk=campaign_id)
    try:
        effect = exception_effect(campaign_id=campaign.pk, patterns=request.GET.get("patterns", "").split())
    except CampaignError as refused:
        return JsonResponse({"text": str(refused), "is_problem": True})
    text = (
        f"would keep {size_text(effect.size_bytes)}: {plural(effect.num_datasets, 'dataset')}, "
        f"{plural(effect.num_items, 'block replica')} of the list"
        if effect.num_items
        else "nothing of this campaign's list has such a name"
    )
    return JsonResponse({"text": text, "is_problem": effect.num_items == 0})


def _initial(request: HttpRequest, campaign: Campaign, now: Any) -> dict[str, Any]:
    """Fill in the datasets of the account's groups and locks, or the one that a link names."""
    revision = revision_current(campaign.pk)
    named = request.GET.get("dataset", "")
    found = [named] if named else own_datasets(revision, user_id=request.user.pk, now=now) if revision else []
    group = request.user.represented_groups.values_list("group__name", flat=True).first()  # type: ignore[union-attr]
    return {"patterns": "\n".join(found), "until": (now + timedelta(days=180)).date(), "group_name": group}
