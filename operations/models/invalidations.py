from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from operations.choices import InvalidationState


class Invalidation(models.Model):
    """Data that somebody declared bad: they go from storage by a plan, then from the inventory; this is what is left."""

    state = models.CharField(max_length=16, choices=InvalidationState, default=InvalidationState.RUNNING)
    requested_at = models.DateTimeField(auto_now_add=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    requested_by_name = models.CharField("requested by", max_length=150)
    reason = models.CharField(max_length=512)
    digest = models.CharField(max_length=64, help_text="Of the preview that was confirmed.")
    is_metadata_only = models.BooleanField(default=False, help_text="The files stay in storage, the inventory forgot them.")
    plan = models.OneToOneField(
        "policies.Plan",
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="invalidation",
        help_text="None: no copies.",
    )
    datasets = models.JSONField(default=list, help_text="Datasets that were named as a whole.")
    overridden_locks = models.JSONField(default=list, help_text="Locks that do not protect from it, said by name.")
    num_blocks = models.PositiveIntegerField()
    num_files = models.PositiveIntegerField()
    size_bytes = models.BigIntegerField(help_text="Of the files, each once.")
    num_block_replicas = models.PositiveIntegerField()
    archive = models.CharField(max_length=255, help_text="File with names, sizes and checksums of everything (JSON lines, gzip).")
    archive_digest = models.CharField(max_length=64, help_text="SHA-256 of that file.")
    finished_at = models.DateTimeField(null=True, blank=True)
    kept = models.JSONField(default=dict, blank=True, help_text="What stays in the inventory, and why.")

    class Meta:
        ordering = ["-pk"]
        permissions = [
            ("invalidate", "Can invalidate data"),
            ("override_lock", "Can invalidate what somebody else has locked"),
        ]
        indexes = [
            models.Index(fields=["plan"], name="invalidation_running", condition=Q(state=InvalidationState.RUNNING)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=InvalidationState.values), name="invalidation_state_known"),
            models.CheckConstraint(condition=~Q(reason=""), name="invalidation_has_reason"),
            models.CheckConstraint(
                condition=Q(state=InvalidationState.RUNNING, finished_at__isnull=True)
                | (~Q(state=InvalidationState.RUNNING) & Q(finished_at__isnull=False)),
                name="invalidation_finished_when_over",
            ),
        ]

    def __str__(self) -> str:
        return f"invalidation {self.pk}"


class InvalidatedBlock(models.Model):
    """A block of an invalidation as it was when it was confirmed; only ``files`` of it, or all of it (null)."""

    invalidation = models.ForeignKey(Invalidation, on_delete=models.CASCADE, related_name="blocks")
    dataset_name = models.CharField(max_length=512)
    block_name = models.CharField(max_length=128)
    size_bytes = models.BigIntegerField()
    num_files = models.PositiveIntegerField()
    files = models.JSONField(null=True, help_text="Names of the files; null: the whole block.")

    class Meta:
        ordering = ["invalidation_id", "pk"]
        indexes = [models.Index(fields=["dataset_name"], name="invalidated_by_dataset")]

    def __str__(self) -> str:
        return f"{self.dataset_name}#{self.block_name}"
