"""What the beat and other processes wake: each task asks a service and holds no state of its own."""

from __future__ import annotations

from celery import shared_task

from inventory.selectors.clock import database_now
from inventory.services.audit import Actor
from policies.services.comparisons import comparison_carry_out, comparisons_sweep
from policies.services.cycles import cycle_carry_out, cycles_sweep
from policies.services.due import policies_evaluate_due
from policies.services.quota_preview_runs import quota_preview_carry_out, quota_previews_sweep
from policies.services.readings import readings_record
from policies.services.retention import files_forget

#: Who starts automatic cycles, in the audit trail.
SCHEDULE = Actor("schedule")


@shared_task(name="policies.tasks.evaluate_due_policies")
def evaluate_due_policies() -> list[int]:
    """Give up what has lost its process, remove old files, run the policies that are due; return the cycles carried out."""
    now = database_now()
    cycles_sweep(now=now)
    comparisons_sweep(now=now)
    files_forget(now=now)
    quota_previews_sweep(now=now)
    evaluations = policies_evaluate_due(now=now, actor=SCHEDULE)
    return [evaluation.cycle.pk for evaluation in evaluations if evaluation.cycle is not None]


@shared_task(name="policies.tasks.carry_out_cycle")
def carry_out_cycle(cycle_id: int, actor_name: str) -> None:
    """Carry out a cycle that somebody has started, such as a test run from a screen or the API."""
    cycle_carry_out(cycle_id=cycle_id, actor=Actor(actor_name))


@shared_task(name="policies.tasks.carry_out_comparison")
def carry_out_comparison(comparison_id: int) -> None:
    """Carry out a comparison that somebody has asked for."""
    comparison_carry_out(comparison_id=comparison_id)


@shared_task(name="policies.tasks.carry_out_quota_preview")
def carry_out_quota_preview(preview_id: int) -> None:
    """Carry out a preview of quotas that somebody has asked for."""
    quota_preview_carry_out(preview_id=preview_id)


@shared_task(name="policies.tasks.record_readings")
def record_readings() -> int:
    """Record how much each partition has at each site today, in the place of the day's earlier readings."""
    return readings_record(now=database_now())
