from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class Lock(models.Model):
    """A promise that matching block replicas stay, until it expires or is released.

    Patterns take ``*`` and ``?``. A site pattern that matches no site locks everywhere (fail safe, design).
    Released locks keep their row: it is part of the history of what they held.
    """

    dataset_pattern = models.CharField(max_length=512)
    block_pattern = models.CharField(max_length=128, default="*")
    site_pattern = models.CharField(max_length=128, default="*")
    group_pattern = models.CharField(max_length=128, default="*")
    owner = models.CharField(max_length=150, help_text="Person or group that answers for the lock.")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    source = models.CharField(max_length=32, default="manual", editable=False, help_text="How it came: manual, api, inject.")
    comment = models.CharField(max_length=512, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Enforced; empty: until released.")
    released_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["dataset_pattern"], name="lock_dataset", condition=Q(released_at__isnull=True)),
            models.Index(fields=["expires_at"], name="lock_expiry", condition=Q(released_at__isnull=True)),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(dataset_pattern="") & ~Q(block_pattern="") & ~Q(site_pattern="") & ~Q(group_pattern=""),
                name="lock_patterns_not_empty",
            ),
            models.CheckConstraint(condition=~Q(owner=""), name="lock_has_owner"),
        ]

    def __str__(self) -> str:
        block = "" if self.block_pattern == "*" else f"#{self.block_pattern}"
        return f"{self.dataset_pattern}{block} at {self.site_pattern}"
