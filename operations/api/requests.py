"""Deletion requests by API: ask, poll, decide."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from inventory.services.audit import Actor
from operations import filtersets, models
from operations.choices import DeletionRequestState
from operations.selectors.requests import RequestStanding, request_standing
from operations.services.deletion_requests import (
    deletion_request_approve,
    deletion_request_cancel,
    deletion_request_create,
    deletion_request_reject,
)


class DeletionRequestSerializer(serializers.ModelSerializer[models.DeletionRequest]):
    num_block_replicas = serializers.IntegerField(source="plan.num_items", read_only=True)
    size_bytes = serializers.IntegerField(source="plan.size_bytes", read_only=True)
    plan_state = serializers.CharField(
        source="plan.state", read_only=True, help_text="HELD: a safety limit holds it for a person."
    )

    class Meta:
        model = models.DeletionRequest
        fields = [
            "id",
            "state",
            "dataset_pattern",
            "block_pattern",
            "site_pattern",
            "allows_last_copy",
            "reason",
            "requested_at",
            "requested_by_name",
            "plan",
            "plan_state",
            "num_block_replicas",
            "size_bytes",
            "sites",
            "decided_at",
            "decided_by_name",
            "decided_reason",
            "finished_at",
            "report",
        ]


class StandingSerializer(serializers.Serializer[RequestStanding]):
    num_there = serializers.IntegerField(help_text="Block replicas of the list that are (still) there.")
    num_last_copies = serializers.IntegerField(help_text="Those without a complete copy elsewhere that stays.")
    last_copy_bytes = serializers.IntegerField(help_text="Their bytes.")


class DeletionRequestDetailSerializer(DeletionRequestSerializer):
    standing = serializers.SerializerMethodField(help_text="How what is asked for stands now; null once that is decided.")

    class Meta(DeletionRequestSerializer.Meta):
        fields = [*DeletionRequestSerializer.Meta.fields, "standing"]

    @extend_schema_field(StandingSerializer(allow_null=True))
    def get_standing(self, request: models.DeletionRequest) -> dict[str, Any] | None:
        """Return how it stands while somebody is to decide on it."""
        waits = request.state == DeletionRequestState.WAITING
        return dict(StandingSerializer(request_standing(request)).data) if waits else None


class DeletionRequestCreateSerializer(serializers.Serializer[object]):
    dataset_pattern = serializers.CharField(max_length=512, help_text="Name; * is any text, ? any character.")
    block_pattern = serializers.CharField(max_length=128, default="*")
    site_pattern = serializers.CharField(max_length=128)
    allows_last_copy = serializers.BooleanField(default=False, help_text="It goes even where no other copy is left anywhere.")
    reason = serializers.CharField(max_length=512, help_text="Why; shown to whoever decides.")


class RequestReasonSerializer(serializers.Serializer[object]):
    reason = serializers.CharField(max_length=512, help_text="Why; kept with the request and in the audit trail.")


class ApproveSerializer(RequestReasonSerializer):
    allow_last_copy = serializers.BooleanField(default=False, help_text="Must say the same as the request does.")


class DeletionRequestViewSet(ReadOnlyModelViewSet[models.DeletionRequest]):
    """Deletion requests, what each would take, who decided, and what became of it."""

    queryset = models.DeletionRequest.objects.select_related("plan")
    serializer_class = DeletionRequestSerializer
    filterset_class = filtersets.DeletionRequestFilterSet

    def get_serializer_class(self) -> type[DeletionRequestSerializer]:
        """Return the serializer of the list, or of one."""
        return DeletionRequestSerializer if self.action == "list" else DeletionRequestDetailSerializer

    def get_permissions(self) -> list[BasePermission]:
        """Return what is asked before the service asks for the right itself, on the sites concerned."""
        is_read = self.action in {"list", "retrieve", "metadata", None}
        return super().get_permissions() if is_read else [IsAuthenticated()]

    @extend_schema(request=DeletionRequestCreateSerializer, responses={201: DeletionRequestDetailSerializer})
    def create(self, request: Request) -> Response:
        """Ask that what the patterns match now be deleted; it takes the right ``operations.add_deletionrequest``."""
        wanted = DeletionRequestCreateSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        made = deletion_request_create(actor=Actor.of(request.user), **wanted.validated_data)
        return self._answer(made.pk, status.HTTP_201_CREATED)

    @extend_schema(request=ApproveSerializer, responses=DeletionRequestDetailSerializer)
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """Let it be deleted, as it was frozen; it takes the right at its sites or in its partitions, and never one's own."""
        return self._decide(request, ApproveSerializer, deletion_request_approve)

    @extend_schema(request=RequestReasonSerializer, responses=DeletionRequestDetailSerializer)
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """Refuse it; it takes the same right as approving."""
        return self._decide(request, RequestReasonSerializer, deletion_request_reject)

    @extend_schema(request=RequestReasonSerializer, responses=DeletionRequestDetailSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:
        """Take it back; its requester may, and whoever may approve it. What has been begun comes to its end."""
        return self._decide(request, RequestReasonSerializer, deletion_request_cancel)

    def _decide(
        self,
        request: Request,
        serializer: type[serializers.Serializer[object]],
        decide: Callable[..., models.DeletionRequest],
    ) -> Response:
        found = self.get_object()
        wanted = serializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        decide(request_id=found.pk, actor=Actor.of(request.user), **wanted.validated_data)
        return self._answer(found.pk, status.HTTP_200_OK)

    def _answer(self, pk: Any, code: int) -> Response:
        return Response(DeletionRequestDetailSerializer(self.get_queryset().get(pk=pk)).data, status=code)
