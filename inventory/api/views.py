"""Reading the inventory, and pausing single sites.

Every list has filters and keyset pages and costs the same number of queries at any size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.decorators import action
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from inventory import filtersets, models
from inventory.api import serializers
from inventory.list_files import ListFileMixin
from inventory.rights_api import RightsMixin
from inventory.selectors.datasets_overview import dataset_blocks, dataset_copies
from inventory.services.audit import Actor
from inventory.services.feeds import feed_limit_set
from inventory.services.sites import site_pause, site_resume

#: What the guard of the API lets through on a list below one object.
_PAGE = [OpenApiParameter("cursor", str, description="As in next and previous."), OpenApiParameter("page_size", int)]


class SiteViewSet(RightsMixin, ListFileMixin, ReadOnlyModelViewSet[models.Site]):
    """Sites, and pausing deletions at one of them."""

    queryset = models.Site.objects.all()
    serializer_class = serializers.SiteSerializer
    filterset_class = filtersets.SiteFilterSet
    # Who stops and starts deletions need not be able to change sites.
    token_scopes = {"pause": "operations:write", "resume": "operations:write"}

    def get_permissions(self) -> Sequence[Any]:
        """Ask the service who may pause and resume, which knows of rights on one site."""
        return [IsAuthenticated()] if self.action in {"pause", "resume"} else super().get_permissions()

    @extend_schema(request=serializers.SiteReasonSerializer, responses=serializers.SiteSerializer)
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def pause(self, request: Request, pk: str) -> Response:
        """Stop deletions at the site until they are resumed; it takes ``inventory.pause_site``, in general or there."""
        return self._turn(request, site_pause)

    @extend_schema(request=serializers.SiteReasonSerializer, responses=serializers.SiteSerializer)
    @action(detail=True, methods=["post"], filterset_class=None, pagination_class=None)
    def resume(self, request: Request, pk: str) -> Response:
        """Let deletions at the site go on; it takes ``inventory.resume_site``, in general or there. What failed stays failed."""
        return self._turn(request, site_resume)

    def _turn(self, request: Request, turn: Callable[..., models.Site]) -> Response:
        found = self.get_object()
        wanted = serializers.SiteReasonSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        site = turn(site_name=found.name, actor=Actor.of(request.user), **wanted.validated_data)
        return Response(serializers.SiteSerializer(site).data)


class GroupViewSet(ReadOnlyModelViewSet[models.Group]):
    """Groups that own data."""

    queryset = models.Group.objects.all()
    serializer_class = serializers.GroupSerializer
    filterset_class = filtersets.GroupFilterSet


class DatasetViewSet(ListFileMixin, ReadOnlyModelViewSet[models.Dataset]):
    """Datasets."""

    queryset = models.Dataset.objects.select_related("facts")
    serializer_class = serializers.DatasetSerializer
    filterset_class = filtersets.DatasetFilterSet
    ordering_fields = ("name", "size_bytes", "last_update")

    @extend_schema(responses=serializers.CopySerializer(many=True), filters=False)
    @action(detail=True, pagination_class=None, filterset_class=None, ordering_fields=())
    def copies(self, request: Request, pk: str) -> Response:
        """Where the dataset is, and how complete it is at each site."""
        return Response(serializers.CopySerializer(dataset_copies(self.get_object().pk), many=True).data)

    @extend_schema(responses=serializers.BlockWithReplicasSerializer(many=True), parameters=_PAGE, filters=False)
    @action(detail=True, filterset_class=None, ordering_fields=())
    def blocks(self, request: Request, pk: str) -> Response:
        """The blocks of the dataset, each with its replicas."""
        page = self.paginate_queryset(dataset_blocks(self.get_object().pk))
        return self.get_paginated_response(serializers.BlockWithReplicasSerializer(page, many=True).data)


class BlockViewSet(ListFileMixin, ReadOnlyModelViewSet[models.Block]):
    """Blocks of datasets."""

    queryset = models.Block.objects.select_related("dataset")
    serializer_class = serializers.BlockSerializer
    filterset_class = filtersets.BlockFilterSet


class FileViewSet(ListFileMixin, ReadOnlyModelViewSet[models.File]):
    """Files by logical name."""

    queryset = models.File.objects.select_related("block__dataset")
    serializer_class = serializers.FileSerializer
    filterset_class = filtersets.FileFilterSet


class DatasetReplicaViewSet(ListFileMixin, ReadOnlyModelViewSet[models.DatasetReplica]):
    """Datasets at sites."""

    queryset = models.DatasetReplica.objects.select_related("dataset", "site", "group")
    serializer_class = serializers.DatasetReplicaSerializer
    filterset_class = filtersets.DatasetReplicaFilterSet


class BlockReplicaViewSet(ListFileMixin, ReadOnlyModelViewSet[models.BlockReplica]):
    """Blocks at sites: what is physically present, and whose it is."""

    queryset = models.BlockReplica.objects.select_related("block__dataset", "site", "group")
    serializer_class = serializers.BlockReplicaSerializer
    filterset_class = filtersets.BlockReplicaFilterSet


class FactFeedViewSet(ReadOnlyModelViewSet[models.FactFeed]):
    """Feeds of facts: who measured them, when, and how old they may be."""

    queryset = models.FactFeed.objects.all()
    serializer_class = serializers.FactFeedSerializer
    filterset_class = filtersets.FactFeedFilterSet

    def get_permissions(self) -> Sequence[Any]:
        """Ask the service who may set the limit, which knows of rights on one feed."""
        return [IsAuthenticated()] if self.action == "partial_update" else super().get_permissions()

    @extend_schema(request=serializers.FeedLimitSerializer, responses=serializers.FactFeedSerializer)
    def partial_update(self, request: Request, pk: str) -> Response:
        """Set how old the facts may be before they count as unknown; it takes the right ``inventory.change_factfeed``."""
        asked = serializers.FeedLimitSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        feed = feed_limit_set(name=self.get_object().name, actor=Actor.of(request.user), **asked.validated_data)
        return Response(serializers.FactFeedSerializer(feed).data)


class AuditEventViewSet(ReadOnlyModelViewSet[models.AuditEvent]):
    """The audit trail."""

    queryset = models.AuditEvent.objects.all()
    serializer_class = serializers.AuditEventSerializer
    filterset_class = filtersets.AuditEventFilterSet
