"""What the API says of the inventory. Related objects appear by their natural keys."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from inventory.models import (
    AuditEvent,
    Block,
    BlockReplica,
    Dataset,
    DatasetFacts,
    DatasetReplica,
    FactFeed,
    File,
    Group,
    Injection,
    Site,
)
from inventory.selectors.datasets_overview import Copy


class SiteSerializer(serializers.ModelSerializer[Site]):
    class Meta:
        model = Site
        fields = [
            "id",
            "name",
            "host",
            "storage_type",
            "status",
            "endpoint_url",
            "deletion_paused_at",
            "deletion_paused_reason",
        ]


class SiteReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=512, help_text="Why; it is shown with the site and kept in the audit trail.")


class GroupSerializer(serializers.ModelSerializer[Group]):
    class Meta:
        model = Group
        fields = ["id", "name", "ownership_level"]


class DatasetFactsSerializer(serializers.ModelSerializer[DatasetFacts]):
    class Meta:
        model = DatasetFacts
        fields = ["num_accesses", "last_access_at", "usage_rank", "demand_rank", "attributes"]


class DatasetSerializer(serializers.ModelSerializer[Dataset]):
    tier = serializers.CharField(read_only=True, help_text="The last part of the name.")
    usage = DatasetFactsSerializer(
        source="facts", read_only=True, allow_null=True, default=None, help_text="As the feeds gave it; null: no feed names it."
    )

    class Meta:
        model = Dataset
        fields = [
            "id",
            "name",
            "tier",
            "status",
            "data_type",
            "release",
            "is_open",
            "last_update",
            "attributes",
            "size_bytes",
            "num_files",
            "num_blocks",
            "usage",
        ]


class BlockSerializer(serializers.ModelSerializer[Block]):
    dataset = serializers.CharField(source="dataset.name", read_only=True)

    class Meta:
        model = Block
        fields = ["id", "dataset", "name", "size_bytes", "num_files", "is_open", "last_update"]


class FileSerializer(serializers.ModelSerializer[File]):
    dataset = serializers.CharField(source="block.dataset.name", read_only=True)
    block = serializers.CharField(source="block.name", read_only=True)

    class Meta:
        model = File
        fields = ["id", "lfn", "dataset", "block", "size_bytes", "checksum"]


class DatasetReplicaSerializer(serializers.ModelSerializer[DatasetReplica]):
    dataset = serializers.CharField(source="dataset.name", read_only=True)
    site = serializers.CharField(source="site.name", read_only=True)
    group = serializers.CharField(source="group.name", read_only=True, allow_null=True, default=None)

    class Meta:
        model = DatasetReplica
        fields = ["id", "dataset", "site", "group", "is_growing"]


class BlockReplicaSerializer(serializers.ModelSerializer[BlockReplica]):
    dataset = serializers.CharField(source="block.dataset.name", read_only=True)
    block = serializers.CharField(source="block.name", read_only=True)
    site = serializers.CharField(source="site.name", read_only=True)
    group = serializers.CharField(source="group.name", read_only=True, allow_null=True, default=None)
    is_complete = serializers.SerializerMethodField(help_text="All files of the block are present.")

    class Meta:
        model = BlockReplica
        fields = [
            "id",
            "dataset",
            "block",
            "site",
            "group",
            "size_bytes",
            "num_files",
            "is_complete",
            "is_custodial",
            "last_update",
        ]

    def get_is_complete(self, replica: BlockReplica) -> bool:
        return (replica.size_bytes, replica.num_files) == (replica.block.size_bytes, replica.block.num_files)


class FactFeedSerializer(serializers.ModelSerializer[FactFeed]):
    class Meta:
        model = FactFeed
        fields = ["id", "name", "source", "measured_at", "max_age"]


class FeedLimitSerializer(serializers.Serializer[Any]):
    max_age = serializers.DurationField(
        help_text="Older than this, the facts count as unknown: [days] hours:minutes:seconds, at most 366 days."
    )
    reason = serializers.CharField(max_length=512, required=False, default="", allow_blank=True, help_text="For the audit trail.")


class InjectionSerializer(serializers.ModelSerializer[Injection]):
    is_batch = serializers.BooleanField(read_only=True, help_text="Its document is kept part by part.")

    class Meta:
        model = Injection
        fields = [
            "id",
            "source",
            "started_by",
            "state",
            "started_at",
            "finished_at",
            "num_records",
            "counts",
            "num_rejects",
            "rejects",
            "error",
            "is_dry_run",
            "skips_bad",
            "brings_back",
            "is_batch",
            "records_kept",
            "position_bytes",
            "length_bytes",
            "cancelled_by",
        ]


class InjectionQuerySerializer(serializers.Serializer[Any]):
    name = serializers.CharField(
        required=False,
        default="api",
        max_length=255,
        help_text="Name of the document; .csv or .tsv at its end: a table.",
    )
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Tell what would change, and change nothing.")
    skip_bad = serializers.BooleanField(required=False, default=False, help_text="Take all but bad records, and keep those.")
    bring_back = serializers.BooleanField(
        required=False, default=False, help_text="Take block replicas too that were deleted after the document's meta.now."
    )
    batch = serializers.BooleanField(
        required=False, default=False, help_text="Keep each part at once: whenever a worker dies, the next one goes on."
    )


class GiveUpSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(max_length=512, help_text="For the audit trail.")


class FeedQuerySerializer(serializers.Serializer[Any]):
    measured_at = serializers.DateTimeField(help_text="The moment at which all facts of the feed were measured.")
    source = serializers.CharField(max_length=128, help_text="Who measured.")
    max_age = serializers.DurationField(
        required=False,
        default=None,
        help_text="Freshness limit from now on, as [days] hours:minutes:seconds; older facts count as unknown.",
    )
    dry_run = serializers.BooleanField(required=False, default=False, help_text="Tell what would change, and change nothing.")


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    class Meta:
        model = AuditEvent
        fields = ["id", "at", "actor", "action", "subject", "reason", "details", "previous_digest", "digest"]


class CopySerializer(serializers.Serializer[Copy]):
    """A dataset at a site."""

    site = serializers.CharField(source="site_name")
    owners = serializers.CharField(source="group_names", help_text="Owners of its blocks there, by comma.")
    size_bytes = serializers.IntegerField(help_text="Bytes present.")
    whole_bytes = serializers.IntegerField(help_text="Bytes of the whole dataset.")
    num_complete_blocks = serializers.IntegerField()
    num_blocks = serializers.IntegerField(help_text="Blocks of the whole dataset.")
    is_complete = serializers.BooleanField()
    is_growing = serializers.BooleanField()
    last_update = serializers.DateTimeField(allow_null=True)


class BlockAtSiteSerializer(serializers.ModelSerializer[BlockReplica]):
    site = serializers.CharField(source="site.name", read_only=True)
    group = serializers.CharField(source="group.name", read_only=True, allow_null=True, default=None)
    is_complete = serializers.SerializerMethodField(help_text="All files of the block are present.")

    class Meta:
        model = BlockReplica
        fields = ["id", "site", "group", "size_bytes", "num_files", "is_complete", "is_custodial", "last_update"]

    def get_is_complete(self, replica: BlockReplica) -> bool:
        return (replica.size_bytes, replica.num_files) == (replica.block.size_bytes, replica.block.num_files)


class BlockWithReplicasSerializer(serializers.ModelSerializer[Block]):
    replicas = BlockAtSiteSerializer(many=True, read_only=True)

    class Meta:
        model = Block
        fields = ["id", "name", "size_bytes", "num_files", "is_open", "last_update", "replicas"]
