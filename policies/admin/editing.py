"""The policy editor: the text left, what it would do right. It saves nothing itself; its script speaks to the API."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from inventory.permissions import may
from inventory.selectors.wording import plural, size_text
from policies.choices import CycleKind, CycleState
from policies.language.expectations import EXPECTED_WORDS
from policies.language.statements import ACTIONS, SITE_STATEMENTS, STATEMENTS
from policies.language.types import ValueType
from policies.language.variables import VARIABLES
from policies.models import Comparison, Cycle, Policy, PolicyVersion
from policies.selectors.comparisons import changes_page
from policies.selectors.cycles_overview import counting_test_runs, coverage_lines, guardrail_rules
from policies.selectors.occupancy import site_bars
from policies.selectors.partitions import num_protecting_guardrails
from policies.selectors.watermarks import watermarks_of

#: Changed replicas shown beside the text; the rest is in the API's list.
CHANGES_SHOWN = 15


class PolicyEditorMixin:
    """Adds ``/edit/`` to the pages of a policy; for a ``ModelAdmin`` of unfold."""

    admin_site: Any
    opts: Any

    def get_custom_urls(self) -> tuple[tuple[str, str, Any], ...]:
        return (
            ("<int:policy_id>/edit/", "policies_policy_edit", self.edit_view),
            ("<int:policy_id>/edit/effect/", "policies_policy_effect", self.effect_view),
        )

    def edit_view(self, request: HttpRequest, policy_id: int, model_admin: Any) -> HttpResponse:
        """Show the editor with the text of ``?version=`` (default: the latest); who may not change it sees the text alone."""
        return require_safe(self._edit)(request, policy_id)

    def effect_view(self, request: HttpRequest, policy_id: int, model_admin: Any) -> HttpResponse:
        """Show what the test run ``?cycle=`` and the ``?comparison=`` found, or how far they are: a part of the page."""
        return require_safe(self._effect)(request, policy_id)

    def _edit(self, request: HttpRequest, policy_id: int) -> HttpResponse:
        policy = self._policy(request, policy_id)
        version = _version(policy, request.GET.get("version", ""))
        may_change = may(request.user, "policies.change_policy", policy)
        tested = _test_runs(version).values_list("pk", flat=True).first() if version else None
        context: dict[str, Any] = {
            **self.admin_site.each_context(request),
            "title": f"{'Edit' if may_change else 'Text of'} {policy}",
            "opts": self.opts,
            "policy": policy,
            "version": version,
            "may_change": may_change,
            "num_protecting": num_protecting_guardrails(policy.partition_id),
            "text": version.text if version else f"Partition {policy.partition.name}\n",
            "config": _config(request, policy, version, may_change=may_change, tested_cycle_id=tested),
        }
        return TemplateResponse(request, "dynamo/policy_edit.html", context)

    def _effect(self, request: HttpRequest, policy_id: int) -> HttpResponse:
        policy = self._policy(request, policy_id)
        if not request.user.has_perm("policies.view_cycle"):
            raise PermissionDenied("policies.view_cycle is needed.")
        cycle = get_object_or_404(Cycle, pk=_key(request, "cycle"), partition_id=policy.partition_id, kind=CycleKind.TEST_RUN)
        comparison = None
        if request.GET.get("comparison"):
            comparison = get_object_or_404(Comparison, pk=_key(request, "comparison"), partition_id=policy.partition_id)
        return TemplateResponse(request, "dynamo/policy_effect.html", _effect_context(cycle, comparison))

    def _policy(self, request: HttpRequest, policy_id: int) -> Policy:
        policy = get_object_or_404(Policy.objects.select_related("partition", "active_version"), pk=policy_id)
        if not (may(request.user, "policies.view_policy", policy) or may(request.user, "policies.change_policy", policy)):
            raise PermissionDenied("policies.view_policy is needed.")
        return policy


def _version(policy: Policy, asked: str) -> PolicyVersion | None:
    versions = PolicyVersion.objects.filter(policy=policy).order_by("-number")
    if not asked:
        return versions.first()
    if not asked.isascii() or not asked.isdecimal() or len(asked) > 18:
        raise Http404("There is no such version.")
    return get_object_or_404(versions, pk=int(asked))


def _test_runs(version: PolicyVersion) -> QuerySet[Cycle]:
    """Return the test runs of the version that count for its activation, the latest first."""
    return counting_test_runs().filter(policy_version=version).order_by("-pk")


def _key(request: HttpRequest, name: str) -> int:
    text = request.GET.get(name, "")
    if not text.isascii() or not text.isdecimal() or len(text) > 18:
        raise Http404(f"Name a {name}.")
    return int(text)


def _config(
    request: HttpRequest, policy: Policy, version: PolicyVersion | None, *, may_change: bool, tested_cycle_id: int | None
) -> dict[str, Any]:
    """Return what the page's script needs to know."""
    act = reverse("dynamo_act", args=["policy-activate", 0])
    return {
        "policy": policy.pk,
        "name": str(policy),
        "partition": policy.partition.name,
        "deletion_per_iteration": policy.deletion_per_iteration,
        "may_change": may_change,
        "may_run": may(request.user, "policies.run_policy", policy),
        "may_activate": may(request.user, "policies.activate_policy", policy),
        "active_version": policy.active_version_id,
        "active_number": policy.active_version.number if policy.active_version else None,
        "version": {"id": version.pk, "number": version.number, "cycle": tested_cycle_id} if version else None,
        "expectations": policy.expectations,
        "urls": {
            "check": reverse("api:policies-api:check"),
            "check_expectations": reverse("api:policies-api:expectations-check"),
            "test_runs": reverse("api:policies-api:test-runs"),
            "comparisons": reverse("api:policies-api:comparison-list"),
            "versions": reverse("api:policies-api:policy-versions-of", args=[policy.pk]),
            "expectations": reverse("api:policies-api:policy-expectations", args=[policy.pk]),
            "effect": reverse("admin:policies_policy_effect", args=[policy.pk]),
            # The script puts the version's key in place of the last 0.
            "activate": act,
        },
        "language": _language(),
    }


def _language() -> dict[str, Any]:
    """Return the words that completion and colours know: those of the registry and the statements of the language."""
    variables = [
        {
            "name": f"{v.name}.KEY" if v.type is ValueType.ATTRIBUTE else v.name,
            "type": v.type.value,
            "unit": v.unit.value,
            "doc": v.doc,
            "choices": list(v.choices),
            "in_sites": v.in_site_conditions,
            "in_replicas": v.in_replica_conditions,
            "sortable": v.is_sortable,
        }
        for v in VARIABLES
    ]
    return {
        "statements": list(STATEMENTS),
        "site_statements": list(SITE_STATEMENTS),
        "actions": list(ACTIONS),
        "variables": variables,
        "expected_words": list(EXPECTED_WORDS),
    }


def _effect_context(cycle: Cycle, comparison: Comparison | None) -> dict[str, Any]:
    running = [run for run in (cycle, comparison) if run is not None and run.state == CycleState.RUNNING]
    context: dict[str, Any] = {
        "cycle": cycle,
        "comparison": comparison,
        "is_running": bool(running),
        "stage": next((run.stage for run in running if run.stage), ""),
        # The comparison is about as much work as two test runs; it says no share.
        "percent": round(100 * (cycle.progress if comparison is None else cycle.progress / 2)),
    }
    if running or cycle.state != CycleState.COMPLETED:
        return context
    lines = coverage_lines(cycle.text, cycle.pk)
    context |= {
        "bars": site_bars([cycle.pk]).get(cycle.pk, ()),
        "marks": watermarks_of(cycle.text),
        "num_dead": sum(line.is_dead for line in lines),
        "guardrails": guardrail_rules(cycle.pk),
        "hits": [
            {
                "line": line.number,
                "replicas": plural(line.num_replicas or 0, "replica"),
                "size": size_text(line.size_bytes),
                "is_dead": line.is_dead,
            }
            for line in lines
            if line.num_replicas is not None
        ],
    }
    if comparison is not None and comparison.changes_file:
        try:
            context["changes"] = changes_page(comparison.changes_file, per_page=CHANGES_SHOWN)
        except FileNotFoundError as missing:
            context["changes_problem"] = f"{missing}."
    return context
