"""What the beat and other processes wake: each task asks a service and holds no state of its own."""

from __future__ import annotations

from celery import shared_task

from campaigns.services.notices import campaign_tell, notices_mail
from campaigns.services.reports import report_carry_out
from campaigns.services.studies import study_carry_out
from campaigns.services.ticking import campaigns_tick, exception_locks_ensure
from inventory.selectors.clock import database_now
from inventory.services.audit import Actor


@shared_task(name="campaigns.tasks.tick")
def tick() -> None:
    """Remind, start, expire, end and mail what is due."""
    campaigns_tick(now=database_now())


@shared_task(name="campaigns.tasks.carry_out_study")
def carry_out_study(study_id: int, actor_name: str) -> None:
    """Evaluate a study that somebody has started."""
    study_carry_out(study_id=study_id, actor=Actor(actor_name), now=database_now())


@shared_task(name="campaigns.tasks.make_report")
def make_report(report_id: int) -> None:
    """Write a report that somebody has asked for."""
    report_carry_out(report_id=report_id, now=database_now())


@shared_task(name="campaigns.tasks.tell")
def tell(campaign_id: int) -> None:
    """Tell people that a campaign has moved on, and send the mails."""
    now = database_now()
    campaign_tell(campaign_id=campaign_id, now=now)
    exception_locks_ensure(now=now)
    notices_mail(now=now)
