from __future__ import annotations

from django.db import models

from policies.models.cycles import Cycle
from policies.models.partitions import Partition


class StorageReading(models.Model):
    """What a partition had at a site on a day, in bytes: counted, and as the day's last cycle decided where there was one.

    ``protected_bytes``, ``kept_bytes`` and ``to_delete_bytes`` are null where no cycle of the day saw the site.
    """

    partition = models.ForeignKey(Partition, on_delete=models.CASCADE, related_name="readings")
    site_name = models.CharField(max_length=64)
    day = models.DateField(help_text="UTC.")
    taken_at = models.DateTimeField()
    quota_bytes = models.BigIntegerField(help_text="Negative = unlimited, 0 = none.")
    used_bytes = models.BigIntegerField(help_text="Bytes physically present.")
    protected_bytes = models.BigIntegerField(null=True)
    kept_bytes = models.BigIntegerField(null=True)
    to_delete_bytes = models.BigIntegerField(null=True)
    cycle = models.ForeignKey(Cycle, null=True, on_delete=models.SET_NULL, related_name="+", help_text="What decided.")
    growth_per_day = models.FloatField(null=True, help_text="Growth of protected data up to that day, bytes per day.")
    growth_low = models.FloatField(null=True, help_text="Low end of its 90 % range.")
    growth_high = models.FloatField(null=True, help_text="High end of its 90 % range.")

    class Meta:
        ordering = ["partition_id", "site_name", "day"]
        constraints = [models.UniqueConstraint(fields=["partition", "site_name", "day"], name="storage_reading_unique")]
        indexes = [models.Index(fields=["day"], name="storage_reading_by_day")]

    def __str__(self) -> str:
        return f"{self.partition} at {self.site_name} on {self.day}"
