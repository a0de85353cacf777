from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from policies.choices import CycleState
from policies.models.cycles import Cycle
from policies.models.partitions import Partition
from policies.models.policies import PolicyVersion


class Comparison(models.Model):
    """A text held against another one, on one snapshot with one clock, and against expectations; or two cycles on record.

    Nothing is deleted by it.
    """

    state = models.CharField(max_length=16, choices=CycleState, default=CycleState.RUNNING)
    partition = models.ForeignKey(Partition, on_delete=models.PROTECT, related_name="comparisons")
    old_version = models.ForeignKey(
        PolicyVersion,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="comparisons",
        help_text="Whose text is the old one.",
    )
    old_cycle = models.ForeignKey(
        Cycle, null=True, blank=True, on_delete=models.PROTECT, related_name="compared_as_old", help_text="Instead of a text."
    )
    new_cycle = models.ForeignKey(
        Cycle, null=True, blank=True, on_delete=models.PROTECT, related_name="compared_as_new", help_text="Instead of a text."
    )
    old_text = models.TextField(blank=True, help_text="Empty: there is nothing to compare with.")
    old_source = models.CharField(max_length=512, blank=True)
    new_text = models.TextField(blank=True, help_text="Empty where cycles are compared.")
    new_source = models.CharField(max_length=512)
    expectations = models.TextField(blank=True, help_text="What the new text is held against.")
    deletion_per_iteration = models.FloatField(default=0.01, help_text="Step limit as a part of a site's quota.")
    with_guardrails = models.BooleanField(default=False, help_text="Protecting guardrails stand on top of both texts.")
    clock = models.DateTimeField(help_text="The time that the policies' times are relative to; of cycles, that of the new one.")
    started_by = models.CharField(max_length=150)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(default=timezone.now, help_text="Last sign of life while running.")
    stage = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)
    changes_file = models.CharField(
        max_length=255, blank=True, help_text="Changed replicas: a Parquet file in the default storage."
    )
    summary = models.JSONField(default=dict, blank=True, help_text="Sums in all, per site, tier and pair of rules.")
    results = models.JSONField(default=list, blank=True, help_text="How each expectation fared.")

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(state=CycleState.RUNNING, finished_at__isnull=True)
                | Q(~Q(state=CycleState.RUNNING), finished_at__isnull=False),
                name="comparison_finished_when_over",
            ),
            models.CheckConstraint(
                condition=Q(old_cycle__isnull=True, new_cycle__isnull=True)
                | Q(old_cycle__isnull=False, new_cycle__isnull=False, old_text="", new_text=""),
                name="comparison_of_cycles_or_of_texts",
            ),
        ]

    def __str__(self) -> str:
        return f"comparison {self.pk} of {self.new_source} with {self.old_source or 'nothing'}"

    @property
    def is_of_cycles(self) -> bool:
        return self.new_cycle_id is not None
