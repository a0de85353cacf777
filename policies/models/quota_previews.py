from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from policies.choices import CycleState


class QuotaPreview(models.Model):
    """What the next cycles would do with other quotas, computed by a worker; nothing is set or deleted by it."""

    state = models.CharField(max_length=16, choices=CycleState, default=CycleState.RUNNING)
    changes = models.JSONField(help_text="Quotas as they would be: partition, site, size_bytes (null: none), expected_bytes.")
    clock = models.DateTimeField(help_text="The time that the policies' times are relative to.")
    started_by = models.CharField(max_length=150)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(default=timezone.now, help_text="Last sign of life while running.")
    progress = models.FloatField(default=0, help_text="Part done, 0 to 1.")
    stage = models.CharField(max_length=128, blank=True)
    error = models.TextField(blank=True)
    result = models.JSONField(default=dict, blank=True, help_text="Policies with their sites, and partitions without a policy.")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state=CycleState.RUNNING, finished_at__isnull=True)
                | Q(~Q(state=CycleState.RUNNING), finished_at__isnull=False),
                name="quota_preview_finished_when_over",
            ),
        ]

    def __str__(self) -> str:
        return f"quota preview {self.pk}"
