"""What the API says of deletions."""

from __future__ import annotations

from rest_framework import serializers

from operations.models import Attempt, Deletion, DeletionFile


class AttemptSerializer(serializers.ModelSerializer[Attempt]):
    class Meta:
        model = Attempt
        fields = [
            "id",
            "deletion",
            "number",
            "worker",
            "started_at",
            "recorded_at",
            "outcome",
            "message",
            "files_deleted",
            "files_absent",
            "files_failed",
        ]


class DeletionFileSerializer(serializers.ModelSerializer[DeletionFile]):
    class Meta:
        model = DeletionFile
        fields = ["id", "deletion", "lfn", "size_bytes", "outcome", "message", "at"]


class DeletionSerializer(serializers.ModelSerializer[Deletion]):
    class Meta:
        model = Deletion
        fields = [
            "id",
            "plan",
            "site_name",
            "dataset_name",
            "block_name",
            "size_bytes",
            "num_files",
            "state",
            "reason",
            "num_attempts",
            "not_before",
            "files_deleted",
            "files_absent",
            "bytes_deleted",
            "queued_at",
            "finished_at",
        ]
