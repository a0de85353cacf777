"""Comparisons: what changes from one text, or one cycle, to another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.http import require_POST
from unfold.decorators import display

from inventory.selectors.wording import NOTHING, badge_html, size_html, when_html
from inventory.services.audit import Actor
from policies.admin.base import ReadOnlyAdmin, whole_number
from policies.choices import CycleState
from policies.exceptions import PolicyError
from policies.models import Comparison, Cycle, PolicyVersion
from policies.planning.comparing import GONE, OUTSIDE
from policies.selectors.comparisons import changes_page
from policies.selectors.decisions import DECISIONS
from policies.services.comparisons import cycles_comparison_request, versions_comparison_request

#: Words of decisions that a side of a comparison may have.
_OLD_WORDS = (*DECISIONS, OUTSIDE)
_NEW_WORDS = (*DECISIONS, OUTSIDE, GONE)


class CycleCompareMixin:
    """Adds ``/compare/`` to the pages of a cycle; for a ``ModelAdmin`` of unfold."""

    def get_custom_urls(self) -> tuple[tuple[str, str, Any], ...]:
        return (("<int:cycle_id>/compare/", "policies_cycle_compare", self.compare_view),)

    def compare_view(self, request: HttpRequest, cycle_id: int, model_admin: Any) -> HttpResponse:
        """Compare the cycle with the earlier one ``other``, and go where the comparison is shown."""
        return require_POST(self._compare)(request, cycle_id)

    def _compare(self, request: HttpRequest, cycle_id: int) -> HttpResponse:
        cycle = get_object_or_404(Cycle, pk=cycle_id)

        def asked(other: int, actor: Actor) -> Comparison:
            return cycles_comparison_request(old_cycle_id=other, new_cycle_id=cycle.pk, actor=actor)

        return _started(request, asked, back=reverse("admin:policies_cycle_change", args=[cycle.pk]))


class VersionCompareMixin:
    """Adds ``/compare/`` to the pages of a policy version; for a ``ModelAdmin`` of unfold."""

    def get_custom_urls(self) -> tuple[tuple[str, str, Any], ...]:
        return (("<int:version_id>/compare/", "policies_policyversion_compare", self.compare_view),)

    def compare_view(self, request: HttpRequest, version_id: int, model_admin: Any) -> HttpResponse:
        """Compare the version with ``other`` of its policy, and go where the comparison is shown."""
        return require_POST(self._compare)(request, version_id)

    def _compare(self, request: HttpRequest, version_id: int) -> HttpResponse:
        version = get_object_or_404(PolicyVersion, pk=version_id)

        def asked(other: int, actor: Actor) -> Comparison:
            return versions_comparison_request(
                old_version_id=other,
                new_version_id=version.pk,
                actor=actor,
                now=timezone.now(),
                with_guardrails=bool(request.POST.get("with_guardrails")),
            )

        return _started(request, asked, back=reverse("admin:policies_policyversion_change", args=[version.pk]))


def _started(request: HttpRequest, asked: Callable[[int, Actor], Comparison], *, back: str) -> HttpResponse:
    """Start the comparison with ``other`` and go to it; what the service refuses is said where the user came from."""
    for right in ("policies.view_cycle", "policies.view_comparison"):
        if not request.user.has_perm(right):
            raise PermissionDenied(f"{right} is needed.")
    try:
        comparison = asked(whole_number(request.POST.get("other", "")) or 0, Actor.of(request.user))
    except PolicyError as refusal:
        messages.error(request, str(refusal))
        return HttpResponseRedirect(back)
    return HttpResponseRedirect(reverse("admin:policies_comparison_change", args=[comparison.pk]))


@admin.register(Comparison)
class ComparisonAdmin(ReadOnlyAdmin):
    """A comparison: sums, then every replica that is decided otherwise."""

    list_display = ["name", "partition", "state_badge", "goes", "stays", "started", "started_by"]
    list_filter = ["state", "partition"]
    list_select_related = ["partition"]
    search_fields = ["new_source", "old_source", "started_by"]
    change_form_template = "dynamo/comparison.html"
    fields = ["state"]

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("old_text", "new_text")

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> Any:
        comparison = self.get_object(request, object_id)
        context: dict[str, Any] = {}
        if comparison is not None:
            context = {
                "comparison": comparison,
                "is_running": comparison.state == CycleState.RUNNING,
                "sums": comparison.summary or None,
                **_changes(request, comparison),
            }
        return super().change_view(request, object_id, form_url, {**context, **(extra_context or {})})

    @display(description="comparison", ordering="pk")
    def name(self, comparison: Comparison) -> str:
        if not comparison.old_source:
            return f"{comparison.pk}: {comparison.new_source} against its expectations"
        return f"{comparison.pk}: {comparison.new_source} against {comparison.old_source}"

    @display(description="state", ordering="state")
    def state_badge(self, comparison: Comparison) -> SafeString:
        kind = {CycleState.COMPLETED: "fine", CycleState.FAILED: "danger"}.get(CycleState(comparison.state), "running")
        return badge_html(kind, comparison.get_state_display())

    @display(description="more deleted")
    def goes(self, comparison: Comparison) -> SafeString | str:
        return _size_of(comparison, "goes")

    @display(description="no longer deleted")
    def stays(self, comparison: Comparison) -> SafeString | str:
        return _size_of(comparison, "stays")

    @display(description="started", ordering="started_at")
    def started(self, comparison: Comparison) -> SafeString:
        return when_html(comparison.started_at)


def _size_of(comparison: Comparison, kind: str) -> SafeString | str:
    return size_html(comparison.summary[kind]["size_bytes"]) if kind in comparison.summary else NOTHING


def _changes(request: HttpRequest, comparison: Comparison) -> dict[str, Any]:
    """Return the page of changed replicas that the query asks for."""
    query = request.GET
    words = {"old": _OLD_WORDS, "new": _NEW_WORDS}
    wanted = {
        "site": query.get("site", ""),
        "dataset": query.get("dataset", "").strip(),
        **{side: query.get(side, "") if query.get(side, "") in allowed else "" for side, allowed in words.items()},
    }
    kept = {key: value for key, value in wanted.items() if value}
    context: dict[str, Any] = {
        "wanted": wanted,
        "is_filtered": bool(kept),
        "page_query": f"{urlencode(kept)}&" if kept else "",
        "old_words": _OLD_WORDS,
        "new_words": _NEW_WORDS if comparison.is_of_cycles else _OLD_WORDS,
    }
    if comparison.changes_file:
        try:
            context["changes"] = changes_page(comparison.changes_file, page=whole_number(query.get("p", "")) or 1, **wanted)
        except FileNotFoundError as missing:
            context["changes_problem"] = f"{missing}."
    return context
