"""What the API says of deletions."""

from __future__ import annotations

from rest_framework import serializers

from operations.models import Attempt, Deletion, DeletionFile, Trash, TrashFile


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


class TrashSerializer(serializers.ModelSerializer[Trash]):
    class Meta:
        model = Trash
        fields = [
            "id",
            "deletion",
            "site_name",
            "dataset_name",
            "block_name",
            "group_name",
            "num_files",
            "size_bytes",
            "state",
            "reason",
            "begun_at",
            "kept_since",
            "purge_after",
            "finished_at",
            "asked_by",
            "asked_reason",
        ]


class TrashFileSerializer(serializers.ModelSerializer[TrashFile]):
    class Meta:
        model = TrashFile
        fields = ["id", "trash", "lfn", "outcome", "message", "at"]
