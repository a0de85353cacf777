from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from simple_history.models import HistoricalRecords


class Partition(models.Model):
    """A set of block replicas that is managed as one, by a condition or as the union of other partitions.

    Source: language page, section 4.
    """

    name = models.CharField(max_length=64, unique=True)
    condition = models.TextField(blank=True, help_text="Replica condition; empty for a superpartition.")
    parts = models.ManyToManyField("self", symmetrical=False, blank=True, related_name="superpartitions")
    max_site_fraction = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Safety limit: an automatic cycle deletes at most this part of a site's quota. "
        "Empty: the general setting (0.15).",
    )
    max_partition_fraction = models.FloatField(
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(1)],
        help_text="Safety limit: an automatic cycle deletes at most this part of the partition's bytes. "
        "Empty: the general setting (0.10).",
    )

    history = HistoricalRecords(m2m_fields=[parts])

    class Meta:
        ordering = ["name"]
        permissions = [
            ("set_quota", "Can set quotas of the partition"),
            ("release_plan", "Can release or discard plans that a safety limit holds"),
            ("approve_deletion", "Can approve deletion requests for what is in the partition"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="partition_has_name"),
            models.CheckConstraint(
                condition=Q(max_site_fraction__isnull=True) | Q(max_site_fraction__gte=0, max_site_fraction__lte=1),
                name="partition_site_fraction_is_fraction",
            ),
            models.CheckConstraint(
                condition=Q(max_partition_fraction__isnull=True)
                | Q(max_partition_fraction__gte=0, max_partition_fraction__lte=1),
                name="partition_fraction_is_fraction",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_superpartition(self) -> bool:
        """Tell whether the partition is the union of others."""
        return not self.condition


class Quota(models.Model):
    """How many bytes a partition may fill at a site; negative = unlimited."""

    partition = models.ForeignKey(Partition, on_delete=models.CASCADE, related_name="quotas")
    site = models.ForeignKey("inventory.Site", on_delete=models.CASCADE, related_name="quotas")
    size_bytes = models.BigIntegerField(help_text="Bytes; negative = unlimited.")

    history = HistoricalRecords()

    class Meta:
        ordering = ["partition_id", "site_id"]
        constraints = [models.UniqueConstraint(fields=["partition", "site"], name="quota_unique")]

    def __str__(self) -> str:
        return f"{self.partition} at {self.site}"


class WaitingQuota(models.Model):
    """A quota that came before its partition was defined; it becomes a Quota when the partition does."""

    partition_name = models.CharField(max_length=64)
    site = models.ForeignKey("inventory.Site", on_delete=models.CASCADE, related_name="+")
    size_bytes = models.BigIntegerField(help_text="Bytes; negative = unlimited.")

    class Meta:
        ordering = ["partition_name", "site_id"]
        constraints = [models.UniqueConstraint(fields=["partition_name", "site"], name="waiting_quota_unique")]

    def __str__(self) -> str:
        return f"{self.partition_name} at {self.site}"


class Guardrail(models.Model):
    """A condition on replicas that no plan may delete; a protecting one is also a Protect rule on top while planning."""

    name = models.SlugField(max_length=64, unique=True)
    condition = models.TextField(help_text="Replica condition: what meets it must not be deleted.")
    partition = models.ForeignKey(
        Partition, null=True, blank=True, on_delete=models.CASCADE, related_name="guardrails", help_text="Empty: every partition."
    )
    is_protecting = models.BooleanField(default=False)
    is_enabled = models.BooleanField(default=True)
    comment = models.CharField(max_length=512, blank=True)

    history = HistoricalRecords()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name
