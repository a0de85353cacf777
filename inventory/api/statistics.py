"""Statistics of the inventory through the API."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inventory.choices import StatisticsBasis, StatisticsDimension
from inventory.models import Dataset
from inventory.selectors.statistics import Statistics, StatisticsRow, statistics

_PATTERN = "A name, or a pattern of names."


class StatisticsQuerySerializer(serializers.Serializer[None]):
    """What to sum up."""

    by = serializers.ChoiceField(StatisticsDimension.choices, default=StatisticsDimension.TIER)
    split = serializers.ChoiceField(StatisticsDimension.choices, required=False, help_text="What the parts are of.")
    basis = serializers.ChoiceField(
        StatisticsBasis.choices,
        default=StatisticsBasis.PHYSICAL,
        help_text="physical: what is present; projected: what there will be once incomplete and growing replicas are whole.",
    )
    tier = serializers.CharField(required=False, help_text=_PATTERN)
    status = serializers.CharField(required=False, help_text=_PATTERN)
    site = serializers.CharField(required=False, help_text=_PATTERN)
    group = serializers.CharField(required=False, help_text=f"{_PATTERN} None: nobody.")
    release = serializers.CharField(required=False, help_text=_PATTERN)
    data_type = serializers.CharField(required=False, help_text=_PATTERN)


class StatisticsRowSerializer(serializers.Serializer[StatisticsRow]):
    value = serializers.CharField()
    size_bytes = serializers.IntegerField()
    num_files = serializers.IntegerField()
    num_block_replicas = serializers.IntegerField()
    unique_bytes = serializers.IntegerField(help_text="Bytes of the blocks that have a replica, each once.")
    replication = serializers.FloatField(
        allow_null=True,
        help_text="Average copies of a byte; by site, or of sites: at all sites together, of what lies there. Null of nothing.",
    )
    parts = serializers.ListField(child=serializers.IntegerField(), help_text="Bytes per name of part_names.")


class StatisticsSerializer(serializers.Serializer[Statistics]):
    by = serializers.CharField()
    split = serializers.CharField()
    basis = serializers.CharField()
    counted_at = serializers.DateTimeField(allow_null=True, help_text="The moment that the sums are of; null: not counted yet.")
    part_names = serializers.ListField(child=serializers.CharField())
    rows = StatisticsRowSerializer(many=True)
    total = StatisticsRowSerializer()


class StatisticsView(APIView):
    """Bytes, files, block replicas and average replication, by an attribute of datasets, by site or by group."""

    # The right to look at datasets opens it.
    queryset = Dataset.objects.none()

    @extend_schema(parameters=[StatisticsQuerySerializer], responses=StatisticsSerializer)
    def get(self, request: Request) -> Response:
        query = StatisticsQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        asked = dict(query.validated_data)
        by, basis = StatisticsDimension(asked.pop("by")), StatisticsBasis(asked.pop("basis"))
        split = asked.pop("split", None)
        wanted = {StatisticsDimension(name): pattern for name, pattern in asked.items()}
        found = statistics(by=by, split=StatisticsDimension(split) if split else None, basis=basis, wanted=wanted)
        return Response(StatisticsSerializer(found).data)
