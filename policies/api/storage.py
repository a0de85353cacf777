"""Is there enough storage? Latest readings with their forecast, and the readings of past days."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import Http404
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from policies.api.queries import strict_query
from policies.models import Partition
from policies.selectors.forecast import Outlook, forecast_text
from policies.selectors.storage import DayReading, StorageRow, storage_days, storage_rows


class StorageQuerySerializer(serializers.Serializer[Any]):
    partition = serializers.CharField(required=False, default="")
    site = serializers.CharField(required=False, default="")


class ReadingsQuerySerializer(serializers.Serializer[Any]):
    partition = serializers.CharField()
    site = serializers.CharField(required=False, default="", help_text="Without one: the sums over all sites.")
    days = serializers.IntegerField(required=False, default=90, min_value=1, max_value=3650)


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


class StorageRowSerializer(serializers.Serializer[StorageRow]):
    partition = serializers.CharField()
    site = serializers.CharField()
    day = serializers.DateField()
    quota_bytes = serializers.IntegerField()
    used_bytes = serializers.IntegerField()
    free_bytes = serializers.IntegerField(allow_null=True, help_text="Null: no limit.")
    protected_bytes = serializers.IntegerField(allow_null=True, help_text="Null: no cycle of the day saw the site.")
    kept_bytes = serializers.IntegerField(allow_null=True, help_text="Deletable: could go, need not.")
    to_delete_bytes = serializers.IntegerField(allow_null=True)
    growth = GrowthSerializer(allow_null=True)
    forecast = ForecastSerializer()
    is_warning = serializers.BooleanField()


class StorageListSerializer(serializers.Serializer[Any]):
    results = StorageRowSerializer(many=True)


class DayReadingSerializer(serializers.Serializer[DayReading]):
    day = serializers.DateField()
    quota_bytes = serializers.IntegerField()
    used_bytes = serializers.IntegerField()
    protected_bytes = serializers.IntegerField(allow_null=True)


class ReadingsSerializer(serializers.Serializer[Any]):
    results = DayReadingSerializer(many=True)


class MayViewPartitions(BasePermission):
    """Who may see partitions may see how full they are."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.user.has_perm("policies.view_partition")


class StorageView(APIView):
    """The latest reading of each partition and site, the most urgent first."""

    permission_classes = (IsAuthenticated, MayViewPartitions)

    @extend_schema(parameters=[StorageQuerySerializer], responses=StorageListSerializer, operation_id="policies_storage")
    def get(self, request: Request) -> Response:
        asked = strict_query(StorageQuerySerializer, request).validated_data
        return Response(StorageListSerializer({"results": storage_rows(**asked)}).data)


class StorageReadingsView(APIView):
    """The daily readings of a partition, at one site or summed over all."""

    permission_classes = (IsAuthenticated, MayViewPartitions)

    @extend_schema(parameters=[ReadingsQuerySerializer], responses=ReadingsSerializer, operation_id="policies_storage_readings")
    def get(self, request: Request) -> Response:
        asked = strict_query(ReadingsQuerySerializer, request).validated_data
        partition = Partition.objects.filter(name=asked["partition"]).first()
        if partition is None:
            raise Http404(f"There is no partition {asked['partition']}.")
        since = timezone.now() - timedelta(days=asked["days"])
        return Response(
            ReadingsSerializer({"results": storage_days(partition_id=partition.pk, site=asked["site"], since=since)}).data
        )
