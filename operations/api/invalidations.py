"""Invalidation by API: a preview that changes nothing, then a confirmation of exactly that preview."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ReadOnlyModelViewSet

from inventory.selectors.named import Target
from inventory.services.audit import Actor
from inventory.services.naming import targets_named, targets_of
from operations import filtersets, models
from operations.services.invalidation_preview import SHOWN, InvalidationPreview, invalidation_preview
from operations.services.invalidations import INVALIDATE, invalidation_confirm
from operations.services.rights import demand_right

_WAITING = ("create", "preview")


class InvalidationSerializer(serializers.ModelSerializer[models.Invalidation]):
    class Meta:
        model = models.Invalidation
        fields = [
            "id",
            "state",
            "requested_at",
            "requested_by_name",
            "reason",
            "digest",
            "is_metadata_only",
            "plan",
            "datasets",
            "overridden_locks",
            "num_blocks",
            "num_files",
            "size_bytes",
            "num_block_replicas",
            "archive",
            "archive_digest",
            "finished_at",
            "kept",
        ]


class InvalidationPreviewRequestSerializer(serializers.Serializer[object]):
    dataset = serializers.ListField(
        child=serializers.DictField(),
        required=False,
        help_text="As in an injected document, names only: [{name, blocks: [{name, files: [{name}]}]}]. "
        "Without blocks the whole dataset, without files the whole block.",
    )
    files = serializers.ListField(
        child=serializers.CharField(max_length=1024), required=False, help_text="Files by their logical names alone."
    )
    is_metadata_only = serializers.BooleanField(default=False, help_text="Forget them at once, and leave the files in storage.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Something must be named."""
        if not attrs.get("dataset") and not attrs.get("files"):
            raise serializers.ValidationError("Name data: in dataset, in files, or in both.")
        return attrs


class InvalidationConfirmSerializer(InvalidationPreviewRequestSerializer):
    digest = serializers.RegexField("^[0-9a-f]{64}$", help_text="Of the preview that is confirmed.")
    reason = serializers.CharField(max_length=512, help_text="Why; kept for ever.")
    override_locks = serializers.ListField(
        child=serializers.IntegerField(min_value=1, max_value=2**63 - 1),
        default=list,
        help_text="Locks that do not protect from it: the user's own, or with the right operations.override_lock.",
    )


class SiteShareSerializer(serializers.Serializer[object]):
    site = serializers.CharField()
    storage_type = serializers.CharField()
    num_block_replicas = serializers.IntegerField()
    num_files = serializers.IntegerField()
    size_bytes = serializers.IntegerField()


class HoldingLockSerializer(serializers.Serializer[object]):
    lock_id = serializers.IntegerField()
    text = serializers.CharField()
    owner = serializers.CharField()
    comment = serializers.CharField()
    expires_at = serializers.DateTimeField(allow_null=True)
    num_block_replicas = serializers.IntegerField()
    size_bytes = serializers.IntegerField()


class TouchingPlanSerializer(serializers.Serializer[object]):
    plan_id = serializers.IntegerField()
    kind = serializers.CharField()
    title = serializers.CharField()
    state = serializers.CharField()
    num_items = serializers.IntegerField()


class InvalidationPreviewSerializer(serializers.Serializer[InvalidationPreview]):
    digest = serializers.CharField(help_text="To be sent with the confirmation; another one is refused.")
    is_metadata_only = serializers.BooleanField()
    num_datasets = serializers.SerializerMethodField(help_text="Datasets that go as a whole.")
    num_blocks = serializers.SerializerMethodField()
    num_files = serializers.IntegerField()
    size_bytes = serializers.IntegerField(help_text="Of the files, each once; by_site has the copies.")
    by_site = SiteShareSerializer(many=True)
    num_last_copies = serializers.IntegerField(help_text="Blocks with one complete copy anywhere, which goes, too.")
    last_copies = serializers.ListField(child=serializers.CharField(), help_text=f"The first {SHOWN} of them.")
    locks = HoldingLockSerializer(many=True)
    plans = TouchingPlanSerializer(many=True, help_text="Plans that are not over and list some of it.")
    num_being_deleted = serializers.IntegerField(help_text="Block replicas that a worker deletes now: wait for that.")
    unknown = serializers.SerializerMethodField(help_text=f"Names that are not in the inventory, the first {SHOWN}; left out.")

    def get_num_datasets(self, preview: InvalidationPreview) -> int:
        return len(preview.named.datasets)

    def get_num_blocks(self, preview: InvalidationPreview) -> int:
        return len(preview.named.blocks)

    def get_unknown(self, preview: InvalidationPreview) -> list[str]:
        return list(preview.named.unknown[:SHOWN])


class InvalidationViewSet(ReadOnlyModelViewSet[models.Invalidation]):
    """Invalidations, and how far each is. Preview and confirmation take the right ``operations.invalidate``."""

    queryset = models.Invalidation.objects.all()
    serializer_class = InvalidationSerializer
    filterset_class = filtersets.InvalidationFilterSet
    token_scopes = {"preview": "read"}
    throttle_scope = "expensive"

    def get_permissions(self) -> list[BasePermission]:
        """Return what is asked before the service asks for the right itself."""
        return [IsAuthenticated()] if self.action in _WAITING else super().get_permissions()

    @extend_schema(request=InvalidationPreviewRequestSerializer, responses=InvalidationPreviewSerializer)
    @action(detail=False, methods=["post"])
    def preview(self, request: Request) -> Response:
        """Show what would go; nothing is changed."""
        demand_right(Actor.of(request.user), INVALIDATE, "invalidate data")
        wanted = InvalidationPreviewRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        found = invalidation_preview(
            targets=_targets(wanted.validated_data),
            now=timezone.now(),
            is_metadata_only=wanted.validated_data["is_metadata_only"],
        )
        return Response(InvalidationPreviewSerializer(found).data)

    @extend_schema(request=InvalidationConfirmSerializer, responses={201: InvalidationSerializer})
    def create(self, request: Request) -> Response:
        """Do what a preview showed, or refuse (409) where anything changed since."""
        wanted = InvalidationConfirmSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        data = wanted.validated_data
        done = invalidation_confirm(
            targets=_targets(data),
            digest=data["digest"],
            actor=Actor.of(request.user),
            reason=data["reason"],
            override_locks=data["override_locks"],
            is_metadata_only=data["is_metadata_only"],
        )
        return Response(InvalidationSerializer(done).data, status=status.HTTP_201_CREATED)


def _targets(data: dict[str, Any]) -> list[Target]:
    targets = targets_of({"dataset": data["dataset"]}) if data.get("dataset") else []
    if data.get("files"):
        targets += targets_named(files=data["files"])
    return targets
