from __future__ import annotations

from django.db import models

from inventory.choices import InjectionState


class Injection(models.Model):
    """One document brought into the inventory: progress while it runs, counts and rejects when it is done."""

    source = models.CharField(max_length=512, help_text="File name, - for standard input, or api.")
    started_by = models.CharField(max_length=150)
    state = models.CharField(max_length=16, choices=InjectionState, default=InjectionState.RUNNING)
    started_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    num_records = models.PositiveBigIntegerField(default=0)
    counts = models.JSONField(default=dict, blank=True, help_text="Per table: created, changed, unchanged.")
    rejects = models.JSONField(default=list, blank=True, help_text="The first rejected records: number, path, what, expected.")
    num_rejects = models.PositiveBigIntegerField(default=0)
    error = models.TextField(blank=True)
    is_dry_run = models.BooleanField(default=False, help_text="Tells what would change, and changes nothing.")
    skips_bad = models.BooleanField(default=False, help_text="Takes all but bad records, which are kept to be mended.")
    brings_back = models.BooleanField(default=False, help_text="Takes block replicas too that were deleted after the document.")
    document = models.CharField(max_length=255, blank=True, help_text="Where a document that was sent waits for its worker.")
    bad_records = models.CharField(max_length=255, blank=True, help_text="Where the bad records are kept.")
    position_bytes = models.PositiveBigIntegerField(default=0, help_text="How much of the document was read.")
    length_bytes = models.PositiveBigIntegerField(null=True, blank=True, help_text="Size of the document as it is stored.")
    cancelled_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.source} ({self.get_state_display()})"
