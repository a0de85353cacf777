"""What operations do when others say something: a released plan and a resumed site wake the queue."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from celery.exceptions import OperationalError
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from inventory.signals import site_resumed
from operations.models import SiteHealth
from operations.services.schedule import schedule_ensure
from policies.signals import plan_released

logger = logging.getLogger(__name__)


@receiver(plan_released, dispatch_uid="operations.enqueue_released_plan")
def enqueue_released_plan(sender: object, *, plan_id: int, **kwargs: Any) -> None:
    """Send the plan to a worker. Runs after commit; if the broker is down the sweeper finds the plan later."""
    from operations.tasks import enqueue  # noqa: PLC0415 - brings all that workers need: a third of a second of every start

    _wake(partial(enqueue.delay, plan_id), f"plan {plan_id}, the sweeper will find it", {"plan_id": plan_id})


@receiver(site_resumed, dispatch_uid="operations.go_on_at_resumed_site")
def go_on_at_resumed_site(sender: object, *, site_name: str, **kwargs: Any) -> None:
    """Let a worker try at once: whoever resumed the site has looked. A next failure spaces the calls as ever."""
    from operations.tasks import work  # noqa: PLC0415 - as above

    SiteHealth.objects.filter(site_name=site_name).update(back_off_until=None)
    _wake(work.delay, f"{site_name}, the next one of beat does it", {"site": site_name})


def _wake(send: Callable[[], object], what: str, ids: dict[str, Any]) -> None:
    """Send a message; where the broker is down, say so and go on."""
    try:
        send()
    except (OperationalError, OSError) as error:
        logger.warning("no wake-up for %s: %s", what, error, extra=ids)


@receiver(post_migrate, dispatch_uid="operations.ensure_schedule")
def ensure_schedule(sender: Any, *, using: str = "default", **kwargs: Any) -> None:
    """Make the rows of the periodic tasks once the tables are there."""
    if getattr(sender, "label", "") == "operations":
        schedule_ensure(using=using)
