from __future__ import annotations

from datetime import timedelta

from django.db import models
from django.db.models import Q

from inventory.choices import FactFeedName
from inventory.models.datasets import Dataset
from inventory.models.replicas import DatasetReplica


class FactFeed(models.Model):
    """A source of facts measured outside the inventory: when it was last complete, and how old it may be.

    An older feed, or one that never came, makes its facts unknown; it never makes them zero.
    """

    name = models.CharField(max_length=32, unique=True, choices=FactFeedName)
    source = models.CharField(max_length=128, blank=True, help_text="Who measured.")
    measured_at = models.DateTimeField(null=True, blank=True)
    max_age = models.DurationField(default=timedelta(hours=48), help_text="Older than this, the facts count as unknown.")

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(name__in=FactFeedName.values), name="fact_feed_known"),
            models.CheckConstraint(condition=Q(max_age__gt=timedelta(0)), name="fact_feed_max_age_positive"),
        ]

    def __str__(self) -> str:
        return self.get_name_display()


class DatasetFacts(models.Model):
    """Facts of one dataset, as the feeds gave them; null = the feed did not name it: with a fresh feed 0, never or no."""

    dataset = models.OneToOneField(Dataset, on_delete=models.CASCADE, primary_key=True, related_name="facts")
    num_accesses = models.FloatField(null=True, blank=True)
    last_access_at = models.DateTimeField(null=True, blank=True)
    usage_rank = models.FloatField(null=True, blank=True, help_text="Higher is less popular.")
    demand_rank = models.FloatField(null=True, blank=True, help_text="Higher is less popular.")
    tape_copy_requested = models.BooleanField(null=True, blank=True)
    unhandled_copy_exists = models.BooleanField(null=True, blank=True)
    unknown_in_all_dbs = models.BooleanField(null=True, blank=True)
    on_protected_site = models.BooleanField(null=True, blank=True)
    is_latest_production_release = models.BooleanField(null=True, blank=True)
    attributes = models.JSONField(null=True, blank=True, help_text="Free-form, as the feed of attributes measured them.")

    class Meta:
        verbose_name_plural = "dataset facts"

    def __str__(self) -> str:
        return f"facts of {self.dataset}"


class EnforcedReplica(models.Model):
    """A dataset replica that the enforcer wants to stay."""

    dataset_replica = models.OneToOneField(DatasetReplica, on_delete=models.CASCADE, primary_key=True, related_name="enforced")

    def __str__(self) -> str:
        return str(self.dataset_replica)
