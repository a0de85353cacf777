"""Saving what the policy editor holds: versions and expectations. The services ask for the right, on the policy."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inventory.permissions import may
from inventory.services.audit import Actor
from policies.api.check import MAX_CHARACTERS, CheckResultSerializer
from policies.models import Policy, PolicyVersion
from policies.permissions import CHANGE_POLICY, VIEW_POLICY
from policies.services.checking import expectations_check
from policies.services.expectations import policy_expectations_set
from policies.services.policies import policy_version_create
from policies.services.test_runs import test_run_adopt


class VersionRequestSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=MAX_CHARACTERS, trim_whitespace=False)
    comment = serializers.CharField(max_length=512, required=False, default="", allow_blank=True)
    test_run = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        help_text="Cycle that test-ran this very text: it counts as the version's.",
    )


class SavedVersionSerializer(serializers.ModelSerializer[PolicyVersion]):
    is_tested = serializers.SerializerMethodField(help_text="The test run that was named counts for it.")

    class Meta:
        model = PolicyVersion
        fields = ["id", "number", "digest", "comment", "created_at", "created_by", "is_tested"]

    def get_is_tested(self, version: PolicyVersion) -> bool:
        return bool(self.context["is_tested"])


class ExpectationsSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=MAX_CHARACTERS, allow_blank=True, trim_whitespace=False)


class VersionsView(APIView):
    """Save a text as the next version of a policy."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(request=VersionRequestSerializer, responses={201: SavedVersionSerializer})
    def post(self, request: Request, pk: int) -> Response:
        asked = VersionRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        _policy_or_404(pk)
        with transaction.atomic():
            version = policy_version_create(
                policy_id=pk, text=wanted["text"], comment=wanted["comment"], actor=Actor.of(request.user)
            )
            is_tested = wanted["test_run"] is not None and test_run_adopt(cycle_id=wanted["test_run"], version=version)
        saved = SavedVersionSerializer(version, context={"is_tested": is_tested})
        return Response(saved.data, status=status.HTTP_201_CREATED)


class ExpectationsView(APIView):
    """What a policy must decide, kept beside it."""

    permission_classes = (IsAuthenticated,)
    versioned = "policies.Policy"

    @extend_schema(responses=ExpectationsSerializer)
    def get(self, request: Request, pk: int) -> Response:
        policy = _policy_or_404(pk)
        if not (may(request.user, VIEW_POLICY, policy) or may(request.user, CHANGE_POLICY, policy)):
            raise PermissionDenied(f"To read it takes the right {VIEW_POLICY} or {CHANGE_POLICY} on {policy}.")
        return Response({"text": policy.expectations})

    @extend_schema(request=ExpectationsSerializer, responses=ExpectationsSerializer)
    def put(self, request: Request, pk: int) -> Response:
        asked = ExpectationsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        _policy_or_404(pk)
        saved = policy_expectations_set(policy_id=pk, text=asked.validated_data["text"], actor=Actor.of(request.user))
        return Response({"text": saved.expectations})


class ExpectationsCheckView(APIView):
    """Diagnostics of expectations; nothing is saved."""

    permission_classes = (IsAuthenticated,)
    token_scopes = {"POST": "read"}
    throttle_scope = "expensive"

    @extend_schema(request=ExpectationsSerializer, responses=CheckResultSerializer)
    def post(self, request: Request) -> Response:
        asked = ExpectationsSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        found = expectations_check(text=asked.validated_data["text"])
        body = {"is_valid": not any(d.is_error for d in found), "diagnostics": found}
        return Response(CheckResultSerializer(body).data)


def _policy_or_404(pk: int) -> Policy:
    policy = Policy.objects.filter(pk=pk).first()
    if policy is None:
        raise Http404(f"There is no policy {pk}.")
    return policy
