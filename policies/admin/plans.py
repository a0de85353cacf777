"""Plans: frozen lists of what is to be deleted."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.paginator import InfinitePaginator

from inventory.selectors.datasets_overview import name_filter
from inventory.selectors.wording import badge_html, count_text, size_html, when_html
from policies.admin.base import ReadOnlyAdmin
from policies.choices import PlanState
from policies.models import Plan, PlanItem
from policies.selectors.cycles_overview import largest_deletions

#: Word of the colour vocabulary for each state.
PLAN_KINDS = {
    PlanState.FROZEN: "kept",
    PlanState.HELD: "warning",
    PlanState.RELEASED: "delete",
    PlanState.DONE: "deleted",
    PlanState.DISCARDED: "ignored",
}


@admin.register(Plan)
class PlanAdmin(ReadOnlyAdmin):
    """A plan: its state, what holds it, how far it is, and its items."""

    list_display = ["name", "state_badge", "size", "items_count", "frozen", "decided_by"]
    list_filter = ["state", "kind", "partition"]
    list_select_related = ["partition"]
    search_fields = ["title", "digest"]
    fields = ["state_badge", ("items_count", "size"), "digest", ("frozen", "decided"), ("decided_by", "decided_reason")]
    change_form_outer_before_template = "dynamo/plan_panels.html"

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        context: dict[str, Any] = {}
        plan = self.get_object(request, object_id)
        if plan is not None:
            context = {"plan": plan, "largest": largest_deletions(plan.pk)}
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    @display(description="plan")
    def name(self, plan: Plan) -> str:
        return f"{plan.pk} of {plan.title}"

    @display(description="state", ordering="state")
    def state_badge(self, plan: Plan) -> SafeString:
        return badge_html(PLAN_KINDS[PlanState(plan.state)], plan.get_state_display())

    @display(description="size", ordering="size_bytes")
    def size(self, plan: Plan) -> SafeString:
        return size_html(plan.size_bytes)

    @display(description="block replicas", ordering="num_items")
    def items_count(self, plan: Plan) -> str:
        return count_text(plan.num_items)

    @display(description="frozen", ordering="frozen_at")
    def frozen(self, plan: Plan) -> SafeString:
        return when_html(plan.frozen_at)

    @display(description="decided")
    def decided(self, plan: Plan) -> SafeString | str:
        return when_html(plan.decided_at) if plan.decided_at else "not yet"


@admin.register(PlanItem)
class PlanItemAdmin(ReadOnlyAdmin):
    """One block replica of a plan, with the line that decided."""

    list_display = ["what", "site_name", "act", "size", "line", "rule_text"]
    list_filter = ["action"]
    search_fields = ["dataset_name"]
    search_help_text = "Dataset name; * and ? are wildcards"
    paginator = InfinitePaginator
    ordering = ["plan_id", "sequence"]
    sortable_by: list[str] = []
    list_fullwidth = True
    fields = [
        ("plan", "sequence", "action"),
        ("dataset_name", "block_name", "site_name"),
        ("size", "num_files"),
        ("line", "rule_text"),
        "new_owner",
    ]

    def get_search_results(self, request: HttpRequest, queryset: Any, search_term: str) -> tuple[Any, bool]:
        term = search_term.strip()
        return (queryset.filter(name_filter(term, "dataset_name")) if term else queryset), False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        return lookup in {"plan__id__exact", "site_name__exact", "site_name"} or super().lookup_allowed(lookup, value, request)

    @display(description="what")
    def what(self, item: PlanItem) -> str:
        return item.what

    @display(description="action")
    def act(self, item: PlanItem) -> SafeString:
        if item.action == "DELETE":
            return (
                badge_html("last-copy", "delete, even the last copy") if item.may_be_last_copy else badge_html("delete", "delete")
            )
        return badge_html("kept", f"hand over to {item.new_owner}")

    @display(description="size")
    def size(self, item: PlanItem) -> SafeString:
        return size_html(item.size_bytes)
