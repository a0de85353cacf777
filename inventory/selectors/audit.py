"""Reading the audit trail: acts in words, events about one object, how far the chain was checked."""

from __future__ import annotations

from inventory.models import AuditEvent

#: What people read for the name of an act; an act that is not here reads as its own name in words.
_ACTIONS = {
    "inventory.inject": "injected",
    "inventory.injection_died": "injection died",
    "inventory.lock_create": "locked",
    "inventory.lock_release": "unlocked",
    "inventory.site_pause": "paused deletions at a site",
    "inventory.site_resume": "let deletions go on at a site",
    "operations.deletions_recorded": "recorded deletions",
    "operations.dropped_out": "left out of a plan",
    "operations.needs_a_person": "left to a person",
    "operations.leases_taken_back": "took back work of a dead worker",
    "operations.pause_all": "paused all deletions",
    "operations.pause_all_again": "gave a further reason to pause all deletions",
    "operations.resume_all": "let all deletions go on",
    "operations.plan_enqueued": "queued a plan",
    "operations.plan_refused": "refused a plan",
    "operations.files_missing": "missing files taken out",
    "operations.files_found_again": "files that had been missing taken up again",
    "operations.scan_done": "scanned a storage",
    "operations.scan_held": "a scan was held for a person",
    "operations.scan_failed": "a scan failed",
    "policies.cycle": "ran a cycle",
    "policies.plan_freeze": "froze a plan",
    "policies.plan_release": "released a plan",
    "policies.plan_discard": "discarded a plan",
    "policies.policy_create": "made a policy",
    "policies.version_create": "wrote a policy version",
    "policies.version_activate": "activated a policy version",
    "policies.deactivate": "deactivated a policy",
    "policies.quota_set": "set a quota",
    "policies.partition_define": "defined a partition",
    "policies.partition_limits_set": "set limits of a partition",
    "policies.guardrail_define": "defined a guardrail",
    "policies.expectations_set": "set expectations of a policy",
    "site.token_issue": "issued an API token",
    "site.token_revoke": "revoked an API token",
}


def action_text(action: str) -> str:
    """Return the act in words: ``locked``, or for an act without words of its own ``site change`` for inventory.site.change."""
    return _ACTIONS.get(action) or action.split(".", 1)[-1].replace("_", " ").replace(".", " ")


def events_about(subject: str, *, limit: int = 50) -> list[AuditEvent]:
    """Return the latest events whose subject is exactly *subject*, newest first."""
    return list(AuditEvent.objects.filter(subject=subject).order_by("-pk")[:limit])
