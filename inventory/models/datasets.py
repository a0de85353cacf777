from __future__ import annotations

from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Length, Replace, Substr

from inventory.choices import DatasetStatus

#: All of a name that ends with its last slash: what is left when the characters that are no slashes are cut off the end.
_UP_TO_LAST_SLASH = Func(F("name"), Replace("name", Value("/")), function="RTRIM")


class Dataset(models.Model):
    """A named set of files that physicists use as one; ``size_bytes``, ``num_files`` and ``num_blocks`` are sums over blocks."""

    name = models.CharField(max_length=512, unique=True)
    tier = models.GeneratedField(
        expression=Substr("name", Length(_UP_TO_LAST_SLASH) + 1),
        output_field=models.CharField(max_length=512),
        db_persist=True,
        help_text="The last part of the name, computed by the database: /Primary/Processed/TIER.",
    )
    status = models.CharField(max_length=16, choices=DatasetStatus, default=DatasetStatus.UNKNOWN)
    data_type = models.CharField(max_length=32, blank=True)
    release = models.CharField(
        max_length=64, null=True, blank=True, help_text="Software version as policies see it: 10_6_0 or 10_6_0_patch1."
    )
    is_open = models.BooleanField(default=True, help_text="More blocks may come.")
    last_update = models.DateTimeField()
    attributes = models.JSONField(default=dict, blank=True, help_text="Free-form metadata, read by policies as dataset.attr.KEY.")
    size_bytes = models.BigIntegerField(default=0, editable=False)
    num_files = models.PositiveIntegerField(default=0, editable=False)
    num_blocks = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=~Q(name=""), name="dataset_has_name"),
            models.CheckConstraint(condition=Q(status__in=DatasetStatus.values), name="dataset_status_known"),
            models.CheckConstraint(condition=Q(size_bytes__gte=0), name="dataset_size_not_negative"),
        ]
        # Each ends in the key, which breaks ties of a page's order: a filtered page is one range of an index.
        indexes = [
            models.Index(fields=["tier", "id"], name="dataset_by_tier"),
            models.Index(fields=["status", "id"], name="dataset_by_status"),
            models.Index(fields=["data_type", "id"], name="dataset_by_type"),
            models.Index(fields=["release", "id"], name="dataset_by_release"),
            models.Index(fields=["size_bytes", "id"], name="dataset_by_size"),
            models.Index(fields=["last_update", "id"], name="dataset_by_update"),
        ]

    def __str__(self) -> str:
        return self.name


class Block(models.Model):
    """A part of a dataset that is moved and deleted as a whole; a replica that has its ``size_bytes`` and files is complete."""

    # The index of the unique constraint begins with it.
    dataset = models.ForeignKey(Dataset, on_delete=models.CASCADE, db_index=False, related_name="blocks")
    name = models.CharField(max_length=128)
    size_bytes = models.BigIntegerField(default=0)
    num_files = models.PositiveIntegerField(default=0)
    is_open = models.BooleanField(default=False)
    last_update = models.DateTimeField()

    class Meta:
        ordering = ["dataset_id", "name"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "name"], name="block_unique_in_dataset"),
            models.CheckConstraint(condition=~Q(name=""), name="block_has_name"),
            models.CheckConstraint(condition=Q(size_bytes__gte=0), name="block_size_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.dataset}#{self.name}"


class File(models.Model):
    """A file by its logical name (LFN); where it lies follows from the replicas of its block."""

    block = models.ForeignKey(Block, on_delete=models.CASCADE, related_name="files")
    lfn = models.CharField(max_length=1024, unique=True)
    size_bytes = models.BigIntegerField()
    checksum = models.CharField(max_length=160, blank=True, help_text="Algorithm and value, as adler32:8a23b1c4.")

    class Meta:
        ordering = ["block_id", "lfn"]
        constraints = [
            models.CheckConstraint(condition=~Q(lfn=""), name="file_has_name"),
            models.CheckConstraint(condition=Q(size_bytes__gte=0), name="file_size_not_negative"),
        ]

    def __str__(self) -> str:
        return self.lfn
