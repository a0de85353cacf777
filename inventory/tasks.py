"""What other processes wake: a task asks a service and holds no state of its own."""

from __future__ import annotations

from celery import shared_task

from inventory.services.injection_jobs import injection_carry_out


@shared_task(name="inventory.tasks.carry_out_injection")
def carry_out_injection(injection_id: int) -> None:
    """Inject a document that somebody has sent."""
    injection_carry_out(injection_id=injection_id)
