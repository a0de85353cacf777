"""Who must sign campaigns of which partition, and who speaks for which group."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from campaigns.models import GroupRepresentative, QuorumRule
from campaigns.selectors.quorum import quorum_groups
from campaigns.services.quorum_rules import quorum_set, representative_set
from inventory.services.audit import Actor


class QuorumRuleSerializer(serializers.Serializer[Any]):
    partition = serializers.CharField(max_length=64)
    min_signatures = serializers.IntegerField(min_value=1, max_value=100, help_text="In all.")
    groups = serializers.DictField(
        child=serializers.IntegerField(min_value=1, max_value=100), help_text="Group of accounts -> how many of it."
    )


class RepresentativeSerializer(serializers.Serializer[Any]):
    group = serializers.CharField(max_length=64, help_text="Group that owns data.")
    login = serializers.CharField(max_length=150)


class RepresentativeRequestSerializer(RepresentativeSerializer):
    speaks = serializers.BooleanField(help_text="False takes it back.")


class ChangedSerializer(serializers.Serializer[Any]):
    is_changed = serializers.BooleanField()


class QuorumRulesView(APIView):
    """Quorum rules; anybody may read them, setting one is a right."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=QuorumRuleSerializer(many=True))
    def get(self, request: Request) -> Response:
        rules = QuorumRule.objects.select_related("partition").order_by("partition__name")
        rows = [
            {
                "partition": rule.partition.name,
                "min_signatures": rule.min_signatures,
                "groups": quorum_groups(rule.partition_id),
            }
            for rule in rules
        ]
        return Response(QuorumRuleSerializer(rows, many=True).data)

    @extend_schema(request=QuorumRuleSerializer, responses=QuorumRuleSerializer)
    def post(self, request: Request) -> Response:
        asked = QuorumRuleSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        quorum_set(
            partition_name=wanted["partition"],
            min_signatures=wanted["min_signatures"],
            groups=wanted["groups"],
            actor=Actor.of(request.user),
        )
        return Response(QuorumRuleSerializer(wanted).data)


class RepresentativesView(APIView):
    """Who speaks for which group: is told of campaigns, and decides exceptions that are asked for it."""

    permission_classes = (IsAuthenticated,)

    @extend_schema(responses=RepresentativeSerializer(many=True))
    def get(self, request: Request) -> Response:
        rows = GroupRepresentative.objects.order_by("group__name", "user__username").values_list("group__name", "user__username")
        return Response([{"group": group, "login": login} for group, login in rows])

    @extend_schema(request=RepresentativeRequestSerializer, responses=ChangedSerializer)
    def post(self, request: Request) -> Response:
        asked = RepresentativeRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        wanted = asked.validated_data
        changed = representative_set(
            group_name=wanted["group"], login=wanted["login"], speaks=wanted["speaks"], actor=Actor.of(request.user)
        )
        return Response({"is_changed": changed})
