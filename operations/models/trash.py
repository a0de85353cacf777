from __future__ import annotations

from django.db import models
from django.db.models import Q

from operations.choices import TRASH_STATES_UNDER_LEASE, RestoreOutcome, TrashState
from operations.models.deletions import Deletion


class Trash(models.Model):
    """What a deletion put aside in the trash of its site, and all that it takes to bring it back.

    Written before the first file is moved, so that nothing ever lies in a trash that no row tells of.
    """

    deletion = models.OneToOneField(Deletion, on_delete=models.PROTECT, related_name="trash")
    site_name = models.CharField(max_length=64)
    dataset_name = models.CharField(max_length=512, blank=True, help_text="Empty for a file that nobody knows.")
    block_name = models.CharField(max_length=128, blank=True)
    path = models.CharField(
        max_length=1024, blank=True, help_text="Below the root of the site, of a file that nobody knows; else empty."
    )
    group_name = models.CharField(max_length=64, help_text='Owner of the block replica, "None" for nobody.')
    is_custodial = models.BooleanField(default=False)
    is_tape = models.BooleanField(default=False, help_text="Put aside at a tape site: kept longer.")
    replica_last_update = models.DateTimeField(help_text="Last update of the block replica before it was deleted.")
    folder = models.CharField(max_length=64, help_text="Below .dynamo-trash of the site.")
    endpoint_url = models.CharField(
        max_length=512,
        blank=True,
        help_text="Endpoint of the site when it was put aside: there it lies. Empty: not written down.",
    )
    files = models.JSONField(help_text="[logical name, bytes, checksum] of each file of the block replica.")
    num_files = models.PositiveIntegerField()
    size_bytes = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=TrashState, default=TrashState.FILLING)
    begun_at = models.DateTimeField()
    kept_since = models.DateTimeField(null=True, blank=True)
    purge_after = models.DateTimeField(null=True, blank=True, help_text="When it may be purged.")
    finished_at = models.DateTimeField(null=True, blank=True, help_text="When it was restored or purged.")
    wanted_files = models.JSONField(default=list, blank=True, help_text="Logical names asked back; empty: all.")
    asked_by = models.CharField(max_length=150, blank=True, help_text="Who asked to restore it.")
    asked_reason = models.CharField(max_length=512, blank=True)
    reason = models.CharField(max_length=1024, blank=True, help_text="What the last attempt to restore or purge left undone.")
    num_attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True)
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    worker = models.CharField(max_length=128, blank=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "trash"
        permissions = [("restore_trash", "Can bring back what was deleted")]
        indexes = [
            models.Index(fields=["purge_after"], name="trash_by_purge", condition=Q(state=TrashState.KEPT)),
            models.Index(fields=["site_name", "state"], name="trash_by_site_state"),
            models.Index(fields=["dataset_name"], name="trash_by_dataset"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=TrashState.values), name="trash_state_known"),
            models.CheckConstraint(
                condition=Q(lease_token__isnull=True, lease_until__isnull=True)
                | Q(lease_token__isnull=False, lease_until__isnull=False, state__in=sorted(TRASH_STATES_UNDER_LEASE)),
                name="trash_lease_while_worked_on",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[TrashState.KEPT, TrashState.PURGING, TrashState.RESTORING])
                | Q(kept_since__isnull=False, purge_after__isnull=False),
                name="trash_kept_until",
            ),
            models.CheckConstraint(
                condition=Q(path="") & ~Q(dataset_name="") & ~Q(block_name="")
                | ~Q(path="") & Q(dataset_name="", block_name="", num_files=1),
                name="trash_of_block_replica_or_path",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.what} of {self.site_name}"

    @property
    def what(self) -> str:
        """Return what lies there, without its site."""
        return f"/{self.path}" if self.path else f"{self.dataset_name}#{self.block_name}"


class TrashFile(models.Model):
    """A file that was asked back from the trash, and what became of it."""

    trash = models.ForeignKey(Trash, on_delete=models.CASCADE, related_name="asked")
    lfn = models.CharField(max_length=1024)
    outcome = models.CharField(max_length=16, choices=RestoreOutcome)
    message = models.CharField(max_length=1024, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["trash_id", "lfn"]
        constraints = [models.UniqueConstraint(fields=["trash", "lfn"], name="trash_file_unique")]

    def __str__(self) -> str:
        return self.lfn
