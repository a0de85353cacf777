"""What time does to campaigns: reminders, starts by itself, expiry, ends, mails and locks that were left over. Clock injected."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import partial

from django.core.exceptions import PermissionDenied
from django.db.models import Exists, OuterRef, Q

from campaigns.choices import KEEPING_STATES, CampaignState
from campaigns.exceptions import CampaignError
from campaigns.models import Campaign, ExceptionRequest, Notice
from campaigns.services.execution import campaign_execute, campaign_expire, campaign_settle
from campaigns.services.notices import campaign_tell, notices_mail, reminders_give
from campaigns.services.reports import reports_sweep
from campaigns.services.studies import studies_sweep
from inventory.selectors.locks_in_force import lock_patterns_of_source
from inventory.services.audit import Actor
from inventory.services.locks import lock_create
from inventory.services.turns import attempt
from policies.exceptions import PolicyError

logger = logging.getLogger(__name__)

#: Who acts when a campaign moves on by itself.
CLOCK = Actor("campaign clock")


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a turn did, as numbers of campaigns, people told, mails and locks."""

    started: int
    expired: int
    settled: int
    told: int
    mailed: int
    mails_failed: int
    locks: int


def campaigns_tick(*, now: datetime) -> Ticked:
    """Do what is due at *now*. Safe at any time and in any number at once: each step asks again under its lock.

    Nothing that fails keeps the rest from its turn; all of it is raised at the end, as one ``ExceptionGroup``.
    """
    failures: list[Exception] = []
    turn = partial(attempt, failures)
    locks = turn("locks of exceptions", partial(exception_locks_ensure, now=now))
    turn("studies of dead processes", partial(studies_sweep, now=now))
    turn("reports of dead processes", partial(reports_sweep, now=now))
    expired = _expire(now, failures)
    started = _start(now, failures)
    settled = _settle(now, failures)
    told = sum(
        turn(f"telling of campaign {pk}", partial(campaign_tell, campaign_id=pk, now=now)) or 0 for pk in _worth_telling(now)
    )
    told += turn("reminders", partial(reminders_give, now=now)) or 0
    mailed, unsent = turn("mails", partial(notices_mail, now=now)) or (0, 0)
    if failures:
        raise ExceptionGroup("not everything that is due for campaigns could be done", failures)
    return Ticked(started, expired, settled, told, mailed, unsent, locks or 0)


def exception_locks_ensure(*, now: datetime) -> int:
    """Make the locks that granted exceptions are to be kept by and that do not exist yet; return how many were made.

    Not in the transaction of the decision: a new lock waits for the claims, and claims wait for the campaign.
    """
    made = 0
    wanted = ExceptionRequest.objects.filter(
        state__in=sorted(KEEPING_STATES), becomes_lock=True, granted_until__gte=now.date()
    ).select_related("campaign")
    for exception in wanted.order_by("pk"):
        source = f"exception {exception.pk}"
        known = lock_patterns_of_source(source)
        ends = datetime.combine(exception.granted_until or exception.until, time.min, tzinfo=UTC) + timedelta(days=1)
        for pattern in exception.patterns:
            if pattern not in known:
                lock_create(
                    dataset_pattern=pattern,
                    actor=CLOCK,
                    now=now,
                    owner=exception.group_name,
                    comment=f"{source} of campaign '{exception.campaign}': {exception.reason}"[:512],
                    expires_at=ends,
                    source=source,
                )
                made += 1
    return made


def _expire(now: datetime, failures: list[Exception]) -> int:
    states = [CampaignState.PROPOSED, CampaignState.APPROVED, CampaignState.EXECUTING, CampaignState.PAUSED]
    due = Campaign.objects.filter(state__in=states, expires_at__lte=now).order_by("pk").values_list("pk", flat=True)
    steps = {pk: partial(campaign_expire, campaign_id=pk, actor=CLOCK, now=now) for pk in list(due)}
    return sum(_step("expire", pk, step, failures) is not None for pk, step in steps.items())


def _start(now: datetime, failures: list[Exception]) -> int:
    due = Campaign.objects.filter(
        state=CampaignState.APPROVED,
        starts_by_itself=True,
        earliest_start_at__lte=now,
        exceptions_close_at__lte=now,
        expires_at__gt=now,
    )
    ids = list(due.order_by("pk").values_list("pk", flat=True))
    steps = {pk: partial(campaign_execute, campaign_id=pk, actor=CLOCK, now=now) for pk in ids}
    return sum(_step("start", pk, step, failures) is not None for pk, step in steps.items())


def _settle(now: datetime, failures: list[Exception]) -> int:
    running = Campaign.objects.filter(state__in=[CampaignState.EXECUTING, CampaignState.PAUSED]).order_by("pk")
    states = dict(running.values_list("pk", "state"))
    steps = {pk: partial(campaign_settle, campaign_id=pk, actor=CLOCK, now=now) for pk in states}
    ends = {pk: _step("end", pk, step, failures) for pk, step in steps.items()}
    return sum(campaign is not None and campaign.state != states[pk] for pk, campaign in ends.items())


def _step(what: str, campaign_id: int, act: Callable[[], Campaign], failures: list[Exception]) -> Campaign | None:
    """Do one step of one campaign, None where it is refused: that is logged, and asked again at the next turn."""

    def done() -> Campaign | None:
        try:
            return act()
        except (CampaignError, PolicyError, PermissionDenied) as refused:
            logger.warning("campaign %s does not %s: %s", campaign_id, what, refused, extra={"campaign_id": campaign_id})
            return None

    return attempt(failures, f"campaign {campaign_id} does not {what}", done)


def _worth_telling(now: datetime) -> list[int]:
    """Return the campaigns of which something may have to be told: those under way, revised, or ended lately."""
    drafts = [CampaignState.DRAFT, CampaignState.STUDIED]
    of_interest = Campaign.objects.filter(~Q(state__in=drafts) | Exists(Notice.objects.filter(campaign=OuterRef("pk"))))
    lately = Q(finished_at__isnull=True) | Q(finished_at__gte=now - timedelta(days=7))
    return list(of_interest.filter(lately).order_by("pk").values_list("pk", flat=True))
