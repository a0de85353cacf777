"""Stopping and restarting all deletions at once."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from inventory.services.audit import Actor, audit_record
from operations.constants import ALL_SITES, PAUSED_AGAIN
from operations.exceptions import InvalidTransitionError
from operations.models import PauseSwitch
from operations.selectors.pausing import PauseState, pause_state
from operations.services.rights import demand_right


def pause_all(*, actor: Actor, reason: str = "") -> PauseState:
    """Stop every worker before its next call to a storage; who paused first stays, a further reason is recorded.

    Raises ``PermissionDenied`` for a person without the right ``operations.pause_all``.
    """
    with transaction.atomic():
        switch = _locked_switch()
        demand_right(actor, "operations.pause_all", "pause all deletions")
        if not switch.is_paused:
            _turn(switch, is_paused=True, actor=actor, reason=reason)
            audit_record(actor=actor, action="operations.pause_all", subject=ALL_SITES, reason=reason)
        elif pause_state().is_further(actor.name, reason):
            audit_record(actor=actor, action=PAUSED_AGAIN, subject=ALL_SITES, reason=reason, details=_turned_by(switch))
    return pause_state()


def resume_all(*, actor: Actor, reason: str) -> PauseState:
    """Let deletions go on. The file on disk, if there is one, still stops the workers of its host.

    Raises ``PermissionDenied`` for a person without the right ``operations.resume_all`` (it is another than that to pause),
    ``InvalidTransitionError`` if the switch is not on or no reason is given.
    """
    if not reason.strip():
        raise InvalidTransitionError("say why deletions may go on: resuming needs a reason")
    with transaction.atomic():
        switch = _locked_switch()
        demand_right(actor, "operations.resume_all", "let all deletions go on")
        if not switch.is_paused:
            raise InvalidTransitionError(pause_state().nothing_to_resume)
        details = _turned_by(switch)
        _turn(switch, is_paused=False, actor=actor, reason=reason)
        audit_record(actor=actor, action="operations.resume_all", subject=ALL_SITES, reason=reason, details=details)
    return pause_state()


def _locked_switch() -> PauseSwitch:
    switch = PauseSwitch.objects.select_for_update(no_key=True).filter(pk=1).first()
    if switch is None:
        PauseSwitch.objects.bulk_create([PauseSwitch(pk=1)], ignore_conflicts=True)
        switch = PauseSwitch.objects.select_for_update(no_key=True).get(pk=1)
    return switch


def _turned_by(switch: PauseSwitch) -> dict[str, str]:
    return {"paused_at": str(switch.changed_at), "paused_by": switch.changed_by_name, "paused_reason": switch.reason}


def _turn(switch: PauseSwitch, *, is_paused: bool, actor: Actor, reason: str) -> None:
    switch.is_paused = is_paused
    switch.changed_at = timezone.now()
    switch.changed_by_id = actor.user.pk if actor.user is not None else None
    switch.changed_by_name = actor.name[:150]
    switch.reason = reason[:512]
    switch.save(update_fields=["is_paused", "changed_at", "changed_by", "changed_by_name", "reason"])
