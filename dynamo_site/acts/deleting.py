"""Acts on what is being deleted or was: pausing, failed deletions, bringing back."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.utils.text import capfirst

from dynamo_site.acts.act import Act, Caution
from inventory.selectors.wording import exact_text, plural, size_text, when_text
from inventory.services.audit import Actor
from inventory.services.sites import site_pause, site_resume
from operations.selectors.pausing import PauseState, further_reasons, pause_state
from operations.selectors.progress import deletions_under_way
from operations.services.failed import deletions_drop, deletions_retry
from operations.services.pausing import pause_all, resume_all
from operations.services.restoring import RestoreWanted, restore_request


def _pause_all(_: None, actor: Actor, reason: str) -> str:
    state = pause_all(actor=actor, reason=reason)
    if state.is_further(actor.name, reason):
        return f"All deletions were paused by {state.changed_by} already. Your reason is kept in the audit trail."
    return "All deletions are paused: no worker begins another file."


def _pause_consequence(_: None) -> str:
    state = pause_state()
    already = f"{_why_paused(state)} Your reason is kept beside that in the audit trail. " if state.is_switched else ""
    return (
        f"{already}Every worker stops before its next file, within about a second; cycles go on planning. "
        "To let deletions go on takes another right."
    )


def _resume_all(_: None, actor: Actor, reason: str) -> str:
    state = resume_all(actor=actor, reason=reason)
    return Caution(f"The switch is off, but {state.to_remove}.") if state.to_remove else "Deletions go on."


def _resume_consequence(_: None) -> str:
    state = pause_state()
    also = "".join(f" Also by {actor}: “{reason}”." for actor, reason in further_reasons(state))
    sites = deletions_under_way()
    size = size_text(sum(site.bytes_queued for site in sites))
    queued = f"{plural(sum(site.num_queued for site in sites), 'block replica')}, {size}"
    rest = f" {capfirst(state.to_remove)}." if state.to_remove else ""
    return (
        f"{_why_paused(state)}{also} Queued: {queued}. "
        f"Workers take up what is queued, at every site that is not paused by itself.{rest}"
    )


def _why_paused(state: PauseState) -> str:
    reason = f"“{state.reason}”" if state.reason else "no reason given"
    return f"Paused {when_text(state.changed_at)} ({exact_text(state.changed_at)}) by {state.changed_by}: {reason}."


def _site_pause(site: Any, actor: Actor, reason: str) -> str:
    site_pause(site_name=site.name, actor=actor, reason=reason)
    return f"Deletions at {site.name} are paused."


def _site_resume(site: Any, actor: Actor, reason: str) -> str:
    site_resume(site_name=site.name, actor=actor, reason=reason)
    return f"Deletions at {site.name} go on."


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


ACTS: dict[str, Act] = {
    "pause-all": Act(
        label="Pause all deletions",
        verb=lambda _: "Pause all deletions",
        permission="operations.pause_all",
        question=lambda _: "Pause all deletions at all sites?",
        consequence=_pause_consequence,
        perform=_pause_all,
        is_dangerous=True,
    ),
    "resume-all": Act(
        label="Let deletions go on",
        verb=lambda _: "Let deletions go on",
        permission="operations.resume_all",
        question=lambda _: "Let deletions go on?",
        consequence=_resume_consequence,
        perform=_resume_all,
        hindrance=lambda _: capfirst(pause_state().nothing_to_resume),
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
}
