from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords

from policies.models.partitions import Partition


class Policy(models.Model):
    """A named policy of a partition: a series of immutable versions, at most one of them active."""

    name = models.CharField(max_length=64, unique=True)
    partition = models.ForeignKey(Partition, on_delete=models.PROTECT, related_name="policies")
    active_version = models.OneToOneField(
        "policies.PolicyVersion", null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="active_for"
    )
    is_enabled = models.BooleanField(default=True, help_text="Whether the active version is evaluated periodically.")
    period = models.DurationField(default=timedelta(hours=12), help_text="Time between the starts of two automatic cycles.")
    deletion_per_iteration = models.FloatField(
        default=0.01, help_text="Step limit as a part of a site's quota (language page, section 5)."
    )
    expectations = models.TextField(
        blank=True, help_text="Policy tests, one a line: expect [not] protect|keep|delete|ignore CONDITION [at SITES]."
    )

    history = HistoricalRecords()

    class Meta:
        ordering = ["name"]
        verbose_name_plural = "policies"
        permissions = [
            ("activate_policy", "Can activate a version of the policy"),
            ("run_policy", "Can start a cycle of the policy"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(period__gt=timedelta(0)), name="policy_period_positive"),
            models.CheckConstraint(condition=Q(deletion_per_iteration__gt=0), name="policy_step_limit_positive"),
        ]

    def __str__(self) -> str:
        return self.name


class PolicyVersion(models.Model):
    """A text that never changes once it is saved; only such a text can be activated."""

    policy = models.ForeignKey(Policy, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    digest = models.CharField(max_length=64, help_text="SHA-256 of the text.")
    comment = models.CharField(max_length=512, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150)
    activated_at = models.DateTimeField(null=True, blank=True)
    activated_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["policy_id", "-number"]
        constraints = [models.UniqueConstraint(fields=["policy", "number"], name="policy_version_unique")]

    def __str__(self) -> str:
        return f"{self.policy} v{self.number}"
