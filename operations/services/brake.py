"""The error brake: a site at which deletions fail, or find nothing, again and again is paused until a person has looked.

Finding nothing is no failure, but where half of the block replicas are not where the inventory says, its rules for names or its
endpoint are likely wrong: each would be struck from the inventory while the storage keeps it. Failing calls are spaced.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime
from random import Random

from inventory.exceptions import InvalidTransition
from inventory.services.audit import Actor
from inventory.services.sites import site_pause
from operations.choices import HealthSign
from operations.constants import BRAKE_FAILURES_IN_ROW, BRAKE_FRACTION, BRAKE_MIN_OUTCOMES, BRAKE_WINDOW
from operations.models import SiteHealth
from operations.services.limits import QueueLimits

logger = logging.getLogger(__name__)

ACTOR = Actor(name="error brake")


def health_note(
    *,
    site_name: str,
    outcomes: Sequence[HealthSign],
    message: str,
    is_stuck: bool,
    now: datetime,
    limits: QueueLimits,
    rng: Random,
) -> str:
    """Add the outcomes of a call to the record of a site; return why it was paused, empty if it was not.

    ``is_stuck``: the call got nothing done and the site is to be left alone for a while. Runs in the caller's transaction;
    locks the record of the site, then, if it trips, the site and the head of the audit trail.
    """
    SiteHealth.objects.bulk_create([SiteHealth(site_name=site_name)], ignore_conflicts=True)
    health = SiteHealth.objects.select_for_update(no_key=True).get(site_name=site_name)
    tripped = ""
    for outcome in outcomes:
        health.failures_in_row = health.failures_in_row + 1 if outcome == HealthSign.FAILED else 0
        health.recent_outcomes = (health.recent_outcomes + outcome)[-BRAKE_WINDOW:]
        tripped = tripped or _why_tripped(health)
    if set(outcomes) - {HealthSign.FAILED}:
        health.last_success_at = now
    if HealthSign.FAILED in outcomes:
        health.last_failure_at = now
        health.last_failure = message[:1024]
    health.back_off_level = min(health.back_off_level + 1, 1000) if is_stuck else 0
    health.back_off_until = now + limits.back_off(health.back_off_level, rng) if is_stuck else None
    if tripped:
        _pause(site_name, f"error brake: {tripped}{f'; last: {message}' if message else ''}")
        health.failures_in_row = 0
        health.recent_outcomes = ""
    health.save()
    return tripped


def _why_tripped(health: SiteHealth) -> str:
    if health.failures_in_row >= BRAKE_FAILURES_IN_ROW:
        return f"{health.failures_in_row} failures in a row"
    known = len(health.recent_outcomes)
    failed, absent = health.recent_outcomes.count(HealthSign.FAILED), health.recent_outcomes.count(HealthSign.ABSENT)
    if known < BRAKE_MIN_OUTCOMES:
        return ""
    if failed >= BRAKE_FRACTION * known:
        return f"{failed} of the last {known} deletions failed"
    if absent >= BRAKE_FRACTION * known:
        return (
            f"of the last {known} block replicas {absent} were not where the inventory says: look at the site's endpoint and its "
            "rules for names, and scan the site, before it is resumed"
        )
    return ""


def _pause(site_name: str, reason: str) -> None:
    try:
        site_pause(site_name=site_name, actor=ACTOR, reason=reason)
    except InvalidTransition:
        logger.info("%s is paused already", site_name, extra={"site": site_name})
        return
    logger.error("deletions at %s are paused by the error brake: %s", site_name, reason, extra={"site": site_name})
