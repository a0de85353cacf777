"""Sums of the inventory as it was at one moment.

Their keys are not checked by the database: a check would hold rows of replicas while a count writes, and deletions would wait.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from inventory.models.datasets import Dataset
from inventory.models.replicas import DatasetReplica
from inventory.models.sites import Group, Site


class StatisticsCount(models.Model):
    """The last time that the inventory was summed up: one row, locked while a count runs."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    counted_at = models.DateTimeField(null=True, help_text="The moment of the inventory that the sums are of.")
    seconds = models.FloatField(default=0, help_text="How long the count took.")

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="statistics_have_one_count")]

    def __str__(self) -> str:
        return f"statistics of {self.counted_at}"


class _Attributes(models.Model):
    """What statistics are asked by, of a dataset."""

    tier = models.CharField(max_length=512)
    status = models.CharField(max_length=16)
    data_type = models.CharField(max_length=32, blank=True)
    release = models.CharField(max_length=64, blank=True)

    class Meta:
        abstract = True


class StatisticsCell(_Attributes):
    """What datasets of one kind have at a site in the hands of a group: sums of the last count.

    ``size_bytes`` and ``num_files`` are present; projected is what there will be once incomplete block replicas are complete
    and growing dataset replicas have taken up the blocks of their dataset that they lack.
    """

    # Written as a whole at each count and read as a whole or nearly so: an index would only cost.
    site = models.ForeignKey(Site, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    group = models.ForeignKey(
        Group, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    size_bytes = models.BigIntegerField()
    num_files = models.BigIntegerField()
    projected_bytes = models.BigIntegerField()
    projected_files = models.BigIntegerField()
    num_block_replicas = models.BigIntegerField()
    whole_bytes = models.BigIntegerField(default=0, help_text="Of the blocks that are here, as if they were complete.")
    anywhere_bytes = models.BigIntegerField(default=0, help_text="What all sites together have of the blocks that are here.")
    anywhere_projected_bytes = models.BigIntegerField(default=0, help_text="The same once incomplete replicas are complete.")

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.tier} at {self.site_id}"


class StatisticsUnique(_Attributes):
    """The blocks of datasets of one kind that have a replica, each counted once: the divisor of average replication.

    Of all owners (``is_any_group``), or of those in the hands of one group somewhere.
    """

    is_any_group = models.BooleanField()
    group = models.ForeignKey(
        Group, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    num_datasets = models.BigIntegerField()
    num_blocks = models.BigIntegerField()
    size_bytes = models.BigIntegerField()
    num_files = models.BigIntegerField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"unique {self.tier}"


class CountedPlace(models.Model):
    """How many block replicas of a tier and status a group had at a site at the last count: tells lists what is rare."""

    tier = models.CharField(max_length=512)
    status = models.CharField(max_length=16)
    site = models.ForeignKey(Site, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, related_name="+")
    group = models.ForeignKey(
        Group, on_delete=models.DO_NOTHING, db_constraint=False, db_index=False, null=True, related_name="+"
    )
    num_block_replicas = models.BigIntegerField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.num_block_replicas} of {self.tier} at {self.site_id}"


class IncompleteCopy(models.Model):
    """A dataset replica that lacked blocks or files at the last count: where lists look for what is incomplete."""

    dataset_replica = models.OneToOneField(
        DatasetReplica, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="+"
    )

    class Meta:
        verbose_name_plural = "incomplete copies"

    def __str__(self) -> str:
        return str(self.dataset_replica)


class CountedDataset(models.Model):
    """How many copies a dataset had at the last count, complete ones and all: where lists look for few or many."""

    dataset = models.OneToOneField(
        Dataset, on_delete=models.DO_NOTHING, db_constraint=False, primary_key=True, related_name="counted"
    )
    num_copies = models.PositiveIntegerField(db_index=True)
    num_complete_copies = models.PositiveIntegerField(db_index=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.num_copies} copies of {self.dataset_id}"
