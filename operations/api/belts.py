"""Every belt with its limit and its present reading."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from operations.selectors.belts import BELT_RIGHTS, belts


class BeltSerializer(serializers.Serializer[object]):
    name = serializers.CharField()
    scope = serializers.CharField(help_text="What it is of: everything, a partition, a feed, a site.")
    limit = serializers.CharField()
    reading = serializers.CharField()
    setting = serializers.CharField(help_text="Where the limit comes from.")
    is_tripped = serializers.BooleanField()
    advice = serializers.CharField(help_text="What to do about it; empty while it is not tripped.")
    part = serializers.FloatField(allow_null=True, help_text="How much of the limit is used, 1 = all of it.")


class BeltsView(APIView):
    """The safety limits and what they read now; it takes the rights to look at deletions and at plans."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=BeltSerializer(many=True))
    def get(self, request: Request) -> Response:
        for permission in BELT_RIGHTS:
            if not request.user.has_perm(permission):
                raise PermissionDenied(f"{permission} is needed.")
        return Response(BeltSerializer(belts(now=timezone.now()), many=True).data)
