from __future__ import annotations

from django.db import models
from django.db.models import Q

from operations.choices import ActivityOutcome


class ActivityHour(models.Model):
    """What was done at a site in one hour (UTC), by outcome: summed up once the hour is over, and kept when queue rows go."""

    hour = models.DateTimeField(help_text="Its beginning.")
    site_name = models.CharField(max_length=64)
    outcome = models.CharField(max_length=8, choices=ActivityOutcome)
    num_files = models.BigIntegerField()
    size_bytes = models.BigIntegerField(help_text="0 where nobody knows it: of files that were gone, and of failed tries.")

    class Meta:
        ordering = ["-hour", "site_name", "outcome"]
        constraints = [
            models.UniqueConstraint(fields=["hour", "site_name", "outcome"], name="activity_hour_unique"),
            models.CheckConstraint(condition=Q(outcome__in=ActivityOutcome.values), name="activity_outcome_known"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} at {self.site_name} in {self.hour:%Y-%m-%d %H}"


class ActivityClock(models.Model):
    """Up to when hours are summed up: one row, so that two who sum up take turns."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    summed_until = models.DateTimeField(null=True, help_text="The end of the last hour that is summed up.")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="there_is_one_activity_clock")]

    def __str__(self) -> str:
        return f"summed up until {self.summed_until}"
