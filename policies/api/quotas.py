"""Quotas: read, set one or many, previewed before, and their history. The services ask for the right, on the partition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from inventory.services.audit import Actor
from policies.exceptions import QuotaInvalidError
from policies.filtersets import QuotaFilterSet, QuotaPreviewFilterSet
from policies.models import Quota, QuotaPreview
from policies.selectors.quotas import QuotaMoment, quota_moments
from policies.selectors.sizes import size_parse
from policies.services.quota_preview_runs import quota_preview_request
from policies.services.quotas import MAX_CHANGES, QuotaChange, SetQuota, quotas_adjusted, quotas_set


class QuotaSerializer(serializers.ModelSerializer[Quota]):
    partition = serializers.CharField(source="partition.name", read_only=True)
    site = serializers.CharField(source="site.name", read_only=True)

    class Meta:
        model = Quota
        fields = ["id", "partition", "site", "size_bytes"]


class WantedQuotaSerializer(serializers.Serializer[Any]):
    partition = serializers.CharField(max_length=64)
    site = serializers.CharField(max_length=64)
    size_bytes = serializers.IntegerField(
        required=False, allow_null=True, help_text="Bytes; negative: unlimited; null: no quota any more."
    )
    size = serializers.CharField(required=False, max_length=64, help_text="Instead of bytes: 100 TB, 1.5 PB, unlimited.")
    expected_bytes = serializers.IntegerField(
        required=False, allow_null=True, help_text="What was seen (null: no quota): refused where it is another by now."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("size" in attrs) == ("size_bytes" in attrs):
            raise ValidationError({"size_bytes": "Give either size_bytes or size."})
        if "size" in attrs:
            try:
                attrs["size_bytes"] = size_parse(attrs["size"])
            except QuotaInvalidError as problem:
                raise ValidationError({"size": str(problem)}) from problem
        return attrs


class QuotasRequestSerializer(serializers.Serializer[Any]):
    quotas = WantedQuotaSerializer(many=True, allow_empty=False, max_length=MAX_CHANGES)
    keep_sum_of = serializers.CharField(
        required=False, max_length=64, help_text="Superpartition whose other parts give or take, so that its sum stays."
    )
    reason = serializers.CharField(max_length=512, required=False, default="", allow_blank=True, help_text="For the audit trail.")


class QuotaRequestSerializer(WantedQuotaSerializer):
    reason = serializers.CharField(max_length=512, required=False, default="", allow_blank=True, help_text="For the audit trail.")


class SetQuotaSerializer(serializers.Serializer[SetQuota]):
    partition = serializers.CharField()
    site = serializers.CharField()
    before_bytes = serializers.IntegerField(allow_null=True)
    after_bytes = serializers.IntegerField(allow_null=True)


class QuotasSetSerializer(serializers.Serializer[Any]):
    changed = SetQuotaSerializer(many=True, help_text="Those that are not as they were before.")


class QuotaMomentSerializer(serializers.Serializer[QuotaMoment]):
    at = serializers.DateTimeField()
    size_bytes = serializers.IntegerField(allow_null=True)
    user = serializers.CharField(source="user_name")
    reason = serializers.CharField()


class SitePreviewSerializer(serializers.Serializer[Any]):
    site = serializers.CharField()
    quota_now = serializers.IntegerField()
    quota_then = serializers.IntegerField()
    used_bytes = serializers.IntegerField()
    protected_bytes = serializers.IntegerField()
    deleted_now = serializers.IntegerField()
    deleted_then = serializers.IntegerField(help_text="Bytes that the next cycle would delete with the new quota.")
    after_then = serializers.IntegerField()
    is_triggered_now = serializers.BooleanField()
    is_triggered_then = serializers.BooleanField()
    is_released_then = serializers.BooleanField()
    is_reachable = serializers.BooleanField(allow_null=True, help_text="False: protected data alone are too much.")
    protected_fraction = serializers.FloatField(allow_null=True, help_text="Protected bytes as a part of the new quota.")


class PolicyPreviewSerializer(serializers.Serializer[Any]):
    policy = serializers.CharField()
    version = serializers.CharField()
    partition = serializers.CharField()
    digest_now = serializers.CharField()
    digest_then = serializers.CharField(help_text="Digest of the plan that the next cycle would make, all else being equal.")
    deleted_now = serializers.IntegerField()
    deleted_then = serializers.IntegerField()
    tripped = serializers.ListField(child=serializers.CharField(), help_text="Safety limits that would hold that plan.")
    sites = SitePreviewSerializer(many=True)


class PreviewResultSerializer(serializers.Serializer[Any]):
    policies = PolicyPreviewSerializer(many=True, required=False)
    without_policy = serializers.ListField(child=serializers.CharField(), required=False)


class QuotaPreviewSerializer(serializers.ModelSerializer[QuotaPreview]):
    class Meta:
        model = QuotaPreview
        fields = ["id", "state", "stage", "progress", "error", "changes", "clock", "started_by", "started_at", "finished_at"]


class QuotaPreviewDetailSerializer(QuotaPreviewSerializer):
    result = PreviewResultSerializer(read_only=True)

    class Meta(QuotaPreviewSerializer.Meta):
        fields = [*QuotaPreviewSerializer.Meta.fields, "result"]


class MayViewQuotas(BasePermission):
    """Reading takes the view right; what is set is asked of the service, on each partition."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method not in ("GET", "HEAD", "OPTIONS") or request.user.has_perm("policies.view_quota")


class MaySeeEffects(BasePermission):
    """Whoever may see decisions may ask what would be decided."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.user.has_perm("policies.view_cycle")


class QuotaViewSet(ReadOnlyModelViewSet[Quota]):
    """Quotas of partitions at sites (bytes; negative: unlimited)."""

    queryset = Quota.objects.select_related("partition", "site")
    serializer_class = QuotaSerializer
    filterset_class = QuotaFilterSet
    permission_classes = (IsAuthenticated, MayViewQuotas)

    @extend_schema(request=QuotaRequestSerializer, responses=QuotasSetSerializer)
    def create(self, request: Request) -> Response:
        """Set one quota, whether there is one or not."""
        wanted = _valid(QuotaRequestSerializer, request)
        return _set(request, [_change(wanted)], wanted["reason"])

    @extend_schema(request=QuotasRequestSerializer, responses=QuotasSetSerializer)
    @action(detail=False, methods=["post"], url_path="set-many", filterset_class=None, pagination_class=None)
    def set_many(self, request: Request) -> Response:
        """Set many quotas in one transaction, all or none."""
        wanted = _valid(QuotasRequestSerializer, request)
        return _set(request, _changes(wanted), wanted["reason"])

    @extend_schema(responses=QuotaMomentSerializer(many=True), filters=False)
    @action(detail=True, filterset_class=None, pagination_class=None, filter_backends=[])
    def history(self, request: Request, pk: str) -> Response:
        """Show how the quota was set over time, oldest first."""
        quota = self.get_object()
        return Response(QuotaMomentSerializer(quota_moments(quota.partition_id, quota.site.name), many=True).data)


class QuotaPreviewViewSet(ReadOnlyModelViewSet[QuotaPreview]):
    """What quotas would do before they are set: ask by POST, poll until it is completed."""

    queryset = QuotaPreview.objects.all()
    filterset_class = QuotaPreviewFilterSet

    def get_permissions(self) -> list[BasePermission]:
        if self.action == "create":
            return [IsAuthenticated(), MaySeeEffects()]
        return super().get_permissions()

    def get_serializer_class(self) -> type[serializers.BaseSerializer[QuotaPreview]]:
        return QuotaPreviewDetailSerializer if self.action == "retrieve" else QuotaPreviewSerializer

    @extend_schema(request=QuotasRequestSerializer, responses={202: QuotaPreviewSerializer})
    def create(self, request: Request) -> Response:
        """Have a worker evaluate the active policies with these quotas; nothing is set."""
        wanted = _valid(QuotasRequestSerializer, request)
        preview = quota_preview_request(changes=_changes(wanted), actor=Actor.of(request.user), now=timezone.now())
        preview.refresh_from_db()
        return Response(QuotaPreviewSerializer(preview).data, status=status.HTTP_202_ACCEPTED)


def _valid(kind: type[serializers.Serializer[Any]], request: Request) -> Any:
    asked = kind(data=request.data)
    asked.is_valid(raise_exception=True)
    return asked.validated_data


def _set(request: Request, changes: Sequence[QuotaChange], reason: str) -> Response:
    done = quotas_set(changes=changes, actor=Actor.of(request.user), reason=reason)
    return Response(QuotasSetSerializer({"changed": done}).data)


def _changes(wanted: dict[str, Any]) -> list[QuotaChange]:
    changes = [_change(one) for one in wanted["quotas"]]
    return quotas_adjusted(changes, superpartition=wanted["keep_sum_of"]) if "keep_sum_of" in wanted else changes


def _change(wanted: dict[str, Any]) -> QuotaChange:
    is_expected = "expected_bytes" in wanted
    expected = wanted.get("expected_bytes")
    return QuotaChange(wanted["partition"], wanted["site"], wanted["size_bytes"], expected, is_expected=is_expected)
