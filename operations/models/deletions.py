from __future__ import annotations

from django.db import models
from django.db.models import Q

from operations.choices import DeletionState, FileOutcome


class Deletion(models.Model):
    """One block replica to be deleted from storage and inventory: a row of the queue, then the record of what became of it.

    Or one file that nobody knows, of a clean-up, to be deleted from storage: it has a path in place of names.
    """

    plan_item = models.OneToOneField("policies.PlanItem", on_delete=models.PROTECT, related_name="deletion")
    plan = models.ForeignKey("policies.Plan", on_delete=models.PROTECT, related_name="deletions")
    block_replica_key = models.BigIntegerField(
        null=True, blank=True, help_text="Primary key of the block replica; it is gone when the deletion is done."
    )
    site_name = models.CharField(max_length=64)
    dataset_name = models.CharField(max_length=512, blank=True)
    block_name = models.CharField(max_length=128, blank=True)
    path = models.CharField(
        max_length=1024, blank=True, help_text="Below the root of the site, of a file that nobody knows; else empty."
    )
    group_name = models.CharField(
        max_length=64, help_text='Owner when it was queued, "None" for nobody; another owner makes it drop out.'
    )
    size_bytes = models.BigIntegerField()
    num_files = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=DeletionState, default=DeletionState.QUEUED)
    reason = models.CharField(max_length=1024, blank=True, help_text="Why it dropped out, failed or waits.")
    num_attempts = models.PositiveIntegerField(default=0)
    not_before = models.DateTimeField(null=True, blank=True, help_text="Earliest time of the next attempt (back-off).")
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    worker = models.CharField(max_length=128, blank=True)
    files_deleted = models.PositiveIntegerField(default=0)
    files_absent = models.PositiveIntegerField(default=0, help_text="Files that were gone already.")
    bytes_deleted = models.BigIntegerField(default=0)
    queued_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            # The claim asks for the oldest waiting rows of a site; finished rows (nearly all) stay out of the index.
            models.Index(fields=["site_name", "id"], name="deletion_queue", condition=Q(state=DeletionState.QUEUED)),
            # What is being acted on: a few rows, asked for by every claim and by the sweeper.
            models.Index(fields=["lease_until"], name="deletion_leases", condition=Q(state=DeletionState.ACTING)),
            models.Index(fields=["site_name", "state"], name="deletion_by_site_state", condition=~Q(state=DeletionState.DONE)),
            # The last look asks what else goes of some blocks; of a dataset alone there may be a hundred thousand rows.
            models.Index(fields=["dataset_name", "block_name"], name="deletion_by_block"),
            models.Index(fields=["finished_at"], name="deletion_by_finish"),
            models.Index(fields=["plan", "state"], name="deletion_by_plan_state"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=DeletionState.values), name="deletion_state_known"),
            models.CheckConstraint(
                condition=Q(state=DeletionState.ACTING, lease_token__isnull=False, lease_until__isnull=False)
                | (~Q(state=DeletionState.ACTING) & Q(lease_token__isnull=True, lease_until__isnull=True)),
                name="deletion_lease_while_acting",
            ),
            models.CheckConstraint(
                condition=Q(state__in=[DeletionState.DONE, DeletionState.DROPPED], finished_at__isnull=False)
                | (~Q(state__in=[DeletionState.DONE, DeletionState.DROPPED]) & Q(finished_at__isnull=True)),
                name="deletion_finished_when_over",
            ),
            # A block replica is in the queue once: two plans never delete the same files twice.
            models.UniqueConstraint(
                fields=["block_replica_key"],
                condition=Q(state__in=[DeletionState.QUEUED, DeletionState.ACTING, DeletionState.FAILED]),
                name="deletion_one_open_per_block_replica",
            ),
            models.UniqueConstraint(
                fields=["site_name", "path"],
                condition=~Q(path="") & Q(state__in=[DeletionState.QUEUED, DeletionState.ACTING, DeletionState.FAILED]),
                name="deletion_one_open_per_path",
            ),
            # A block replica has names and a key; a file that nobody knows has a path alone.
            models.CheckConstraint(
                condition=Q(path="", block_replica_key__isnull=False) & ~Q(dataset_name="") & ~Q(block_name="")
                | ~Q(path="") & Q(block_replica_key__isnull=True, dataset_name="", block_name="", num_files=1),
                name="deletion_of_block_replica_or_path",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.what} at {self.site_name}"

    @property
    def replica_key(self) -> int:
        """Return the key of the block replica. Raises ``AssertionError`` for a file that nobody knows, which has none."""
        if self.block_replica_key is None:
            raise AssertionError(f"{self} is of no block replica")
        return self.block_replica_key

    @property
    def what(self) -> str:
        """Return what goes, without its site."""
        return f"/{self.path}" if self.path else f"{self.dataset_name}#{self.block_name}"


class Attempt(models.Model):
    """One try at one deletion: who held the lease, what the storage said, and when it was recorded (empty: the worker died)."""

    deletion = models.ForeignKey(Deletion, on_delete=models.CASCADE, related_name="attempts")
    number = models.PositiveIntegerField()
    worker = models.CharField(max_length=128)
    started_at = models.DateTimeField()
    recorded_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=16, choices=FileOutcome, blank=True, help_text="The worst outcome among its files.")
    message = models.CharField(max_length=1024, blank=True)
    files_deleted = models.PositiveIntegerField(default=0)
    files_absent = models.PositiveIntegerField(default=0)
    files_failed = models.PositiveIntegerField(default=0)
    may_have_deleted = models.BooleanField(
        default=True, help_text="Whether files may be gone after this attempt; until it is recorded nobody can tell."
    )

    class Meta:
        ordering = ["deletion_id", "number"]
        constraints = [models.UniqueConstraint(fields=["deletion", "number"], name="attempt_number_unique")]
        # Tries at which something failed, by time: few, and all that the plot of activity asks of this table.
        indexes = [models.Index(fields=["recorded_at"], name="attempt_failed_at", condition=Q(files_failed__gt=0))]

    def __str__(self) -> str:
        return f"attempt {self.number} at {self.deletion}"


class DeletionFile(models.Model):
    """A file of a deletion with which something was not plain; the last word of the storage on it."""

    deletion = models.ForeignKey(Deletion, on_delete=models.CASCADE, related_name="files")
    lfn = models.CharField(max_length=1024)
    size_bytes = models.BigIntegerField()
    outcome = models.CharField(max_length=16, choices=FileOutcome)
    message = models.CharField(max_length=1024, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["deletion_id", "lfn"]
        constraints = [models.UniqueConstraint(fields=["deletion", "lfn"], name="deletion_file_unique")]

    def __str__(self) -> str:
        return self.lfn
