"""Asking what a text would do: a worker evaluates it, nothing is deleted."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inventory.services.audit import Actor
from policies.api.check import MAX_CHARACTERS
from policies.api.serializers import CycleSerializer
from policies.models import Cycle, PolicyVersion
from policies.services.test_runs import test_run_request, version_test_run_request


class TestRunRequestSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=MAX_CHARACTERS, required=False, trim_whitespace=False)
    version = serializers.IntegerField(
        required=False, help_text="Instead of a text: test-run this saved version, now, as its activation needs it."
    )
    partition = serializers.CharField(required=False, help_text="Partition named beside the text, as a campaign has it.")
    title = serializers.CharField(
        required=False, max_length=200, help_text="What lists call a test run of a text; default: that it came by the API."
    )
    clock = serializers.DateTimeField(required=False, help_text="What the policy's times are relative to; default: now.")
    deletion_per_iteration = serializers.FloatField(required=False, default=0.01, min_value=1e-9, max_value=1)
    with_guardrails = serializers.BooleanField(
        required=False,
        default=False,
        help_text="Put the protecting guardrails on top of the text, as a real cycle does; no test that activation counts.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if ("text" in attrs) == ("version" in attrs):
            raise ValidationError({"text": "Give either a text or a version."})
        given = {"partition", "title", "clock", "deletion_per_iteration"} & set(self.initial_data)
        if "version" in attrs and given:
            raise ValidationError(dict.fromkeys(sorted(given), "A version is test-run now, by what its policy says."))
        return attrs


class MayViewCycles(BasePermission):
    """Whoever may see decisions may ask for some."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return request.user.has_perm("policies.view_cycle")


class TestRunView(APIView):
    """Start a test run; poll the cycle that it answers with for state, progress and, when completed, decisions."""

    permission_classes = (IsAuthenticated, MayViewCycles)

    @extend_schema(request=TestRunRequestSerializer, responses={202: CycleSerializer})
    def post(self, request: Request) -> Response:
        actor = Actor.of(request.user)
        asked = TestRunRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        cycle = self._version(wanted, actor) if "version" in wanted else self._text(wanted, actor)
        cycle.refresh_from_db()
        return Response(CycleSerializer(cycle).data, status=status.HTTP_202_ACCEPTED)

    def _version(self, wanted: dict[str, Any], actor: Actor) -> Cycle:
        version_id = wanted["version"]
        if not PolicyVersion.objects.filter(pk=version_id).exists():
            raise NotFound(f"There is no version {version_id}.")
        return version_test_run_request(
            version_id=version_id, actor=actor, now=timezone.now(), with_guardrails=wanted["with_guardrails"]
        )

    def _text(self, wanted: dict[str, Any], actor: Actor) -> Cycle:
        return test_run_request(
            text=wanted["text"],
            source=wanted.get("title") or f"text by the API, {actor.name}",
            actor=actor,
            now=wanted.get("clock") or timezone.now(),
            partition_name=wanted.get("partition"),
            deletion_per_iteration=wanted["deletion_per_iteration"],
            with_guardrails=wanted["with_guardrails"],
        )
