from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from inventory.choices import InjectionState

#: States of a document that is kept part by part in which not all of it is there; one that waits may have been begun.
HALF_LOADED = (InjectionState.QUEUED.value, InjectionState.RUNNING.value, InjectionState.FAILED.value)


class Injection(models.Model):
    """One document brought into the inventory: progress while it runs, counts and rejects when it is done."""

    source = models.CharField(max_length=512, help_text="File name, - for standard input, or api.")
    started_by = models.CharField(max_length=150)
    # Whose rights a document has that was sent: it stays when the account is removed, so that nobody else's are taken.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        help_text="The account that sent it; none of a command.",
    )
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
    fingerprint = models.CharField(max_length=64, blank=True, help_text="SHA-256 of a document that is kept part by part.")
    records_kept = models.PositiveBigIntegerField(default=0, help_text="Records read for what is kept of it.")
    kept_at = models.DateTimeField(null=True, blank=True, help_text="When the last part was kept.")
    resume_with = models.JSONField(default=dict, blank=True, help_text="What goes on must be told as what began.")
    cancelled_by = models.CharField(max_length=150, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            # Few rows at any time, and asked for by whoever is about to delete.
            models.Index(
                fields=["fingerprint"], name="injection_half_loaded", condition=~Q(fingerprint="") & Q(state__in=HALF_LOADED)
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} ({self.get_state_display()})"

    @property
    def is_batch(self) -> bool:
        """Tell whether its document is kept part by part."""
        return bool(self.fingerprint)

    @property
    def has_bad_records(self) -> bool:
        """Tell whether bad records that were left out can be fetched; of one that is kept part by part, when it is over."""
        is_whole = self.num_rejects > 0 and self.state in (InjectionState.COMPLETED, InjectionState.CANCELLED)
        return bool(self.bad_records) and (is_whole or not self.is_batch)

    @property
    def is_left_half_way(self) -> bool:
        """Tell whether a part of its document is there and nobody works on the rest."""
        return self.is_batch and self.records_kept > 0 and self.state == InjectionState.FAILED
