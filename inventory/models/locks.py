from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class LockSet(models.Model):
    """The locks that one owner keeps under one name and replaces as a whole; the row is what two replacements queue for."""

    owner = models.CharField(max_length=150, help_text="User name of who answers for its locks.")
    name = models.SlugField(max_length=64)
    number = models.PositiveIntegerField(default=0, help_text="How often its content has changed.")
    changed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["owner", "name"]
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="lock_set_unique"),
            models.CheckConstraint(condition=~Q(owner="") & ~Q(name=""), name="lock_set_has_owner_and_name"),
        ]

    def __str__(self) -> str:
        return f"{self.owner}/{self.name}"


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
    source = models.CharField(max_length=32, default="manual", editable=False, help_text="How it came: manual, api, set, inject.")
    lock_set = models.ForeignKey(
        LockSet,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="locks",
        help_text="The set that it belongs to, if it came with one.",
    )
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
