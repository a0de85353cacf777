"""The readings of storage of past days; the latest ones, with what lies in the trash beside them, are composed by the site."""

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
from policies.selectors.storage import DayReading, storage_days


class ReadingsQuerySerializer(serializers.Serializer[Any]):
    partition = serializers.CharField()
    site = serializers.CharField(required=False, default="", help_text="Without one: the sums over all sites.")
    days = serializers.IntegerField(required=False, default=90, min_value=1, max_value=3650)


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
