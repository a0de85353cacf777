from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.views import APIView

ADDRESSES = {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}}


class ApiRoot(APIView):
    """Where everything is."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(
        operation_id="root", responses={200: {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}}}
    )
    def get(self, request: Request) -> Response:
        names = {
            "inventory": "api:inventory-api:api-root",
            "policies": "api:policies-api:api-root",
            "campaigns": "api:campaigns-api:api-root",
            "operations": "api:operations-api:api-root",
            "tokens": "api:v1:apitoken-list",
            "schema": "api:schema",
            "docs": "api:docs",
        }
        return Response({name: reverse(view, request=request) for name, view in names.items()})
