from __future__ import annotations

from django.db import models
from django.db.models import Q

from inventory.models.datasets import Block, Dataset, File
from inventory.models.sites import Group, Site


class DatasetReplica(models.Model):
    """A dataset at a site, as far as it is there; a growing one takes up blocks that are yet to come."""

    # Without an index of its own, as other keys here: the one of the unique constraint begins with it.
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, db_index=False, related_name="replicas")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, db_index=False, related_name="dataset_replicas")
    group = models.ForeignKey(
        Group, on_delete=models.PROTECT, null=True, blank=True, related_name="dataset_replicas", help_text="Owner of new blocks."
    )
    is_growing = models.BooleanField(default=False)

    class Meta:
        ordering = ["dataset_id", "site_id"]
        constraints = [models.UniqueConstraint(fields=["dataset", "site"], name="dataset_replica_unique")]
        # In place of the foreign key's own index: the page of a site is one range of it, wherever in the table its rows are.
        indexes = [models.Index(fields=["site", "id"], name="dataset_replica_by_site")]

    def __str__(self) -> str:
        return f"{self.dataset} at {self.site}"


class BlockReplica(models.Model):
    """A block at a site: what of it is physically present, and who owns it there."""

    dataset_replica = models.ForeignKey(DatasetReplica, on_delete=models.CASCADE, related_name="block_replicas")
    block = models.ForeignKey(Block, on_delete=models.CASCADE, db_index=False, related_name="replicas")
    site = models.ForeignKey(Site, on_delete=models.PROTECT, db_index=False, related_name="block_replicas")
    group = models.ForeignKey(
        Group, on_delete=models.PROTECT, null=True, blank=True, db_index=False, related_name="block_replicas"
    )
    size_bytes = models.BigIntegerField(help_text="Bytes physically present.")
    num_files = models.PositiveIntegerField(help_text="Files physically present.")
    is_custodial = models.BooleanField(default=False)
    last_update = models.DateTimeField()

    class Meta:
        ordering = ["dataset_replica_id", "block_id"]
        constraints = [
            models.UniqueConstraint(fields=["block", "site"], name="block_replica_unique"),
            models.CheckConstraint(condition=Q(size_bytes__gte=0), name="block_replica_size_not_negative"),
        ]
        indexes = [
            models.Index(fields=["site", "id"], name="block_replica_by_site"),
            # In place of the foreign key's own index: what a group has at some sites is a few ranges of it.
            models.Index(fields=["group", "site", "id"], name="block_replica_by_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.block} at {self.site}"


class PresentFile(models.Model):
    """A file that an incomplete block replica has; a complete one has all files of its block and no rows here."""

    block_replica = models.ForeignKey(BlockReplica, on_delete=models.CASCADE, db_index=False, related_name="present_files")
    file = models.ForeignKey(File, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["block_replica", "file"], name="present_file_unique")]

    def __str__(self) -> str:
        return str(self.file)
