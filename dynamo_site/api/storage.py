"""Is there enough storage? The latest readings with their forecast, and what lies in the trash beside them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dynamo_site.stored import StoredRow, stored
from policies.selectors.forecast import Outlook, forecast_text


class StorageQuerySerializer(serializers.Serializer[Any]):
    partition = serializers.CharField(required=False, default="")
    site = serializers.CharField(required=False, default="")


class GrowthSerializer(serializers.Serializer[Any]):
    per_day = serializers.FloatField(help_text="Bytes per day: the Theil-Sen slope of the last 8 weeks.")
    low = serializers.FloatField(help_text="Low end of its 90 % range.")
    high = serializers.FloatField(help_text="High end of its 90 % range.")


class ForecastSerializer(serializers.Serializer[Any]):
    outlook = serializers.ChoiceField(choices=[(word.value, word.value) for word in Outlook])
    days = serializers.FloatField(allow_null=True, help_text="Days from the reading until protected data reach the quota.")
    earliest = serializers.FloatField(allow_null=True)
    latest = serializers.FloatField(allow_null=True, help_text="Null: open.")
    text = serializers.SerializerMethodField()

    def get_text(self, found: Any) -> str:
        return forecast_text(found)


class StorageRowSerializer(serializers.Serializer[StoredRow]):
    partition = serializers.CharField(source="row.partition")
    site = serializers.CharField(source="row.site")
    day = serializers.DateField(source="row.day")
    quota_bytes = serializers.IntegerField(source="row.quota_bytes")
    used_bytes = serializers.IntegerField(source="row.used_bytes")
    trash_bytes = serializers.IntegerField(help_text="Deleted from the partition there, and not purged yet.")
    free_bytes = serializers.IntegerField(
        allow_null=True, help_text="What used and trash leave of the quota; negative: it is over. Null: no limit."
    )
    protected_bytes = serializers.IntegerField(
        source="row.protected_bytes", allow_null=True, help_text="Null: no cycle of the day saw the site."
    )
    kept_bytes = serializers.IntegerField(source="row.kept_bytes", allow_null=True, help_text="Deletable: could go, need not.")
    to_delete_bytes = serializers.IntegerField(source="row.to_delete_bytes", allow_null=True)
    growth = GrowthSerializer(source="row.growth", allow_null=True)
    forecast = ForecastSerializer(source="row.forecast")
    is_warning = serializers.BooleanField(source="row.is_warning")


class StorageListSerializer(serializers.Serializer[Any]):
    results = StorageRowSerializer(many=True)


class MayViewPartitions(BasePermission):
    """Who may see partitions may see how full they are."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.user.has_perm("policies.view_partition")


class StorageView(APIView):
    """The latest reading of each partition and site, the most urgent first."""

    permission_classes = (IsAuthenticated, MayViewPartitions)
    queryset: QuerySet[object] | None = None

    @extend_schema(parameters=[StorageQuerySerializer], responses=StorageListSerializer, operation_id="policies_storage")
    def get(self, request: Request) -> Response:
        asked = StorageQuerySerializer(data=request.query_params)
        asked.is_valid(raise_exception=True)
        return Response(StorageListSerializer({"results": stored(**asked.validated_data).rows}).data)
