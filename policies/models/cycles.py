from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from policies.choices import CycleKind, CycleState
from policies.models.partitions import Partition
from policies.models.policies import PolicyVersion


class Cycle(models.Model):
    """One evaluation of a policy text on one snapshot with one clock; the decisions lie in a Parquet file."""

    kind = models.CharField(max_length=16, choices=CycleKind)
    state = models.CharField(max_length=16, choices=CycleState, default=CycleState.RUNNING)
    partition = models.ForeignKey(Partition, on_delete=models.PROTECT, related_name="cycles")
    policy_version = models.ForeignKey(PolicyVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="cycles")
    text = models.TextField(help_text="The text that was evaluated.")
    source = models.CharField(max_length=512, help_text="Policy and version, or file name.")
    started_by = models.CharField(max_length=150)
    deletion_per_iteration = models.FloatField(default=0.01, help_text="Step limit as a part of a site's quota.")
    with_guardrails = models.BooleanField(
        default=False, help_text="A test run with protecting guardrails on top, as real cycles and campaigns have them."
    )
    clock = models.DateTimeField(help_text="The time that the policy's times are relative to.")
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(
        default=timezone.now, help_text="Last sign of life while running; a silent cycle is given up for dead."
    )
    snapshot_at = models.DateTimeField(null=True, blank=True)
    progress = models.FloatField(default=0, help_text="Part done, 0 to 1.")
    stage = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)
    decisions_file = models.CharField(max_length=255, blank=True, help_text="Name in the default file storage (Parquet).")
    evidence_file = models.CharField(
        max_length=255, blank=True, help_text="What the cycle saw, for explanations: a Parquet file in the default storage."
    )
    plan_digest = models.CharField(max_length=64, blank=True)
    num_block_replicas = models.PositiveIntegerField(default=0)
    protected_bytes = models.BigIntegerField(default=0)
    kept_bytes = models.BigIntegerField(default=0)
    deleted_bytes = models.BigIntegerField(default=0, help_text="Bytes that the plan deletes.")
    ignored_bytes = models.BigIntegerField(default=0)
    num_deleted_replicas = models.PositiveIntegerField(
        default=0, help_text="Dataset replicas of which the plan deletes something."
    )
    num_passes = models.PositiveIntegerField(default=0)
    num_steps = models.PositiveIntegerField(default=0)
    expectations = models.TextField(
        blank=True, help_text="Expectations of the policy that a test run of a version was held against."
    )
    expectation_results = models.JSONField(default=list, blank=True, help_text="How each of them fared.")
    unknown_facts = models.JSONField(default=list, blank=True, help_text="Feeds that were stale and counted as unknown.")

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["partition", "-started_at"], name="cycle_by_partition")]
        constraints = [
            models.CheckConstraint(
                condition=Q(state=CycleState.RUNNING, finished_at__isnull=True)
                | Q(~Q(state=CycleState.RUNNING), finished_at__isnull=False),
                name="cycle_finished_when_over",
            ),
            # One cycle of a policy at a time: two would plan on what the other is about to delete.
            models.UniqueConstraint(
                fields=["partition"],
                condition=Q(state=CycleState.RUNNING) & ~Q(kind=CycleKind.TEST_RUN),
                name="cycle_one_running_per_partition",
            ),
        ]

    def __str__(self) -> str:
        return f"cycle {self.pk} of {self.source}"


class CycleSite(models.Model):
    """What a cycle found and decided at one target site, in bytes of the partition there."""

    cycle = models.ForeignKey(Cycle, on_delete=models.CASCADE, related_name="sites")
    site_name = models.CharField(max_length=64)
    quota_bytes = models.BigIntegerField()
    bytes_before = models.BigIntegerField()
    bytes_after = models.BigIntegerField()
    protected_bytes = models.BigIntegerField()
    kept_bytes = models.BigIntegerField(default=0)
    deleted_bytes = models.BigIntegerField(default=0)
    ignored_bytes = models.BigIntegerField(default=0)
    is_triggered = models.BooleanField()
    is_released = models.BooleanField(help_text="Until was met after a deletion.")

    class Meta:
        ordering = ["cycle_id", "site_name"]
        constraints = [models.UniqueConstraint(fields=["cycle", "site_name"], name="cycle_site_unique")]

    def __str__(self) -> str:
        return f"{self.site_name} in cycle {self.cycle_id}"


class CycleRule(models.Model):
    """How much one rule decided in a cycle; line 0 is the default, negative lines are protecting guardrails."""

    cycle = models.ForeignKey(Cycle, on_delete=models.CASCADE, related_name="rules")
    line = models.IntegerField()
    text = models.TextField()
    num_replicas = models.PositiveIntegerField(default=0)
    num_block_replicas = models.PositiveIntegerField(default=0)
    size_bytes = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["cycle_id", "line"]
        constraints = [models.UniqueConstraint(fields=["cycle", "line"], name="cycle_rule_unique")]

    def __str__(self) -> str:
        return f"line {self.line} in cycle {self.cycle_id}"
