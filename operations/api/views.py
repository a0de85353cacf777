"""Reading the deletion pipeline: what waits, what runs, what became of it."""

from __future__ import annotations

from rest_framework.viewsets import ReadOnlyModelViewSet

from operations import filtersets, models
from operations.api import serializers


class AttemptViewSet(ReadOnlyModelViewSet[models.Attempt]):
    """Attempts at deletions; one without ``recorded_at`` is under way or its worker died."""

    queryset = models.Attempt.objects.all()
    serializer_class = serializers.AttemptSerializer
    filterset_class = filtersets.AttemptFilterSet


class DeletionFileViewSet(ReadOnlyModelViewSet[models.DeletionFile]):
    """Files with which something was not plain, and what the storage said."""

    queryset = models.DeletionFile.objects.all()
    serializer_class = serializers.DeletionFileSerializer
    filterset_class = filtersets.DeletionFileFilterSet


class TrashViewSet(ReadOnlyModelViewSet[models.Trash]):
    """What deletions put aside: until when it can be brought back, and what became of it."""

    queryset = models.Trash.objects.defer("files", "wanted_files")
    serializer_class = serializers.TrashSerializer
    filterset_class = filtersets.TrashFilterSet


class TrashFileViewSet(ReadOnlyModelViewSet[models.TrashFile]):
    """Files that were asked back, and what became of each."""

    queryset = models.TrashFile.objects.all()
    serializer_class = serializers.TrashFileSerializer
    filterset_class = filtersets.TrashFileFilterSet
