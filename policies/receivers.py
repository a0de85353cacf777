"""What policies do when a service says that work waits: a worker is told.

Tasks, and what they do, are loaded by who sends one: they bring all that workers need, half of the start of each command.
"""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver
from kombu.exceptions import OperationalError

from policies.exceptions import WorkerUnreachableError
from policies.signals import comparison_started, quota_preview_started, test_run_started


@receiver(test_run_started, dispatch_uid="policies.carry_out_test_run")
def carry_out_test_run(sender: object, *, cycle_id: int, actor_name: str, **kwargs: Any) -> None:
    """Send the cycle to a worker; if the broker is down the cycle fails at once and says so, instead of waiting for nobody."""
    from policies.services.cycles import cycle_fail  # noqa: PLC0415 - see above
    from policies.tasks import carry_out_cycle  # noqa: PLC0415 - see above

    try:
        carry_out_cycle.delay(cycle_id, actor_name)
    except (OperationalError, OSError) as gone:
        problem = f"the message broker does not answer ({gone}): start it, then run the test again"
        cycle_fail(cycle_id=cycle_id, message=problem)
        raise WorkerUnreachableError(problem) from gone


@receiver(comparison_started, dispatch_uid="policies.carry_out_comparison")
def carry_out_requested_comparison(sender: object, *, comparison_id: int, **kwargs: Any) -> None:
    """Send the comparison to a worker; if the broker is down it fails at once and says so."""
    from policies.services.comparisons import comparison_fail  # noqa: PLC0415 - see above
    from policies.tasks import carry_out_comparison  # noqa: PLC0415 - see above

    try:
        carry_out_comparison.delay(comparison_id)
    except (OperationalError, OSError) as gone:
        problem = f"the message broker does not answer ({gone}): start it, then compare again"
        comparison_fail(comparison_id=comparison_id, message=problem)
        raise WorkerUnreachableError(problem) from gone


@receiver(quota_preview_started, dispatch_uid="policies.carry_out_quota_preview")
def carry_out_requested_quota_preview(sender: object, *, preview_id: int, **kwargs: Any) -> None:
    """Send the preview to a worker; if the broker is down it fails at once and says so."""
    from policies.services.quota_preview_runs import quota_preview_fail  # noqa: PLC0415 - see above
    from policies.tasks import carry_out_quota_preview  # noqa: PLC0415 - see above

    try:
        carry_out_quota_preview.delay(preview_id)
    except (OperationalError, OSError) as gone:
        problem = f"the message broker does not answer ({gone}): start it, then preview again"
        quota_preview_fail(preview_id=preview_id, message=problem)
        raise WorkerUnreachableError(problem) from gone
