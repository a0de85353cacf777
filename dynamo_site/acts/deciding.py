"""Acts that decide what may be deleted: plans, versions of policies, requests."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from dynamo_site.acts.act import Act
from inventory.selectors.wording import duration_text, plural, size_text
from inventory.services.audit import Actor
from operations.selectors.requests import request_standing
from operations.services.deletion_requests import deletion_request_approve, deletion_request_cancel, deletion_request_reject
from operations.services.limits import limits_from_settings
from policies.services.plans import plan_discard, plan_release
from policies.services.policies import policy_deactivate, policy_version_activate
from policies.services.test_runs import test_run_request


def _plan_verb(plan: Any) -> str:
    return f"Delete {plural(plan.num_items, 'block replica')}, {size_text(plan.size_bytes)}"


def _plan_question(plan: Any) -> str:
    return f"Release the plan: delete {plural(plan.num_items, 'block replica')}, {size_text(plan.size_bytes)}?"


def _undo_text() -> str:
    """Return for how long what is deleted can be brought back."""
    limits = limits_from_settings()
    if limits.trash_days is None:
        return "There is no trash, unless a site has one by a limit of its own: what is deleted is gone for good at once."
    days, tape_days = (duration_text(timedelta(days=some)) for some in (limits.trash_days, limits.tape_trash_days))
    return f"It can be brought back for {days} (tape: {tape_days}; a site may have its own time), then it is gone for good."


def _plan_release(plan: Any, actor: Actor, reason: str) -> str:
    plan_release(plan_id=plan.pk, actor=actor, reason=reason)
    return "The plan is released: its deletions are queued."


def _plan_discard(plan: Any, actor: Actor, reason: str) -> str:
    plan_discard(plan_id=plan.pk, actor=actor, reason=reason)
    return "The plan is discarded: nothing of it will be deleted."


def _test_run(version: Any, actor: Actor, reason: str) -> str:
    policy = version.policy
    cycle = test_run_request(
        text=version.text,
        source=str(version),
        actor=actor,
        now=timezone.now(),
        partition_name=policy.partition.name,
        policy_version=version,
        deletion_per_iteration=policy.deletion_per_iteration,
    )
    return f"Test run {cycle.pk} is under way: see Cycles. Nothing is deleted by it."


def _policy_activate(version: Any, actor: Actor, reason: str) -> str:
    policy_version_activate(version_id=version.pk, actor=actor, reason=reason)
    return f"{version} is active: the next automatic cycle evaluates it."


def _policy_deactivate(policy: Any, actor: Actor, reason: str) -> str:
    policy_deactivate(policy_id=policy.pk, actor=actor, reason=reason)
    return f"{policy} has no active version: it is not evaluated any more."


def _request_verb(request: Any) -> str:
    last = ", last copies too" if request.allows_last_copy else ""
    return f"Delete {plural(request.plan.num_items, 'block replica')}, {size_text(request.plan.size_bytes)}{last}"


def _request_consequence(request: Any) -> str:
    why = f"Their reason: “{request.reason}”. It is deleted"
    if not request.allows_last_copy:
        return f"{why}; last copies and what is locked stay. {_undo_text()}"
    last = request_standing(request)
    now = (
        f"now {plural(last.num_last_copies, 'block replica')}, {size_text(last.last_copy_bytes)}"
        if last.num_last_copies
        else "now none"
    )
    return f"{why}, even where no other copy is left anywhere ({now}); what is locked stays. {_undo_text()}"


def _request_approve(request: Any, actor: Actor, reason: str) -> str:
    # The button that was pressed says it by name.
    done = deletion_request_approve(request_id=request.pk, actor=actor, reason=reason, allow_last_copy=request.allows_last_copy)
    return f"{done} is approved: its deletions are queued, unless a safety limit holds them."


def _request_reject(request: Any, actor: Actor, reason: str) -> str:
    deletion_request_reject(request_id=request.pk, actor=actor, reason=reason)
    return f"{request} is rejected: nothing of it is deleted."


def _request_cancel(request: Any, actor: Actor, reason: str) -> str:
    deletion_request_cancel(request_id=request.pk, actor=actor, reason=reason)
    return f"{request} is cancelled: what has not been begun stays."


ACTS: dict[str, Act] = {
    "plan-release": Act(
        label="Release…",
        verb=_plan_verb,
        permission="policies.release_plan",
        model="policies.Plan",
        guard="partition",
        question=_plan_question,
        consequence=lambda plan: f"A safety limit or a guardrail holds this plan. Once released, it is deleted. {_undo_text()}",
        perform=_plan_release,
        is_dangerous=True,
    ),
    "plan-discard": Act(
        label="Discard…",
        verb=lambda plan: "Discard the plan",
        permission="policies.release_plan",
        model="policies.Plan",
        guard="partition",
        question=lambda plan: "Discard the plan?",
        consequence=lambda plan: "Nothing of it will be deleted; the next cycle plans anew.",
        perform=_plan_discard,
    ),
    "policy-test-run": Act(
        label="Test run",
        verb=lambda version: f"Test-run {version}",
        permission="policies.run_policy",
        model="policies.PolicyVersion",
        guard="policy",
        question=lambda version: f"Test-run {version}?",
        consequence=lambda version: "It is evaluated on the inventory as it is now. Nothing is deleted.",
        perform=_test_run,
        reason_required=False,
    ),
    "policy-activate": Act(
        label="Activate…",
        verb=lambda version: f"Activate {version}",
        permission="policies.activate_policy",
        model="policies.PolicyVersion",
        guard="policy",
        question=lambda version: f"Activate {version}?",
        consequence=lambda version: (
            f"Automatic cycles of {version.policy.partition} will delete by this text, every "
            f"{duration_text(version.policy.period)}. It must have been test-run."
        ),
        perform=_policy_activate,
        is_dangerous=True,
    ),
    "policy-deactivate": Act(
        label="Deactivate…",
        verb=lambda policy: f"Deactivate {policy}",
        permission="policies.activate_policy",
        model="policies.Policy",
        question=lambda policy: f"Leave {policy} without an active version?",
        consequence=lambda policy: "No automatic cycle evaluates it until a version is activated. Released plans go on.",
        perform=_policy_deactivate,
    ),
    # Who may decide depends on the sites concerned: the service asks.
    "request-approve": Act(
        label="Approve…",
        verb=_request_verb,
        permission="operations.view_deletionrequest",
        model="operations.DeletionRequest",
        question=lambda request: f"Approve what {request.requested_by_name} asks for: {request.what} at {request.site_pattern}?",
        consequence=_request_consequence,
        perform=_request_approve,
        is_dangerous=True,
    ),
    "request-reject": Act(
        label="Reject…",
        verb=lambda request: "Reject it",
        permission="operations.view_deletionrequest",
        model="operations.DeletionRequest",
        question=lambda request: f"Reject what {request.requested_by_name} asks for: {request.what} at {request.site_pattern}?",
        consequence=lambda request: "Nothing of it is deleted.",
        perform=_request_reject,
    ),
    "request-cancel": Act(
        label="Cancel the request…",
        verb=lambda request: "Cancel the request",
        permission="operations.view_deletionrequest",
        model="operations.DeletionRequest",
        question=lambda request: f"Cancel the request for {request.what} at {request.site_pattern}?",
        consequence=lambda request: "What of it is being deleted comes to its end; nothing else of it goes.",
        perform=_request_cancel,
    ),
}
