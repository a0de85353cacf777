from __future__ import annotations

from django.db import models
from django.db.models import Q

from operations.constants import LONGEST_TRASH_DAYS


class SiteLimits(models.Model):
    """How fast may be deleted at one site, and how long it can be brought back.

    What is empty is as the installation's settings say, 0 is without a limit.
    """

    site = models.OneToOneField(
        "inventory.Site", primary_key=True, on_delete=models.CASCADE, related_name="deletion_limits", help_text="Of this site."
    )
    batches = models.PositiveSmallIntegerField(
        "batches at a time", null=True, blank=True, help_text="Most batches under way at the same time, at least 1."
    )
    files_per_second = models.FloatField(null=True, blank=True, help_text="Most files a second, on average.")
    bytes_per_day = models.BigIntegerField(null=True, blank=True, help_text="Most bytes that are begun on one day (UTC).")

    trash_days = models.FloatField(
        "days in the trash", null=True, blank=True, help_text="How long what is deleted can be brought back; 0: it goes at once."
    )

    class Meta:
        ordering = ["site_id"]
        verbose_name_plural = "limits of sites"
        constraints = [
            models.CheckConstraint(condition=Q(batches__isnull=True) | Q(batches__gte=1), name="site_limits_batches_positive"),
            models.CheckConstraint(
                condition=Q(files_per_second__isnull=True) | Q(files_per_second__gte=0), name="site_limits_rate_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(bytes_per_day__isnull=True) | Q(bytes_per_day__gte=0), name="site_limits_bytes_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(trash_days__isnull=True) | Q(trash_days=0) | Q(trash_days__gte=1, trash_days__lte=LONGEST_TRASH_DAYS),
                name="site_limits_trash_days_allowed",
            ),
        ]

    def __str__(self) -> str:
        return f"limits of {self.site}"


class SitePace(models.Model):
    """How much was begun at a site lately, and from when more may be, so that its limits hold."""

    site_name = models.CharField(max_length=64, primary_key=True)
    next_claim_at = models.DateTimeField(null=True, blank=True, help_text="No batch before: the last one takes until then.")
    day = models.DateField(null=True, blank=True, help_text="The day (UTC) that the bytes are of.")
    bytes_of_day = models.BigIntegerField(default=0)

    class Meta:
        ordering = ["site_name"]

    def __str__(self) -> str:
        return self.site_name
