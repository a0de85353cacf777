"""Comparing texts and cycles: ask for it, look how far it is, read what changes."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.permissions import BasePermission, IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.viewsets import ReadOnlyModelViewSet

from inventory.services.audit import Actor
from policies.api.check import MAX_CHARACTERS
from policies.api.queries import strict_query
from policies.api.test_runs import MayViewCycles
from policies.filtersets import ComparisonFilterSet
from policies.models import Comparison, Policy
from policies.selectors.comparisons import ChangedReplica, ChangesPage, changes_page
from policies.services.comparisons import comparison_request, comparison_with_active, cycles_comparison_request

#: The largest key that the database holds.
MAX_KEY = 2**63 - 1


class ComparisonRequestSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=MAX_CHARACTERS, required=False, trim_whitespace=False, help_text="The new text.")
    policy = serializers.IntegerField(
        required=False, help_text="Compare with its active version, by its partition, step limit and expectations."
    )
    old_text = serializers.CharField(
        max_length=MAX_CHARACTERS, required=False, trim_whitespace=False, help_text="Compare with this text instead."
    )
    expectations = serializers.CharField(
        max_length=MAX_CHARACTERS, required=False, allow_blank=True, trim_whitespace=False, help_text="Instead of the policy's."
    )
    partition = serializers.CharField(required=False, help_text="Partition named beside the texts; not with 'policy'.")
    clock = serializers.DateTimeField(required=False, help_text="What the policies' times are relative to; default: now.")
    deletion_per_iteration = serializers.FloatField(required=False, min_value=1e-9, max_value=1, help_text="Not with 'policy'.")

    with_guardrails = serializers.BooleanField(
        required=False, default=False, help_text="Put the protecting guardrails on top of both texts, as a real cycle does."
    )
    old_cycle = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_KEY,
        help_text="With 'new_cycle' and nothing else: compare what two cycles of a partition decided.",
    )
    new_cycle = serializers.IntegerField(required=False, min_value=1, max_value=MAX_KEY)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        named = {"old_cycle", "new_cycle"} & set(attrs)
        if named:
            return self._of_cycles(attrs, named)
        if "text" not in attrs:
            raise ValidationError({"text": "Give the new text, or 'old_cycle' and 'new_cycle'."})
        if ("policy" in attrs) == ("old_text" in attrs):
            raise ValidationError({"policy": "Name either a policy or an old text."})
        if "policy" in attrs and (own := {"partition", "deletion_per_iteration"} & set(attrs)):
            raise ValidationError(dict.fromkeys(sorted(own), "The policy has its own."))
        return attrs

    def _of_cycles(self, attrs: dict[str, Any], named: set[str]) -> dict[str, Any]:
        missing = {"old_cycle", "new_cycle"} - named
        if missing:
            raise ValidationError(dict.fromkeys(missing, "Two cycles are compared: name both."))
        if others := set(self.initial_data) - named:
            raise ValidationError(
                dict.fromkeys(sorted(others), "Cycles are compared by what they decided; this has no place there.")
            )
        return attrs


class ComparisonSerializer(serializers.ModelSerializer[Comparison]):
    partition = serializers.CharField(source="partition.name", read_only=True)

    class Meta:
        model = Comparison
        fields = [
            "id",
            "state",
            "stage",
            "error",
            "partition",
            "old_version",
            "old_cycle",
            "new_cycle",
            "with_guardrails",
            "old_source",
            "new_source",
            "clock",
            "started_by",
            "started_at",
            "finished_at",
        ]


class ComparisonDetailSerializer(ComparisonSerializer):
    summary = serializers.DictField(
        read_only=True,
        help_text="goes: what would be deleted and was not, stays: the reverse, gone: what the newer of two cycles did not find, "
        "others; bytes by site, tier and pair of rules.",
    )
    results = serializers.ListField(
        child=serializers.DictField(), read_only=True, help_text="Expectations: is_met, num_failures, failure with an example."
    )

    class Meta(ComparisonSerializer.Meta):
        fields = [*ComparisonSerializer.Meta.fields, "expectations", "summary", "results"]


class ChangesQuerySerializer(serializers.Serializer[Any]):
    site = serializers.CharField(required=False, default="")
    dataset = serializers.CharField(required=False, default="", help_text="A part of the name.")
    old = serializers.CharField(required=False, default="", help_text="Decision by the old text; outside: it does not see it.")
    new = serializers.CharField(required=False, default="", help_text="Decision by the new text.")
    page = serializers.IntegerField(required=False, default=1, min_value=1)
    page_size = serializers.IntegerField(required=False, default=100, min_value=1, max_value=1000)


class ChangedReplicaSerializer(serializers.Serializer[ChangedReplica]):
    site = serializers.CharField()
    dataset = serializers.CharField()
    old = serializers.CharField()
    new = serializers.CharField()
    old_line = serializers.IntegerField(allow_null=True)
    new_line = serializers.IntegerField(allow_null=True)
    num_blocks = serializers.IntegerField()
    size_bytes = serializers.IntegerField()


class ChangesPageSerializer(serializers.Serializer[ChangesPage]):
    page = serializers.IntegerField(source="number")
    num_pages = serializers.IntegerField()
    total = serializers.IntegerField()
    results = ChangedReplicaSerializer(source="rows", many=True)


class ComparisonViewSet(ReadOnlyModelViewSet[Comparison]):
    """Comparisons of two texts on one snapshot, or of two cycles; start one by POST and poll it."""

    queryset = Comparison.objects.select_related("partition")
    filterset_class = ComparisonFilterSet

    def get_permissions(self) -> list[BasePermission]:
        """Whoever may see decisions may ask for some; reading needs the model's own right."""
        if self.action == "create":
            return [IsAuthenticated(), MayViewCycles()]
        return super().get_permissions()

    def get_serializer_class(self) -> type[BaseSerializer[Comparison]]:
        return ComparisonSerializer if self.action == "list" else ComparisonDetailSerializer

    @extend_schema(request=ComparisonRequestSerializer, responses={202: ComparisonDetailSerializer})
    def create(self, request: Request) -> Response:
        """Start a comparison; nothing is deleted by it."""
        asked = ComparisonRequestSerializer(data=request.data)
        asked.is_valid(raise_exception=True)
        comparison = self._requested(asked.validated_data, Actor.of(request.user))
        comparison.refresh_from_db()
        return Response(ComparisonDetailSerializer(comparison).data, status=status.HTTP_202_ACCEPTED)

    def _requested(self, wanted: dict[str, Any], actor: Actor) -> Comparison:
        now = wanted.get("clock") or timezone.now()
        if "new_cycle" in wanted:
            return cycles_comparison_request(old_cycle_id=wanted["old_cycle"], new_cycle_id=wanted["new_cycle"], actor=actor)
        if "policy" in wanted:
            if not Policy.objects.filter(pk=wanted["policy"]).exists():
                raise NotFound(f"There is no policy {wanted['policy']}.")
            return comparison_with_active(
                policy_id=wanted["policy"],
                text=wanted["text"],
                actor=actor,
                now=now,
                expectations=wanted.get("expectations"),
                with_guardrails=wanted["with_guardrails"],
            )
        return comparison_request(
            new_text=wanted["text"],
            old_text=wanted["old_text"],
            actor=actor,
            now=now,
            expectations=wanted.get("expectations", ""),
            partition_name=wanted.get("partition"),
            deletion_per_iteration=wanted.get("deletion_per_iteration", 0.01),
            with_guardrails=wanted["with_guardrails"],
        )

    @extend_schema(
        parameters=[ChangesQuerySerializer],
        responses=ChangesPageSerializer,
        filters=False,
        operation_id="policies_comparisons_changes",
    )
    @action(detail=True, filterset_class=None, pagination_class=None, filter_backends=[])
    def changes(self, request: Request, pk: str) -> Response:
        """Replicas whose decision changes, those with the most bytes first."""
        comparison = self.get_object()
        asked = strict_query(ChangesQuerySerializer, request).validated_data
        if not comparison.changes_file:
            raise NotFound(f"Comparison {comparison.pk} has recorded no changes: it is {comparison.get_state_display()}.")
        filters = {name: asked[name] for name in ("site", "dataset", "old", "new", "page")}
        page = changes_page(comparison.changes_file, per_page=asked["page_size"], **filters)
        return Response(ChangesPageSerializer(page).data)
