"""What campaigns do when a service says that work waits: a worker is told.

Tasks, and what they do, are loaded by who sends one: they bring all that workers need, half of the start of each command.
"""

from __future__ import annotations

import logging
from typing import Any

from django.dispatch import receiver
from django.utils import timezone
from kombu.exceptions import OperationalError

from campaigns.signals import campaign_moved, report_started, study_started
from policies.exceptions import WorkerUnreachableError

logger = logging.getLogger(__name__)


@receiver(study_started, dispatch_uid="campaigns.carry_out_study")
def carry_out_started_study(sender: object, *, study_id: int, actor_name: str, **kwargs: Any) -> None:
    """Send the study to a worker; if the broker is down it fails at once and says so, instead of waiting for nobody."""
    from campaigns.services.studies import study_fail  # noqa: PLC0415 - see above
    from campaigns.tasks import carry_out_study  # noqa: PLC0415 - see above

    try:
        carry_out_study.delay(study_id, actor_name)
    except (OperationalError, OSError) as gone:
        problem = f"the message broker does not answer ({gone}): start it, then study again"
        study_fail(study_id=study_id, message=problem, now=timezone.now())
        raise WorkerUnreachableError(problem) from gone


@receiver(report_started, dispatch_uid="campaigns.make_report")
def make_started_report(sender: object, *, report_id: int, **kwargs: Any) -> None:
    """Send the report to a worker; if the broker is down it fails at once and says so."""
    from campaigns.services.reports import report_fail  # noqa: PLC0415 - see above
    from campaigns.tasks import make_report  # noqa: PLC0415 - see above

    try:
        make_report.delay(report_id)
    except (OperationalError, OSError) as gone:
        problem = f"the message broker does not answer ({gone}): start it, then make a report again"
        report_fail(report_id=report_id, message=problem)
        raise WorkerUnreachableError(problem) from gone


@receiver(campaign_moved, dispatch_uid="campaigns.tell")
def tell_of_moved_campaign(sender: object, *, campaign_id: int, **kwargs: Any) -> None:
    """Have people told; if the broker is down the periodic work tells them."""
    from campaigns.tasks import tell  # noqa: PLC0415 - see above

    try:
        tell.delay(campaign_id)
    except (OperationalError, OSError) as gone:
        logger.warning("campaign %s: people are told later: %s", campaign_id, gone, extra={"campaign_id": campaign_id})
