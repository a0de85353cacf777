"""Reading policies, cycles with their decisions, and plans."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ReadOnlyModelViewSet

from inventory.rights_api import RightsMixin
from policies import filtersets, models
from policies.api import serializers
from policies.api.decisions import DecisionQuerySerializer, DecisionsPageSerializer
from policies.api.explaining import CycleExplanationSerializer
from policies.api.queries import ReplicaQuerySerializer, strict_query
from policies.selectors.decisions import decisions_page
from policies.services.explaining import replica_explain


class PartitionViewSet(RightsMixin, ReadOnlyModelViewSet[models.Partition]):
    """Partitions and their safety limits (fractions; null: the general setting)."""

    queryset = models.Partition.objects.prefetch_related("parts")
    serializer_class = serializers.PartitionSerializer
    filterset_class = filtersets.PartitionFilterSet


class GuardrailViewSet(ReadOnlyModelViewSet[models.Guardrail]):
    """Conditions that no plan may violate."""

    queryset = models.Guardrail.objects.select_related("partition")
    serializer_class = serializers.GuardrailSerializer
    filterset_class = filtersets.GuardrailFilterSet


class PolicyViewSet(RightsMixin, ReadOnlyModelViewSet[models.Policy]):
    """Policies."""

    queryset = models.Policy.objects.select_related("partition", "active_version")
    serializer_class = serializers.PolicySerializer
    filterset_class = filtersets.PolicyFilterSet


class PolicyVersionViewSet(ReadOnlyModelViewSet[models.PolicyVersion]):
    """Immutable texts of policies."""

    queryset = models.PolicyVersion.objects.select_related("policy")
    serializer_class = serializers.PolicyVersionSerializer
    filterset_class = filtersets.PolicyVersionFilterSet


class CycleViewSet(ReadOnlyModelViewSet[models.Cycle]):
    """Cycles; one alone also has its sites, its rules and the text that was evaluated."""

    queryset = models.Cycle.objects.select_related("partition")
    filterset_class = filtersets.CycleFilterSet

    def get_serializer_class(self) -> type[BaseSerializer[models.Cycle]]:
        if self.action == "retrieve":
            return serializers.CycleDetailSerializer
        return serializers.CycleSerializer

    @extend_schema(
        parameters=[DecisionQuerySerializer],
        responses=DecisionsPageSerializer,
        filters=False,
        operation_id="policies_cycles_decisions",
    )
    @action(detail=True, filterset_class=None, pagination_class=None, filter_backends=[])
    def decisions(self, request: Request, pk: str) -> Response:
        """Decisions of the cycle with the rule that made each."""
        cycle = self.get_object()
        query = strict_query(DecisionQuerySerializer, request)
        if not cycle.decisions_file:
            raise NotFound(f"Cycle {cycle.pk} has recorded no decisions: it is {cycle.get_state_display()}.")
        asked = query.validated_data
        page = decisions_page(cycle.decisions_file, query.wanted(), page=asked["page"], per_page=asked["page_size"])
        return Response(DecisionsPageSerializer(page).data)

    @extend_schema(parameters=[ReplicaQuerySerializer], responses=CycleExplanationSerializer, filters=False)
    @action(detail=True, filterset_class=None, pagination_class=None, filter_backends=[])
    def explain(self, request: Request, pk: str) -> Response:
        """Why a replica stays or goes, by text and clock of the cycle."""
        cycle = self.get_object()
        asked = strict_query(ReplicaQuerySerializer, request).validated_data
        found = replica_explain(cycle_id=cycle.pk, dataset=asked["dataset"], site=asked["site"])
        return Response(CycleExplanationSerializer(found).data)


class PlanViewSet(ReadOnlyModelViewSet[models.Plan]):
    """Frozen plans and what became of them."""

    queryset = models.Plan.objects.select_related("partition")
    serializer_class = serializers.PlanSerializer
    filterset_class = filtersets.PlanFilterSet


class PlanItemViewSet(ReadOnlyModelViewSet[models.PlanItem]):
    """Block replicas that plans delete or hand over, in the order of the plan when filtered by one."""

    queryset = models.PlanItem.objects.all()
    serializer_class = serializers.PlanItemSerializer
    filterset_class = filtersets.PlanItemFilterSet
