"""What policies tell the applications above them."""

from __future__ import annotations

from django.dispatch import Signal

#: Sent after the commit that released a plan for deletion; keyword ``plan_id``. A receiver that was down when it was
#: sent finds the plan by ``released_plan_ids``.
plan_released = Signal()

#: Sent after the commit that recorded a test run as started; keywords ``cycle_id``, ``actor_name``. Whoever receives it has
#: the cycle carried out by a worker.
test_run_started = Signal()

#: Sent after the commit that recorded a comparison as started; keyword ``comparison_id``. The receiver has it carried out.
comparison_started = Signal()

#: Sent after the commit that recorded a preview of quotas as started; keyword ``preview_id``. The receiver has it carried out.
quota_preview_started = Signal()
