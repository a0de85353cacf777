"""The error brake: a site at which deletions fail and fail is paused until a person has looked, and failing calls are spaced."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from random import Random

from inventory.exceptions import InvalidTransition
from inventory.services.audit import Actor
from inventory.services.sites import site_pause
from operations.constants import BRAKE_FAILURES_IN_ROW, BRAKE_FRACTION, BRAKE_MIN_OUTCOMES, BRAKE_WINDOW
from operations.models import SiteHealth
from operations.services.limits import QueueLimits

logger = logging.getLogger(__name__)

ACTOR = Actor(name="error brake")


def health_note(
    *, site_name: str, outcomes: Sequence[bool], message: str, is_stuck: bool, now: datetime, limits: QueueLimits, rng: Random
) -> str:
    """Add the outcomes (True = fine) of a call to the record of a site; return why it was paused, empty if it was not.

    ``is_stuck``: the call got nothing done and the site is to be left alone for a while. Runs in the caller's transaction;
    locks the record of the site, then, if it trips, the site and the head of the audit trail.
    """
    SiteHealth.objects.bulk_create([SiteHealth(site_name=site_name)], ignore_conflicts=True)
    health = SiteHealth.objects.select_for_update(no_key=True).get(site_name=site_name)
    tripped = ""
    for is_fine in outcomes:
        health.failures_in_row = 0 if is_fine else health.failures_in_row + 1
        health.recent_outcomes = (health.recent_outcomes + ("." if is_fine else "x"))[-BRAKE_WINDOW:]
        tripped = tripped or _why_tripped(health)
    if any(outcomes):
        health.last_success_at = now
    if not all(outcomes):
        health.last_failure_at = now
        health.last_failure = message[:1024]
    health.back_off_level = min(health.back_off_level + 1, 1000) if is_stuck else 0
    health.back_off_until = now + limits.back_off(health.back_off_level, rng) if is_stuck else None
    if tripped:
        _pause(site_name, f"error brake: {tripped}; last: {message}")
        health.failures_in_row = 0
        health.recent_outcomes = ""
    health.save()
    return tripped


def _why_tripped(health: SiteHealth) -> str:
    if health.failures_in_row >= BRAKE_FAILURES_IN_ROW:
        return f"{health.failures_in_row} failures in a row"
    known = len(health.recent_outcomes)
    failed = health.recent_outcomes.count("x")
    if known >= BRAKE_MIN_OUTCOMES and failed >= BRAKE_FRACTION * known:
        return f"{failed} of the last {known} deletions failed"
    return ""


def _pause(site_name: str, reason: str) -> None:
    try:
        site_pause(site_name=site_name, actor=ACTOR, reason=reason)
    except InvalidTransition:
        logger.info("%s is paused already", site_name, extra={"site": site_name})
        return
    logger.error("deletions at %s are paused by the error brake: %s", site_name, reason, extra={"site": site_name})
