from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from campaigns.models.campaigns import Campaign
from policies.choices import CycleState


class CampaignReport(models.Model):
    """A report: a worker's job until it is made, then files in Django's storage and the event that holds their digests."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="reports")
    state = models.CharField(max_length=16, choices=CycleState, default=CycleState.RUNNING)
    stage = models.CharField(max_length=128, blank=True)
    progress = models.FloatField(default=0, help_text="Part done, 0 to 1.")
    error = models.TextField(blank=True)
    heartbeat_at = models.DateTimeField(default=timezone.now)
    made_at = models.DateTimeField(help_text="The moment that it tells of; when it was asked for, until a worker has begun.")
    made_by = models.CharField(max_length=150)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Who asked for it.",
    )
    finished_at = models.DateTimeField(null=True, blank=True)
    is_final = models.BooleanField(default=False, help_text="Made when the campaign was over.")
    files = models.JSONField(
        default=dict, help_text="By kind (json, html, csv, parquet): name in the storage, bytes and SHA-256."
    )
    audit_event = models.OneToOneField("inventory.AuditEvent", null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["campaign"], condition=Q(state=CycleState.RUNNING), name="report_one_running_per_campaign"
            ),
            models.CheckConstraint(
                condition=Q(state=CycleState.RUNNING, finished_at__isnull=True)
                | Q(~Q(state=CycleState.RUNNING), finished_at__isnull=False),
                name="report_finished_when_over",
            ),
            models.CheckConstraint(
                condition=Q(state=CycleState.COMPLETED, audit_event__isnull=False)
                | Q(~Q(state=CycleState.COMPLETED), audit_event__isnull=True),
                name="report_completed_when_in_the_chain",
            ),
        ]

    def __str__(self) -> str:
        return f"report {self.pk} of {self.campaign}"
