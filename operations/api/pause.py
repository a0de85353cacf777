"""The switch that stops every worker."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inventory.services.audit import Actor
from operations.selectors.pausing import pause_state
from operations.services.pausing import pause_all, resume_all


class PauseStateSerializer(serializers.Serializer[object]):
    is_paused = serializers.BooleanField(help_text="No worker of this host calls a storage.")
    is_switched = serializers.BooleanField(help_text="The switch in the database is on.")
    is_file_present = serializers.BooleanField(help_text="The pause file lies on this host.")
    changed_at = serializers.DateTimeField(allow_null=True)
    changed_by = serializers.CharField(allow_blank=True)
    reason = serializers.CharField(allow_blank=True)


class PauseRequestSerializer(serializers.Serializer[object]):
    is_paused = serializers.BooleanField(help_text="True stops all deletions, false lets them go on.")
    reason = serializers.CharField(max_length=512, help_text="Why; it is shown to everybody and kept in the audit trail.")


class PauseView(APIView):
    """Everybody may read it; stopping and letting go on are two rights, which the service asks."""

    permission_classes = (IsAuthenticated,)
    versioned = "operations.PauseSwitch"
    if_match_required = False  # an emergency stop has no time to look first

    @extend_schema(responses=PauseStateSerializer)
    def get(self, request: Request) -> Response:
        return Response(PauseStateSerializer(pause_state()).data)

    @extend_schema(request=PauseRequestSerializer, responses=PauseStateSerializer)
    def put(self, request: Request) -> Response:
        wanted = PauseRequestSerializer(data=request.data)
        wanted.is_valid(raise_exception=True)
        act = pause_all if wanted.validated_data["is_paused"] else resume_all
        state = act(actor=Actor.of(request.user), reason=wanted.validated_data["reason"])
        return Response(PauseStateSerializer(state).data)
