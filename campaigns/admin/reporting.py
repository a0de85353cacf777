"""Reports of a campaign: made on request, kept for ever, each file as it stands in the audit chain."""

from __future__ import annotations

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.views.decorators.http import require_safe

from campaigns.models import CampaignReport
from campaigns.selectors.campaigns import campaigns_visible
from campaigns.services.reports import KINDS, report_file
from policies.choices import CycleState

CONTENT_TYPES = {
    "html": "text/html; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}
#: Shown in the browser; the others are downloaded.
SHOWN = frozenset({"html", "json"})


@require_safe
def reports_view(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """List the reports of a campaign, the newest first; one that is being made tells how far it is."""
    campaign = get_object_or_404(campaigns_visible(request.user), pk=campaign_id)
    reports = list(CampaignReport.objects.filter(campaign=campaign).order_by("-pk"))
    context = {
        **admin.site.each_context(request),
        "title": f"Reports of {campaign.title}",
        "campaign": campaign,
        "reports": reports,
        "is_running": any(report.state == CycleState.RUNNING for report in reports),
        "kinds": KINDS,
    }
    return TemplateResponse(request, "dynamo/campaigns/reports.html", context)


@require_safe
def report_view(request: HttpRequest, campaign_id: int, report_id: int, kind: str) -> HttpResponse:
    """Give one file of a report, byte for byte as it was recorded."""
    campaign = get_object_or_404(campaigns_visible(request.user), pk=campaign_id)
    report = get_object_or_404(CampaignReport, pk=report_id, campaign=campaign)
    if kind not in report.files:
        raise Http404(f"A report has {', '.join(report.files)}." if report.files else "This report is not made: it has no files.")
    answer = HttpResponse(report_file(report, kind), content_type=CONTENT_TYPES[kind])
    name = f"campaign-{campaign.pk}-report-{report.pk}.{kind}"
    answer["Content-Disposition"] = f'{"inline" if kind in SHOWN else "attachment"}; filename="{name}"'
    return answer
