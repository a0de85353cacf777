"""The decisions of a cycle, filtered and page by page."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from policies.selectors.decisions import DECISIONS, DecisionFilter, DecisionRow, DecisionsPage


class DecisionQuerySerializer(serializers.Serializer[Any]):
    site = serializers.CharField(required=False, default="")
    dataset = serializers.CharField(required=False, default="", help_text="Whole name with * and ?, else a part of it.")
    decision = serializers.ChoiceField(DECISIONS, required=False, default="")
    line = serializers.IntegerField(required=False, default=None, help_text="0: the default; negative: a guardrail.")
    page = serializers.IntegerField(required=False, default=1, min_value=1)
    page_size = serializers.IntegerField(required=False, default=100, min_value=1, max_value=1000)

    def wanted(self) -> DecisionFilter:
        """Return the filter that the valid query asks for."""
        asked = self.validated_data
        return DecisionFilter(site=asked["site"], decision=asked["decision"], line=asked["line"], name=asked["dataset"])


class DecisionSerializer(serializers.Serializer[DecisionRow]):
    site = serializers.CharField()
    dataset = serializers.CharField()
    decision = serializers.CharField()
    line = serializers.IntegerField(allow_null=True)
    rule = serializers.CharField(allow_null=True)
    num_blocks = serializers.IntegerField()
    size_bytes = serializers.IntegerField()
    new_owner = serializers.CharField(allow_null=True)
    blocks = serializers.ListField(child=serializers.CharField(), allow_null=True, help_text="null: all of the replica.")


class DecisionsPageSerializer(serializers.Serializer[DecisionsPage]):
    page = serializers.IntegerField(source="number")
    num_pages = serializers.IntegerField()
    total = serializers.IntegerField(help_text="Decisions that fit the filter.")
    size_bytes = serializers.IntegerField(help_text="Their bytes.")
    results = DecisionSerializer(source="rows", many=True)
