"""Deletions by API: read the queue and the past, and decide on those that failed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from inventory.services.audit import Actor
from operations import filtersets, models
from operations.api.serializers import DeletionSerializer
from operations.exceptions import NotFoundError
from operations.selectors.history import FailedSum, failed_deletions
from operations.services.failed import deletions_drop, deletions_retry

_MAX_KEY = 2**63 - 1
_FILTERS = {"site": "site_name", "plan": "plan_id", "dataset": "dataset_name"}


class FailedChoiceSerializer(serializers.Serializer[Any]):
    deletions = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=_MAX_KEY),
        required=False,
        allow_empty=False,
        max_length=1000,
        help_text="Ids of failed deletions; these, or a filter. Where one of them has not failed, nothing is changed.",
    )
    site = serializers.CharField(required=False, max_length=64, help_text="All that failed at this site.")
    plan = serializers.IntegerField(required=False, min_value=1, max_value=_MAX_KEY, help_text="All that failed of this plan.")
    dataset = serializers.CharField(required=False, max_length=512, help_text="All that failed of this dataset, by its name.")
    reason = serializers.CharField(max_length=512, help_text="Why; shown with the deletions and kept in the audit trail.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Refuse a choice of nothing, which would be all there is, and one by two ways at once."""
        if ("deletions" in attrs) == any(name in attrs for name in _FILTERS):
            raise serializers.ValidationError(
                "say which: either deletions, or some of site, plan and dataset, all of which must fit"
            )
        return attrs


class FailedSumSerializer(serializers.Serializer[FailedSum]):
    num_deletions = serializers.SerializerMethodField(help_text="Failed deletions that were decided on.")
    sites = serializers.ListField(source="site_names", child=serializers.CharField())
    num_files = serializers.IntegerField()
    size_bytes = serializers.IntegerField()

    def get_num_deletions(self, chosen: FailedSum) -> int:
        return len(chosen.ids)


class MayDecide(BasePermission):
    """Asked before anything is told of what fits; the service asks again, under lock."""

    message = "It takes the right operations.change_deletion to decide on failed deletions."

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.user.has_perm("operations.change_deletion")


class DeletionViewSet(ReadOnlyModelViewSet[models.Deletion]):
    """Deletions of block replicas: the queue and the record of the past. Failed ones wait for a decision."""

    queryset = models.Deletion.objects.all()
    serializer_class = DeletionSerializer
    filterset_class = filtersets.DeletionFilterSet

    def get_permissions(self) -> list[BasePermission]:
        """Return what is asked for reading, or for deciding."""
        return [IsAuthenticated(), MayDecide()] if self.action in {"retry", "drop"} else super().get_permissions()

    @extend_schema(request=FailedChoiceSerializer, responses=FailedSumSerializer)
    @action(detail=False, methods=["post"], filterset_class=None, pagination_class=None)
    def retry(self, request: Request) -> Response:
        """Put failed deletions back into the queue and end the back-off of their sites; a paused site stays paused.

        It takes the right ``operations.change_deletion``. All that is given must fit.
        """
        return self._decide(request, deletions_retry)

    @extend_schema(request=FailedChoiceSerializer, responses=FailedSumSerializer)
    @action(detail=False, methods=["post"], filterset_class=None, pagination_class=None)
    def drop(self, request: Request) -> Response:
        """Give failed deletions up: what they put aside comes back. It takes the right ``operations.change_deletion``."""
        return self._decide(request, deletions_drop)

    def _decide(self, request: Request, decide: Callable[..., int]) -> Response:
        given = FailedChoiceSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        ids = data.get("deletions")
        chosen = failed_deletions(deletion_ids=ids, **{to: data[name] for name, to in _FILTERS.items() if name in data})
        if not chosen.ids and ids is None:
            raise NotFoundError("no failed deletion fits that")
        decide(deletion_ids=ids or chosen.ids, actor=Actor.of(request.user), reason=data["reason"])
        return Response(FailedSumSerializer(chosen).data)
