"""What the inventory does when a service says that work waits: a worker is told."""

from __future__ import annotations

import logging
from typing import Any

from django.dispatch import receiver
from kombu.exceptions import OperationalError

from inventory.signals import injection_queued
from inventory.tasks import carry_out_injection

logger = logging.getLogger(__name__)


@receiver(injection_queued, dispatch_uid="inventory.carry_out_injection")
def carry_out_queued_injection(sender: object, *, injection_id: int, **kwargs: Any) -> None:
    """Send the injection to a worker; if the broker is down it waits until the sweeper asks again."""
    try:
        carry_out_injection.delay(injection_id)
    except (OperationalError, OSError) as gone:
        logger.warning("injection %s waits: the message broker does not answer (%s)", injection_id, gone)
