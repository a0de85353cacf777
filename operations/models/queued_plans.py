from __future__ import annotations

from django.db import models
from django.db.models import Q


class QueuedPlan(models.Model):
    """How far a released plan has come into the queue: its items are taken up in order, each once, and its end is noted."""

    plan = models.OneToOneField("policies.Plan", on_delete=models.PROTECT, primary_key=True, related_name="queued")
    last_sequence = models.IntegerField(default=-1, help_text="Sequence of the last item that was taken up.")
    is_complete = models.BooleanField(default=False, help_text="All items are taken up.")
    refused_reason = models.CharField(max_length=512, blank=True, help_text="Why nothing of the plan is carried out.")
    num_queued = models.PositiveIntegerField(default=0)
    num_dropped = models.PositiveIntegerField(default=0, help_text="Items that dropped out before they were queued.")
    num_handed_over = models.PositiveIntegerField(default=0)
    started_at = models.DateTimeField()
    over_at = models.DateTimeField(null=True, blank=True, help_text="When nothing of it was left to do.")

    class Meta:
        ordering = ["-plan_id"]
        indexes = [models.Index(fields=["plan"], name="queued_plan_under_way", condition=Q(over_at__isnull=True))]

    def __str__(self) -> str:
        return f"queue of plan {self.plan_id}"
