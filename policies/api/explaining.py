"""How the API says why: rules with the values that they saw, then what the planner did."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from policies.evaluation.explain import RuleTrace
from policies.evaluation.seen_values import SeenValue
from policies.planning.explain import BlockDecision, Evaluation, ReplicaExplanation


class SeenValueSerializer(serializers.Serializer[SeenValue]):
    predicate = serializers.CharField()
    variable = serializers.CharField()
    value = serializers.CharField(help_text="In words.")
    truth = serializers.SerializerMethodField(help_text="true, false or unknown.")
    unloaded_fact = serializers.CharField(allow_null=True, help_text="Feed that was missing or stale.")

    def get_truth(self, seen: SeenValue) -> str:
        return seen.truth.name.lower()


class RuleTraceSerializer(serializers.Serializer[RuleTrace]):
    line = serializers.IntegerField(source="rule.decision_line", help_text="0: the default; negative: a guardrail.")
    text = serializers.CharField(source="rule.text")
    outcome = serializers.CharField(source="outcome.value", help_text="true, false, unknown, not reached or off.")
    is_met = serializers.BooleanField()
    ends_pass = serializers.BooleanField(help_text="This rule decided what was left.")
    values = SeenValueSerializer(many=True)
    blocks = serializers.ListField(child=serializers.CharField())


class EvaluationSerializer(serializers.Serializer[Evaluation]):
    num_deletions = serializers.IntegerField(help_text="Deletions of the dataset that the plan had before.")
    blocks = serializers.ListField(child=serializers.CharField(), help_text="Blocks whose final decision it made.")
    rules = RuleTraceSerializer(source="stack.rules", many=True)


class BlockDecisionSerializer(serializers.Serializer[BlockDecision]):
    block = serializers.CharField()
    size_bytes = serializers.IntegerField()
    decision = serializers.CharField()
    line = serializers.IntegerField(allow_null=True)
    new_owner = serializers.CharField(allow_null=True)


class ExplanationSerializer(serializers.Serializer[ReplicaExplanation]):
    dataset = serializers.CharField()
    site = serializers.CharField()
    planner = serializers.ListField(child=serializers.CharField(), help_text="What the planner did and why, in sentences.")
    evaluations = EvaluationSerializer(many=True)
    blocks = BlockDecisionSerializer(many=True)


class CycleExplanationSerializer(serializers.Serializer[Any]):
    read_at = serializers.DateTimeField(allow_null=True, help_text="When the cycle read the inventory.")
    problem = serializers.CharField(allow_blank=True, help_text="Why there is no explanation.")
    explanation = ExplanationSerializer(allow_null=True)
