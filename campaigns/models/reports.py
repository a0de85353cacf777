from __future__ import annotations

from django.db import models

from campaigns.models.campaigns import Campaign


class CampaignReport(models.Model):
    """A report that was made: the files in Django's storage, and the event of the audit chain that holds their digests."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="reports")
    made_at = models.DateTimeField()
    made_by = models.CharField(max_length=150)
    is_final = models.BooleanField(help_text="Made when the campaign was over.")
    files = models.JSONField(help_text="By kind (json, html, csv, parquet): name in the storage, bytes and SHA-256.")
    audit_event = models.OneToOneField("inventory.AuditEvent", on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"report {self.pk} of {self.campaign}"
