"""The list of campaigns and the page of one: what goes, what is lost for ever, who objects, who signs, what comes next."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from unfold.admin import ModelAdmin
from unfold.decorators import display

from campaigns.admin.doing import do_view
from campaigns.admin.excepting import effect_view, exception_view
from campaigns.admin.forms import CampaignForm
from campaigns.admin.inbox import inbox_view
from campaigns.admin.object_rights import CampaignRightsMixin
from campaigns.admin.page import campaign_context, steps
from campaigns.admin.reporting import report_view, reports_view
from campaigns.admin.studying import explore_view, study_view
from campaigns.choices import CampaignState
from campaigns.exceptions import CampaignError
from campaigns.lifecycle import allows
from campaigns.models import Campaign
from campaigns.permissions import ADD_CAMPAIGN, CHANGE_CAMPAIGN
from campaigns.selectors.campaigns import campaign_under_way, campaigns_visible, revision_current, revision_items
from campaigns.services.campaigns import campaign_create, campaign_edit
from campaigns.services.pointing import Pointing, pointed_text
from inventory.permissions import ReadOnlyAdminMixin, may
from inventory.selectors.wording import badge_html, size_html, when_html
from inventory.services.audit import Actor
from policies.exceptions import PolicyError

#: Word of the colour vocabulary for each state.
STATE_KINDS = {
    CampaignState.DRAFT: "ignored",
    CampaignState.STUDIED: "kept",
    CampaignState.PROPOSED: "warning",
    CampaignState.APPROVED: "delete",
    CampaignState.EXECUTING: "running",
    CampaignState.PAUSED: "warning",
    CampaignState.COMPLETED: "fine",
    CampaignState.REJECTED: "ignored",
    CampaignState.CANCELLED: "ignored",
    CampaignState.EXPIRED: "ignored",
}
ITEMS_PER_PAGE = 100


@admin.register(Campaign)
class CampaignAdmin(CampaignRightsMixin, ReadOnlyAdminMixin, ModelAdmin):
    """Campaigns; everybody with an account sees those that were announced."""

    list_display = ["title_shown", "state_shown", "partition", "size", "next_date", "coordinator"]
    list_display_links = ["title_shown"]
    list_filter = ["state", "partition"]
    list_select_related = ["partition", "coordinator"]
    search_fields = ["title", "purpose"]
    list_per_page = 50

    def get_urls(self) -> list[URLPattern]:
        wrap = self.admin_site.admin_view
        own = [
            path("inbox/", wrap(inbox_view), name="campaigns_inbox"),
            path("new/", wrap(self.form_view), name="campaigns_new"),
            path("<int:campaign_id>/edit/", wrap(self.form_view), name="campaigns_edit"),
            path("<int:campaign_id>/study/", wrap(study_view), name="campaigns_study"),
            path("<int:campaign_id>/study/explore/", wrap(explore_view), name="campaigns_explore"),
            path("<int:campaign_id>/except/", wrap(exception_view), name="campaigns_except"),
            path("<int:campaign_id>/except/effect/", wrap(effect_view), name="campaigns_effect"),
            path("<int:campaign_id>/list/", wrap(self.items_view), name="campaigns_items"),
            path("<int:campaign_id>/reports/", wrap(reports_view), name="campaigns_reports"),
            path("<int:campaign_id>/reports/<int:report_id>/<slug:kind>/", wrap(report_view), name="campaigns_report"),
            path("<int:campaign_id>/do/<slug:action>/", wrap(do_view), name="campaigns_do"),
        ]
        return own + super().get_urls()

    def has_module_permission(self, request: HttpRequest) -> bool:
        return request.user.is_active

    def has_view_permission(self, request: HttpRequest, obj: Campaign | None = None) -> bool:
        return request.user.is_active

    def get_queryset(self, request: HttpRequest) -> QuerySet[Campaign]:
        current = campaigns_visible(request.user)
        return current.prefetch_related("revisions").order_by("-pk")

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        may_create = may(request.user, ADD_CAMPAIGN)
        return super().changelist_view(request, {"title": "Campaigns", "may_create": may_create, **(extra_context or {})})

    list_before_template = "dynamo/campaigns/list_before.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not object_id.isdecimal():
            raise Http404("There is no such campaign.")
        campaign = get_object_or_404(campaigns_visible(request.user), pk=int(object_id))
        context = {
            **self.admin_site.each_context(request),
            "title": campaign.title,
            **campaign_context(request, campaign, timezone.now()),
        }
        return TemplateResponse(request, "dynamo/campaigns/campaign.html", context)

    def form_view(self, request: HttpRequest, campaign_id: int | None = None) -> HttpResponse:
        """Create a draft, or edit one: everything but its text."""
        campaign = get_object_or_404(campaigns_visible(request.user), pk=campaign_id) if campaign_id else None
        if not may(request.user, CHANGE_CAMPAIGN if campaign else ADD_CAMPAIGN, campaign):
            raise PermissionDenied("The right to prepare campaigns is needed.")
        initial = {name: getattr(campaign, name, None) for name in CampaignForm.base_fields} if campaign else {}
        form = CampaignForm(request.POST or None, campaign=campaign, initial=initial)
        if request.method == "POST" and form.is_valid():
            try:
                saved = _saved(request, campaign, form)
            except (CampaignError, PolicyError) as refused:
                form.add_error(None, str(refused))
            else:
                messages.success(request, "The draft is saved: now say what is to go.")
                return HttpResponseRedirect(reverse("admin:campaigns_study", args=[saved.pk]))
        context = {
            **self.admin_site.each_context(request),
            "title": f"Edit {campaign.title}" if campaign else "New campaign",
            "form": form,
            "campaign": campaign,
            "can_be_edited": campaign is None or allows(campaign.state, "EDIT"),
        }
        return TemplateResponse(request, "dynamo/campaigns/form.html", context)

    def items_view(self, request: HttpRequest, campaign_id: int) -> HttpResponse:
        """Show the frozen list page by page, in its order."""
        campaign = get_object_or_404(campaigns_visible(request.user), pk=campaign_id)
        revision = revision_current(campaign.pk)
        after = request.GET.get("after", "")
        sequence = int(after) if after.isdecimal() and len(after) < 10 else -1
        rows = revision_items(revision, after_sequence=sequence, limit=ITEMS_PER_PAGE + 1) if revision else []
        context = {
            **self.admin_site.each_context(request),
            "title": f"List of {campaign.title}",
            "campaign": campaign,
            "revision": revision,
            "rows": rows[:ITEMS_PER_PAGE],
            "next_after": rows[ITEMS_PER_PAGE - 1].sequence if len(rows) > ITEMS_PER_PAGE else None,
        }
        return TemplateResponse(request, "dynamo/campaigns/items.html", context)

    @display(description="campaign", ordering="title")
    def title_shown(self, campaign: Campaign) -> str:
        return campaign.title

    @display(description="state", ordering="state")
    def state_shown(self, campaign: Campaign) -> str:
        current = next((revision for revision in campaign.revisions.all() if revision.is_current), None)
        way = format_html_join(
            "", '<i class="dy-step-{}"></i>', ((step.state,) for step in steps(campaign, current, timezone.now()))
        )
        badge = badge_html(STATE_KINDS[CampaignState(campaign.state)], campaign.get_state_display())
        return format_html('<span class="dy-small-steps" aria-hidden="true">{}</span>{}', way, badge)

    @display(description="would go, or went")
    def size(self, campaign: Campaign) -> str:
        current = [revision for revision in campaign.revisions.all() if revision.is_current]
        return size_html(current[0].size_bytes) if current else "not studied"

    @display(description="next date")
    def next_date(self, campaign: Campaign) -> str:
        if campaign.finished_at is not None:
            return when_html(campaign.finished_at)
        found = campaign_under_way(campaign, timezone.now())
        return format_html("{} {}", found.next_what, when_html(found.next_at)) if found.next_at else "—"


def _saved(request: HttpRequest, campaign: Campaign | None, form: CampaignForm) -> Campaign:
    now, actor, edits = timezone.now(), Actor.of(request.user), form.edits()
    if campaign is not None:
        return campaign_edit(campaign_id=campaign.pk, edits=edits, actor=actor, now=now)
    partition = form.cleaned_data["partition"]
    return campaign_create(
        title=form.cleaned_data["title"],
        purpose=form.cleaned_data["purpose"],
        partition_name=partition,
        text=pointed_text(Pointing(), partition_name=partition, site_patterns=form.cleaned_data["site_patterns"]),
        actor=actor,
        now=now,
        times=edits,
    )
