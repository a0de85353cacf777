"""The safety limits of a partition: which part of a quota, and of the partition, an automatic cycle may delete."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inventory.permissions import may
from inventory.services.audit import Actor
from policies.models import Partition
from policies.permissions import CHANGE_PARTITION, VIEW_PARTITION
from policies.services.partition_limits import partition_limits_set

_OWN = "Its own, 0 to 1 (0.15 is 15 %); null: the general setting."


class PartitionLimitsSerializer(serializers.Serializer[Any]):
    max_site_fraction = serializers.FloatField(allow_null=True, min_value=0, max_value=1, help_text=_OWN)
    max_partition_fraction = serializers.FloatField(allow_null=True, min_value=0, max_value=1, help_text=_OWN)


class PartitionLimitsRequestSerializer(PartitionLimitsSerializer):
    reason = serializers.CharField(max_length=512, required=False, default="", allow_blank=True, help_text="For the audit trail.")


class PartitionLimitsAnswerSerializer(PartitionLimitsSerializer):
    partition = serializers.CharField()
    site_fraction_in_force = serializers.FloatField()
    partition_fraction_in_force = serializers.FloatField()


class PartitionLimitsView(APIView):
    """Safety limits of one partition; changing them takes ``policies.change_partition``, in general or on it."""

    permission_classes = (IsAuthenticated,)
    versioned = "policies.Partition"

    @extend_schema(responses=PartitionLimitsAnswerSerializer)
    def get(self, request: Request, pk: int) -> Response:
        partition = _partition_or_404(pk)
        if not (may(request.user, VIEW_PARTITION, partition) or may(request.user, CHANGE_PARTITION, partition)):
            raise PermissionDenied(f"To read it takes the right {VIEW_PARTITION} or {CHANGE_PARTITION} on {partition}.")
        return _answer(partition)

    @extend_schema(request=PartitionLimitsRequestSerializer, responses=PartitionLimitsAnswerSerializer)
    def put(self, request: Request, pk: int) -> Response:
        asked = PartitionLimitsRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        name = _partition_or_404(pk).name
        return _answer(partition_limits_set(name=name, actor=Actor.of(request.user), **asked.validated_data))


def _partition_or_404(pk: int) -> Partition:
    partition = Partition.objects.filter(pk=pk).first()
    if partition is None:
        raise Http404(f"There is no partition {pk}.")
    return partition


def _answer(partition: Partition) -> Response:
    own = {"max_site_fraction": partition.max_site_fraction, "max_partition_fraction": partition.max_partition_fraction}
    site, whole = own.values()
    body = {
        "partition": partition.name,
        **own,
        "site_fraction_in_force": settings.DYNAMO_MAX_SITE_FRACTION if site is None else site,
        "partition_fraction_in_force": settings.DYNAMO_MAX_PARTITION_FRACTION if whole is None else whole,
    }
    return Response(PartitionLimitsAnswerSerializer(body).data)
