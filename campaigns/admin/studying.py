"""The study page: pick what should go, see at each click what would; then turn it into rules and freeze the list."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import get_object_or_404
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST

from campaigns.exceptions import CampaignError, InvalidInput
from campaigns.lifecycle import allows
from campaigns.models import Campaign
from campaigns.permissions import CHANGE_CAMPAIGN
from campaigns.selectors.campaigns import campaigns_visible, revision_current
from campaigns.services.campaigns import Edits, campaign_edit
from campaigns.services.differences import list_difference
from campaigns.services.pointing import pointed_rule, pointed_text, pointing_of, text_with_rule
from campaigns.services.studies import TouchedByOthers, campaign_study, campaign_sums, touched_by_others
from inventory.permissions import may
from inventory.services.audit import Actor
from policies.exceptions import PolicyError, PolicyInvalidError
from policies.services.exploring import Exploration, list_explore

#: How old the inventory may be that a click is answered from; the button *Look afresh* takes a new one.
KEPT_FOR = timedelta(minutes=15)
MOST_BYTES = 2_000_000
FACETS = (
    ("tier", "data tier"),
    ("era", "era"),
    ("site", "site"),
    ("owner", "group"),
    ("status", "status"),
    ("release", "release"),
)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a click asks: the whole text, the rule that was picked (empty: none), the text that it would join, how old the
    inventory may be."""

    text: str
    rule: str
    joined: str
    max_age: timedelta


@require_http_methods(["GET", "POST"])
def study_view(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Show the page; POST saves the text, and with ``study`` begins the study that freezes the list."""
    campaign = get_object_or_404(campaigns_visible(request.user), pk=campaign_id)
    may_change = may(request.user, CHANGE_CAMPAIGN, campaign)
    text, problem = campaign.text, ""
    if request.method == "POST":
        text = request.POST.get("text", "").replace("\r\n", "\n")
        try:
            _save(request, campaign, text, timezone.now())
        except (CampaignError, PolicyError, PermissionDenied) as refused:
            problem = _said(refused)
        else:
            return HttpResponseRedirect(reverse("admin:campaigns_campaign_change", args=[campaign.pk]))
    context: dict[str, Any] = {
        **admin.site.each_context(request),
        "title": f"Study {campaign.title}",
        "campaign": campaign,
        "revision": revision_current(campaign.pk),
        "text": text,
        "problem": problem,
        "may_change": may_change,
        "can_be_edited": may_change and allows(campaign.state, "EDIT"),
        "can_be_studied": may_change and allows(campaign.state, "STUDY"),
        "config": {"explore": reverse("admin:campaigns_explore", args=[campaign.pk])},
    }
    return TemplateResponse(request, "dynamo/campaigns/study.html", context, status=409 if problem else 200)


@require_POST
def explore_view(request: HttpRequest, campaign_id: int) -> JsonResponse:
    """Answer a click: JSON ``{"picked": {...}}`` or ``{"text": "..."}``, ``"afresh": true``: on the inventory as it is now."""
    campaign = get_object_or_404(campaigns_visible(request.user), pk=campaign_id)
    if not may(request.user, "policies.run_policy") and not may(request.user, CHANGE_CAMPAIGN, campaign):
        raise PermissionDenied("The right to prepare campaigns is needed to explore.")
    now = timezone.now()
    try:
        asked = _asked(request, campaign)
        found = list_explore(text=asked.text, partition_name=campaign.partition.name, now=now, max_age=asked.max_age)
    except (CampaignError, PolicyError) as refused:
        return JsonResponse({"problem": _said(refused)}, status=400)
    html = render_to_string("dynamo/campaigns/explored.html", _explored(campaign, found, now), request)
    return JsonResponse({"html": html, "text": asked.text, "rule": asked.rule, "joined": asked.joined})


def _asked(request: HttpRequest, campaign: Campaign) -> Asked:
    if len(request.body) > MOST_BYTES:
        raise InvalidInput(f"the text has more than {MOST_BYTES:,} bytes")
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise InvalidInput("expected a JSON object") from error
    if (
        not isinstance(body, dict)
        or not isinstance(body.get("picked", {}), dict)
        or not all(isinstance(body.get(name, ""), str) for name in ("text", "base"))
    ):
        raise InvalidInput('expected {"picked": {...}} or {"text": "..."}')
    max_age = timedelta(0) if body.get("afresh") is True else KEPT_FOR
    if body.get("text"):
        return Asked(body["text"], "", body["text"], max_age)
    pointing = pointing_of(body.get("picked", {}))
    text = pointed_text(pointing, partition_name=campaign.partition.name, site_patterns=campaign.site_patterns)
    rule = pointed_rule(pointing)
    base = body.get("base") or campaign.text
    return Asked(text, rule, text_with_rule(base, rule) if rule else base, max_age)


def _explored(campaign: Campaign, found: Exploration, now: datetime) -> dict[str, Any]:
    studied = found.studied
    items = studied.items
    revision = revision_current(campaign.pk)
    peak = max((quarter.size_bytes for quarter in found.quarters), default=0)
    return {
        "campaign": campaign,
        "sums": campaign_sums(campaign, studied, others=_others_at(campaign.pk, studied.snapshot_at), now=now),
        "size_bytes": int(items["size"].sum()),
        "num_items": items.height,
        "num_replicas": items["replica_row"].n_unique() if items.height else 0,
        "num_datasets": items["dataset_row"].n_unique() if items.height else 0,
        "looked_at": found.size_bytes,
        "last_copy_items": items.filter("is_last_copy").height,
        "last_copy_bytes": int(items.filter("is_last_copy")["size"].sum()),
        "tape_bytes": int(items.filter("is_tape")["size"].sum()),
        "facets": [(name, label, found.facets[name]) for name, label in FACETS],
        "quarters": [
            (quarter, 100 * quarter.size_bytes / peak if peak else 0, 100 * quarter.going_bytes / peak if peak else 0)
            for quarter in found.quarters
        ],
        "snapshot_at": studied.snapshot_at,
        "unknown_feeds": studied.unknown_feeds,
        "revision": revision,
        "difference": list_difference(items, revision) if revision else None,
    }


@lru_cache(maxsize=4)
def _others_at(campaign_id: int, snapshot_at: datetime) -> TouchedByOthers:
    """Return what others do as of the first look at a snapshot: one looks at it for minutes, click by click."""
    return touched_by_others(campaign_id)


def _save(request: HttpRequest, campaign: Campaign, text: str, now: datetime) -> None:
    actor = Actor.of(request.user)  # type: ignore[arg-type] # the admin asks for an account before
    if text != campaign.text:
        campaign_edit(campaign_id=campaign.pk, edits=Edits(text=text), actor=actor, now=now)
    if "study" in request.POST:
        campaign_study(campaign_id=campaign.pk, actor=actor, now=now)


def _said(refused: Exception) -> str:
    if isinstance(refused, PolicyInvalidError):
        return "\n\n".join(finding.render() for finding in refused.diagnostics if finding.is_error) or str(refused)
    return str(refused)
