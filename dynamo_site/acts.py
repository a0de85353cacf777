"""Acts that people start from a screen: each one asks once, takes a reason, needs its own right and calls one service.

The one place where screens change anything, so that no page has a button that another way could not refuse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.apps import apps
from django.db.models import Model
from django.urls import reverse
from django.utils import timezone

from dynamo_site.services.tokens import REVOKE_OF_OTHERS, token_revoke
from inventory.permissions import may
from inventory.selectors.wording import duration_text, exact_text, plural, size_text, when_text
from inventory.services.audit import Actor
from inventory.services.locks import lock_extend, lock_release, may_end
from inventory.services.sites import site_pause, site_resume
from operations.services.deletion_requests import deletion_request_approve, deletion_request_cancel, deletion_request_reject
from operations.services.failed import deletions_drop, deletions_retry
from operations.services.pausing import pause_all, resume_all
from operations.services.restoring import RestoreWanted, restore_request
from policies.services.plans import plan_discard, plan_release
from policies.services.policies import policy_deactivate, policy_version_activate
from policies.services.test_runs import test_run_request

Key = str | int

#: What one act of renewing adds to the end of a lock.
RENEWED_FOR = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Act:
    """One act: ``label`` on its button, ``question`` and ``consequence`` where it is confirmed.

    ``verb`` stands on the button that does it; ``model`` names what it acts on (None: the whole of Dynamo); ``guard`` is
    the relation from there to the object on which the right may be given instead of in general. ``perform`` calls the
    service and returns what to say afterwards.
    """

    label: str
    verb: Callable[[Any], str]
    permission: str
    question: Callable[[Any], str]
    consequence: Callable[[Any], str]
    perform: Callable[[Any, Actor, str], str]
    model: str | None = None
    guard: str = ""
    is_dangerous: bool = False
    reason_required: bool = True
    #: Who else may, without the right: asked with who acts and the object. The service asks the same.
    also: Callable[[Actor, Any], bool] | None = None

    def is_open_to(self, user: Any, key: Key) -> bool:
        """Tell whether *user* may do it to the object of *key*; the general right comes first: it needs no look at the object."""
        if may(user, self.permission) or may(user, self.permission, self.guarded_object(key)):
            return True
        return self.also is not None and self.also(Actor.of(user), self.subject(key))

    def subject(self, key: Key) -> Model | None:
        """Return the object of the act, or None where it has none. Raises ``ObjectDoesNotExist`` for a wrong key."""
        if self.model is None:
            return None
        return apps.get_model(self.model)._default_manager.get(pk=key)

    def guarded_object(self, key: Key) -> Model | None:
        """Return the object on which the right may be given."""
        target: Any = self.subject(key)
        for step in self.guard.split(".") if self.guard else ():
            target = getattr(target, step)
        return target


def _plan_verb(plan: Any) -> str:
    return f"Delete {plural(plan.num_items, 'block replica')}, {size_text(plan.size_bytes)}"


def _plan_question(plan: Any) -> str:
    return f"Release the plan: delete {plural(plan.num_items, 'block replica')}, {size_text(plan.size_bytes)}?"


def _pause_all(_: None, actor: Actor, reason: str) -> str:
    pause_all(actor=actor, reason=reason)
    return "All deletions are paused: no worker begins another file."


def _resume_all(_: None, actor: Actor, reason: str) -> str:
    resume_all(actor=actor, reason=reason)
    return "Deletions go on."


def _site_pause(site: Any, actor: Actor, reason: str) -> str:
    site_pause(site_name=site.name, actor=actor, reason=reason)
    return f"Deletions at {site.name} are paused."


def _site_resume(site: Any, actor: Actor, reason: str) -> str:
    site_resume(site_name=site.name, actor=actor, reason=reason)
    return f"Deletions at {site.name} go on."


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


def _deletion_retry(deletion: Any, actor: Actor, reason: str) -> str:
    deletions_retry(deletion_ids=[deletion.pk], actor=actor, reason=reason)
    return "It is queued again; what is checked before each deletion is checked again."


def _deletion_drop(deletion: Any, actor: Actor, reason: str) -> str:
    deletions_drop(deletion_ids=[deletion.pk], actor=actor, reason=reason)
    return "It is given up: inventory and storage stay as they are."


def _trash_restore(trash: Any, actor: Actor, reason: str) -> str:
    restore_request(wanted=RestoreWanted(trash_ids=(trash.pk,)), actor=actor, reason=reason, now=timezone.now())
    return "It is being brought back: each file is checked, which takes a moment. The page of its trash says what became of it."


def _plan_restore(plan: Any, actor: Actor, reason: str) -> str:
    asked = restore_request(wanted=RestoreWanted(plan_id=plan.pk), actor=actor, reason=reason, now=timezone.now())
    refused = f"; {plural(len(asked.refused), 'block replica')} cannot: {asked.refused[0][1]}" if asked.refused else ""
    return f"{plural(len(asked.trash_ids), 'block replica')} of the plan are being brought back{refused}."


def _lock_release(lock: Any, actor: Actor, reason: str) -> str:
    lock_release(lock_id=lock.pk, actor=actor, now=timezone.now(), reason=reason)
    return "The lock is released: what it held may be deleted by the next cycle."


def _lock_renew(lock: Any, actor: Actor, reason: str) -> str:
    now = timezone.now()
    end = max(lock.expires_at or now, now) + RENEWED_FOR
    lock_extend(lock_id=lock.pk, expires_at=end, actor=actor, now=now, reason=reason)
    return f"The lock holds until {exact_text(end)}."


def _request_verb(request: Any) -> str:
    last = ", last copies too" if request.allows_last_copy else ""
    return f"Delete {plural(request.plan.num_items, 'block replica')}, {size_text(request.plan.size_bytes)}{last}"


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


def _token_revoke(token: Any, actor: Actor, reason: str) -> str:
    token_revoke(token=token, actor=actor, reason=reason)
    return f"Revoked: {token} opens nothing any more."


ACTS: dict[str, Act] = {
    "pause-all": Act(
        label="Pause all deletions",
        verb=lambda _: "Pause all deletions",
        permission="operations.pause_all",
        question=lambda _: "Pause all deletions at all sites?",
        consequence=lambda _: (
            "Every worker stops before its next file, within about a second; cycles go on planning. "
            "To let deletions go on takes another right."
        ),
        perform=_pause_all,
        is_dangerous=True,
    ),
    "resume-all": Act(
        label="Let deletions go on",
        verb=lambda _: "Let deletions go on",
        permission="operations.resume_all",
        question=lambda _: "Let deletions go on?",
        consequence=lambda _: "Workers take up what is queued, at every site that is not paused by itself.",
        perform=_resume_all,
    ),
    "site-pause": Act(
        label="Pause deletions here",
        verb=lambda site: f"Pause deletions at {site.name}",
        permission="inventory.pause_site",
        model="inventory.Site",
        question=lambda site: f"Pause deletions at {site.name}?",
        consequence=lambda site: "What is queued for the site waits; other sites go on.",
        perform=_site_pause,
    ),
    "site-resume": Act(
        label="Resume deletions",
        verb=lambda site: f"Resume deletions at {site.name}",
        permission="inventory.resume_site",
        model="inventory.Site",
        question=lambda site: f"Resume deletions at {site.name}?",
        consequence=lambda site: f"Paused because: {site.deletion_paused_reason or 'no reason was given'}.",
        perform=_site_resume,
    ),
    "plan-release": Act(
        label="Release…",
        verb=_plan_verb,
        permission="policies.release_plan",
        model="policies.Plan",
        guard="partition",
        question=_plan_question,
        consequence=lambda plan: "A safety limit or a guardrail holds this plan. Once released, it is deleted for good.",
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
    "deletion-retry": Act(
        label="Try again…",
        verb=lambda deletion: "Queue it again",
        permission="operations.change_deletion",
        model="operations.Deletion",
        question=lambda deletion: f"Try again to delete {deletion}?",
        consequence=lambda deletion: f"It failed: {deletion.reason or 'no reason was recorded'}",
        perform=_deletion_retry,
    ),
    "deletion-drop": Act(
        label="Give up…",
        verb=lambda deletion: "Give it up",
        permission="operations.change_deletion",
        model="operations.Deletion",
        question=lambda deletion: f"Give up deleting {deletion}?",
        consequence=lambda deletion: (
            f"Inventory and storage stay as they are. It failed: {deletion.reason or 'no reason recorded'}"
        ),
        perform=_deletion_drop,
    ),
    # Who may decide depends on the sites concerned: the service asks.
    "request-approve": Act(
        label="Approve…",
        verb=_request_verb,
        permission="operations.view_deletionrequest",
        model="operations.DeletionRequest",
        question=lambda request: f"Approve what {request.requested_by_name} asks for: {request.what} at {request.site_pattern}?",
        consequence=lambda request: (
            f"“{request.reason}” It is deleted for good"
            + (
                ", even where no other copy is left anywhere."
                if request.allows_last_copy
                else "; last copies and what is locked stay."
            )
        ),
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
    "trash-restore": Act(
        label="Bring back…",
        verb=lambda trash: f"Bring back {plural(trash.num_files, 'file')}",
        permission="operations.restore_trash",
        model="operations.Trash",
        question=lambda trash: f"Bring back {trash}?",
        consequence=lambda trash: (
            f"{plural(trash.num_files, 'file')}, {size_text(trash.size_bytes)}: back to their places and to the inventory, each "
            "checked. Nothing is overwritten. The next cycle may decide to delete it again: lock it if it must stay."
        ),
        perform=_trash_restore,
    ),
    "plan-restore": Act(
        label="Bring all back…",
        verb=lambda plan: "Bring back what the plan deleted",
        permission="operations.restore_trash",
        model="policies.Plan",
        question=lambda plan: f"Bring back what plan {plan.pk} deleted?",
        consequence=lambda plan: (
            "All that is still in the trash goes back to its place and to the inventory, each file checked. Nothing is "
            "overwritten. The next cycle may decide to delete it again: lock what must stay."
        ),
        perform=_plan_restore,
    ),
    "lock-release": Act(
        label="Release the lock…",
        verb=lambda lock: "Release the lock",
        permission="inventory.change_lock",
        model="inventory.Lock",
        question=lambda lock: f"Release the lock on {lock}?",
        consequence=lambda lock: f"What it holds for {lock.owner} may be deleted by the next cycle.",
        perform=_lock_release,
        is_dangerous=True,
        also=may_end,
    ),
    "lock-renew": Act(
        label=f"Renew for {RENEWED_FOR.days} days",
        verb=lambda lock: f"Renew for {RENEWED_FOR.days} days",
        permission="inventory.change_lock",
        model="inventory.Lock",
        question=lambda lock: f"Renew the lock on {lock} for {RENEWED_FOR.days} days?",
        consequence=lambda lock: (
            f"It ends {when_text(lock.expires_at)} ({exact_text(lock.expires_at)})."
            if lock.expires_at
            else "It has no end until somebody releases it: this gives it one."
        ),
        perform=_lock_renew,
        reason_required=False,
        also=may_end,
    ),
    "token-revoke": Act(
        label="Revoke…",
        verb=lambda token: "Revoke the token",
        permission=REVOKE_OF_OTHERS,
        model="dynamo_site.ApiToken",
        question=lambda token: f"Revoke the token for {token}?",
        consequence=lambda token: "Whatever uses it is refused from now on. It cannot be made valid again.",
        perform=_token_revoke,
        is_dangerous=True,
        also=lambda actor, token: actor.user is not None and token.user_id == actor.user.pk,
    ),
}


def act_url(name: str, key: Key = "") -> str:
    """Return the address of the page where the act is confirmed."""
    return reverse("dynamo_act", args=[name, key]) if key != "" else reverse("dynamo_act_all", args=[name])
