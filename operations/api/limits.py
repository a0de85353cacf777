"""The limits of single sites: how many batches, files a second, bytes a day, days in the trash."""

from __future__ import annotations

from typing import Any

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inventory.permissions import may
from inventory.selectors.sites import site_name_of
from inventory.services.audit import Actor
from operations.selectors.pace import LimitsOfSite, limits_of_sites
from operations.services.pace import site_limits_set

_OWN = "Its own; null: as the settings say; 0: no limit."


class PaceSerializer(serializers.Serializer[Any]):
    batches = serializers.IntegerField()
    files_per_second = serializers.FloatField(help_text="0: no limit.")
    bytes_per_day = serializers.IntegerField(help_text="0: no limit.")


class OwnLimitsSerializer(serializers.Serializer[Any]):
    batches = serializers.IntegerField(
        allow_null=True, min_value=1, max_value=1000, help_text="At a time; null: as the settings say."
    )
    files_per_second = serializers.FloatField(allow_null=True, min_value=0, max_value=1e9, help_text=_OWN)
    bytes_per_day = serializers.IntegerField(allow_null=True, min_value=0, max_value=2**63 - 1, help_text=_OWN)
    trash_days = serializers.FloatField(
        allow_null=True, min_value=0, max_value=93, help_text="Its own, 1 to 93, at a tape site from 30 on; 0: no trash."
    )


class SiteLimitsSerializer(OwnLimitsSerializer):
    id = serializers.IntegerField(source="key", help_text="Key of the site.")
    site = serializers.CharField()
    in_force = PaceSerializer(help_text="What holds at the site.")
    trash_days_in_force = serializers.FloatField(help_text="0: nothing is put aside.")


class SiteLimitsRequestSerializer(OwnLimitsSerializer):
    reason = serializers.CharField(max_length=512, required=False, default="", allow_blank=True, help_text="For the audit trail.")


class SiteLimitsListSerializer(serializers.Serializer[Any]):
    results = SiteLimitsSerializer(many=True)


class MayViewLimits(BasePermission):
    """Reading takes the view right; what is changed is asked of the service."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.method not in ("GET", "HEAD", "OPTIONS") or may(request.user, "operations.view_sitelimits")


class SiteLimitsListView(APIView):
    """The limits of every site, by name."""

    permission_classes = (IsAuthenticated, MayViewLimits)

    @extend_schema(responses=SiteLimitsListSerializer, operation_id="operations_site_limits")
    def get(self, request: Request) -> Response:
        return Response(SiteLimitsListSerializer({"results": limits_of_sites()}).data)


class SiteLimitsView(APIView):
    """The limits of one site, by the key of the site."""

    permission_classes = (IsAuthenticated, MayViewLimits)
    versioned = "inventory.Site"

    @extend_schema(responses=SiteLimitsSerializer, operation_id="operations_site_limits_of")
    def get(self, request: Request, pk: int) -> Response:
        return Response(SiteLimitsSerializer(_limits_or_404(pk)).data)

    @extend_schema(request=SiteLimitsRequestSerializer, responses=SiteLimitsSerializer, operation_id="operations_site_limits_set")
    def put(self, request: Request, pk: int) -> Response:
        """Set all of them; it takes the right ``operations.change_sitelimits``."""
        asked = SiteLimitsRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        name = _limits_or_404(pk).site
        site_limits_set(site_name=name, actor=Actor.of(request.user), **asked.validated_data)
        return Response(SiteLimitsSerializer(_limits_or_404(pk)).data)


def _limits_or_404(key: int) -> LimitsOfSite:
    name = site_name_of(key)
    found = limits_of_sites([name]) if name is not None else []
    if not found:
        raise Http404(f"There is no site {key}.")
    return found[0]
