"""Reading the inventory. Every list has filters and keyset pages and costs the same number of queries at any size."""

from __future__ import annotations

from rest_framework.viewsets import ReadOnlyModelViewSet

from inventory import filtersets, models
from inventory.api import serializers


class SiteViewSet(ReadOnlyModelViewSet[models.Site]):
    """Sites."""

    queryset = models.Site.objects.all()
    serializer_class = serializers.SiteSerializer
    filterset_class = filtersets.SiteFilterSet


class GroupViewSet(ReadOnlyModelViewSet[models.Group]):
    """Groups that own data."""

    queryset = models.Group.objects.all()
    serializer_class = serializers.GroupSerializer
    filterset_class = filtersets.GroupFilterSet


class DatasetViewSet(ReadOnlyModelViewSet[models.Dataset]):
    """Datasets."""

    queryset = models.Dataset.objects.all()
    serializer_class = serializers.DatasetSerializer
    filterset_class = filtersets.DatasetFilterSet


class BlockViewSet(ReadOnlyModelViewSet[models.Block]):
    """Blocks of datasets."""

    queryset = models.Block.objects.select_related("dataset")
    serializer_class = serializers.BlockSerializer
    filterset_class = filtersets.BlockFilterSet


class FileViewSet(ReadOnlyModelViewSet[models.File]):
    """Files by logical name."""

    queryset = models.File.objects.select_related("block__dataset")
    serializer_class = serializers.FileSerializer
    filterset_class = filtersets.FileFilterSet


class DatasetReplicaViewSet(ReadOnlyModelViewSet[models.DatasetReplica]):
    """Datasets at sites."""

    queryset = models.DatasetReplica.objects.select_related("dataset", "site", "group")
    serializer_class = serializers.DatasetReplicaSerializer
    filterset_class = filtersets.DatasetReplicaFilterSet


class BlockReplicaViewSet(ReadOnlyModelViewSet[models.BlockReplica]):
    """Blocks at sites: what is physically present, and whose it is."""

    queryset = models.BlockReplica.objects.select_related("block__dataset", "site", "group")
    serializer_class = serializers.BlockReplicaSerializer
    filterset_class = filtersets.BlockReplicaFilterSet


class LockViewSet(ReadOnlyModelViewSet[models.Lock]):
    """Locks, released and expired ones included."""

    queryset = models.Lock.objects.all()
    serializer_class = serializers.LockSerializer
    filterset_class = filtersets.LockFilterSet


class FactFeedViewSet(ReadOnlyModelViewSet[models.FactFeed]):
    """Feeds of facts and when they were measured."""

    queryset = models.FactFeed.objects.all()
    serializer_class = serializers.FactFeedSerializer
    filterset_class = filtersets.FactFeedFilterSet


class InjectionViewSet(ReadOnlyModelViewSet[models.Injection]):
    """Documents brought into the inventory."""

    queryset = models.Injection.objects.all()
    serializer_class = serializers.InjectionSerializer
    filterset_class = filtersets.InjectionFilterSet


class AuditEventViewSet(ReadOnlyModelViewSet[models.AuditEvent]):
    """The audit trail."""

    queryset = models.AuditEvent.objects.all()
    serializer_class = serializers.AuditEventSerializer
    filterset_class = filtersets.AuditEventFilterSet
