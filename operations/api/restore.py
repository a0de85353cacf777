"""Asking back what was deleted."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inventory.services.audit import Actor
from operations.services.restoring import RestoreWanted, restore_request


class RestoreRequestSerializer(serializers.Serializer[Any]):
    plan = serializers.IntegerField(required=False, min_value=1, help_text="All that this plan deleted.")
    site = serializers.CharField(required=False, max_length=64, help_text="What was deleted at this site.")
    dataset = serializers.CharField(required=False, max_length=512, help_text="What was deleted of this dataset.")
    block = serializers.CharField(
        required=False, max_length=128, help_text="What was deleted of this block, without its dataset."
    )
    file = serializers.CharField(required=False, max_length=1024, help_text="This file, by its logical name.")
    reason = serializers.CharField(max_length=512, help_text="Why; it is kept in the audit trail.")


class RefusedSerializer(serializers.Serializer[Any]):
    what = serializers.CharField()
    why = serializers.CharField()


class RestoreAskedSerializer(serializers.Serializer[Any]):
    trash = serializers.ListField(
        child=serializers.IntegerField(), help_text="What will come back; poll these in the list of trash."
    )
    refused = RefusedSerializer(many=True, help_text="What cannot come back, and why.")


class RestoreView(APIView):
    """All that is given must fit. Workers do it within seconds; each file is checked; asking twice does no harm."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=RestoreRequestSerializer, responses={202: RestoreAskedSerializer})
    def post(self, request: Request) -> Response:
        given = RestoreRequestSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        wanted = RestoreWanted(
            plan_id=data.get("plan"),
            site_name=data.get("site", ""),
            dataset_name=data.get("dataset", ""),
            block_name=data.get("block", ""),
            lfn=data.get("file", ""),
        )
        asked = restore_request(wanted=wanted, actor=Actor.of(request.user), reason=data["reason"], now=timezone.now())
        refused = [{"what": what, "why": why} for what, why in asked.left_out]
        return Response(RestoreAskedSerializer({"trash": asked.trash_ids, "refused": refused}).data, status=202)
