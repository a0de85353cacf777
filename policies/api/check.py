"""Checking a policy text as somebody types it."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from policies.language.diagnostics import Diagnostic
from policies.services.checking import policy_check

#: Real policies reach 630 kB; ten times that is no policy.
MAX_CHARACTERS = 6_000_000


class CheckRequestSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=MAX_CHARACTERS, trim_whitespace=False, allow_blank=True)
    partition = serializers.CharField(required=False, help_text="Partition named beside the text, as a campaign has it.")


class DiagnosticSerializer(serializers.Serializer[Diagnostic]):
    code = serializers.CharField()
    severity = serializers.CharField(source="severity.value", help_text="error, warning or note.")
    message = serializers.CharField()
    help = serializers.CharField(allow_null=True)
    line = serializers.IntegerField(source="span.line", help_text="From 1.")
    column = serializers.IntegerField(source="span.column", help_text="From 1, in characters.")
    end_column = serializers.IntegerField(source="span.end_column", help_text="Exclusive.")


class CheckResultSerializer(serializers.Serializer[Any]):
    is_valid = serializers.BooleanField(help_text="No diagnostic is an error.")
    diagnostics = DiagnosticSerializer(many=True)


class CheckView(APIView):
    """Diagnostics of a policy text; nothing is saved."""

    permission_classes = (IsAuthenticated,)
    token_scopes = {"POST": "read"}
    throttle_scope = "expensive"

    @extend_schema(request=CheckRequestSerializer, responses=CheckResultSerializer)
    def post(self, request: Request) -> Response:
        asked = CheckRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        found = policy_check(text=asked.validated_data["text"], partition_name=asked.validated_data.get("partition"))
        body = {"is_valid": not any(d.is_error for d in found), "diagnostics": found}
        return Response(CheckResultSerializer(body).data)
