"""Cycles: what was decided, and why."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from unfold.decorators import display

from inventory.selectors.wording import badge_html, duration_text, size_html, when_html
from policies.admin.base import ReadOnlyAdmin, whole_number
from policies.admin.comparisons import CycleCompareMixin
from policies.choices import CycleState
from policies.exceptions import PolicyError
from policies.models import Cycle
from policies.selectors.cycles_overview import comparable_with, coverage_lines, guardrail_rules, largest_deletions
from policies.selectors.decisions import DECISIONS, DecisionFilter, decisions_on_copies, decisions_page
from policies.selectors.occupancy import site_bars
from policies.selectors.watermarks import watermarks_of
from policies.services.explaining import replica_explain


@admin.register(Cycle)
class CycleAdmin(CycleCompareMixin, ReadOnlyAdmin):
    """A cycle: sites before and after, rules with what they decided, every decision with its why."""

    list_display = ["name", "partition", "state_badge", "kind", "started", "lasted", "to_delete"]
    list_filter = ["state", "kind", "partition"]
    list_select_related = ["partition"]
    search_fields = ["source", "started_by"]
    change_form_template = "dynamo/cycle.html"
    fields = ["state"]

    def get_queryset(self, request: HttpRequest) -> Any:
        queryset = super().get_queryset(request)
        # The texts of long campaigns weigh more than all else in a list.
        return (
            queryset.defer("text")
            if request.resolver_match and request.resolver_match.url_name.endswith("changelist")
            else queryset
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        cycle = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if cycle is not None:
            plan = getattr(cycle, "plan", None)
            context = {
                "cycle": cycle,
                "plan": plan,
                "bars": site_bars([cycle.pk]).get(cycle.pk, ()),
                "marks": watermarks_of(cycle.text),
                "lines": coverage_lines(cycle.text, cycle.pk),
                "guardrails": guardrail_rules(cycle.pk),
                "largest": largest_deletions(plan.pk) if plan else [],
                **self._decisions(request, cycle),
                "comparable": comparable_with(cycle) if request.user.has_perm("policies.view_comparison") else (),
                "duration": cycle.finished_at - cycle.started_at if cycle.finished_at else None,
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    def _decisions(self, request: HttpRequest, cycle: Cycle) -> dict[str, Any]:
        """Return the page of decisions that the query asks for; a filter that makes no sense is said, not ignored."""
        query = request.GET
        wanted = DecisionFilter(
            site=query.get("site", ""),
            decision=query.get("decision", "") if query.get("decision", "") in DECISIONS else "",
            line=whole_number(query.get("line", "")),
            name=query.get("name", "").strip(),
        )
        kept = {key: value for key, value in query.items() if key in ("site", "decision", "line", "name") and value}
        context: dict[str, Any] = {
            "wanted": wanted,
            "is_filtered": bool(kept),
            "page_query": f"{urlencode(kept)}&" if kept else "",
            "decision_words": DECISIONS,
            "site_names": sorted(cycle.sites.values_list("site_name", flat=True)),
            "decisions": None,
        }
        if cycle.decisions_file:
            try:
                context["decisions"] = decisions_page(cycle.decisions_file, wanted, page=whole_number(query.get("p", "")) or 1)
            except FileNotFoundError as missing:
                context["decisions_problem"] = f"{missing}."
        return context

    def get_custom_urls(self) -> tuple[tuple[str, str, Any], ...]:
        return (("<int:cycle_id>/why/", "policies_cycle_why", self.why_view), *super().get_custom_urls())

    def why_view(self, request: HttpRequest, cycle_id: int, model_admin: ReadOnlyAdmin) -> HttpResponse:
        """Show why the replica ``?dataset=&site=`` stays or goes: what became of it, then each rule with the values it saw."""
        cycle = get_object_or_404(Cycle.objects.select_related("partition", "policy_version__policy"), pk=cycle_id)
        if not self.has_view_permission(request, cycle):
            raise PermissionDenied("policies.view_cycle is needed.")
        dataset, site = request.GET.get("dataset", ""), request.GET.get("site", "")
        if not dataset or not site:
            raise Http404("Name a dataset and a site.")
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": f"Why? Cycle {cycle.pk} of {cycle.source}",
            "opts": self.opts,
            "cycle": cycle,
            "dataset": dataset,
            "site": site,
            "decided": (),
            "recorded": (),
        }
        try:
            if cycle.decisions_file:
                context["decided"] = decisions_on_copies(cycle.decisions_file, dataset=dataset)
                context["recorded"] = [row for row in context["decided"] if row.site == site]
            context["why"] = replica_explain(cycle_id=cycle.pk, dataset=dataset, site=site)
        except (PolicyError, FileNotFoundError) as refusal:
            context["problem"] = str(refusal)
        return TemplateResponse(request, "dynamo/why.html", context)

    @display(description="cycle", ordering="pk")
    def name(self, cycle: Cycle) -> str:
        return f"{cycle.pk}: {cycle.source}"

    @display(description="state", ordering="state")
    def state_badge(self, cycle: Cycle) -> SafeString:
        kind = {CycleState.COMPLETED: "fine", CycleState.FAILED: "danger"}.get(CycleState(cycle.state), "running")
        return badge_html(kind, cycle.get_state_display())

    @display(description="started", ordering="started_at")
    def started(self, cycle: Cycle) -> SafeString:
        return when_html(cycle.started_at)

    @display(description="took")
    def lasted(self, cycle: Cycle) -> str:
        return duration_text(cycle.finished_at - cycle.started_at) if cycle.finished_at else "runs"

    @display(description="to delete", ordering="deleted_bytes")
    def to_delete(self, cycle: Cycle) -> SafeString:
        return size_html(cycle.deleted_bytes)
