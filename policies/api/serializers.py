"""What the API says of policies, cycles and plans. Related objects appear by their names."""

from __future__ import annotations

from rest_framework import serializers

from policies.models import Cycle, CycleRule, CycleSite, Guardrail, Partition, Plan, PlanItem, Policy, PolicyVersion


class PartitionSerializer(serializers.ModelSerializer[Partition]):
    parts = serializers.SlugRelatedField("name", many=True, read_only=True)

    class Meta:
        model = Partition
        fields = ["id", "name", "condition", "parts", "max_site_fraction", "max_partition_fraction"]


class GuardrailSerializer(serializers.ModelSerializer[Guardrail]):
    partition = serializers.CharField(source="partition.name", read_only=True, allow_null=True, default=None)

    class Meta:
        model = Guardrail
        fields = ["id", "name", "condition", "partition", "is_protecting", "is_enabled", "comment"]


class PolicySerializer(serializers.ModelSerializer[Policy]):
    partition = serializers.CharField(source="partition.name", read_only=True)
    active_version = serializers.IntegerField(
        source="active_version.number", read_only=True, allow_null=True, default=None, help_text="Number of the active version."
    )

    class Meta:
        model = Policy
        fields = ["id", "name", "partition", "active_version", "is_enabled", "period", "deletion_per_iteration"]


class PolicyVersionSerializer(serializers.ModelSerializer[PolicyVersion]):
    policy = serializers.CharField(source="policy.name", read_only=True)

    class Meta:
        model = PolicyVersion
        fields = [
            "id",
            "policy",
            "number",
            "text",
            "digest",
            "comment",
            "created_at",
            "created_by",
            "activated_at",
            "activated_by",
        ]


class CycleSerializer(serializers.ModelSerializer[Cycle]):
    partition = serializers.CharField(source="partition.name", read_only=True)

    class Meta:
        model = Cycle
        fields = [
            "id",
            "kind",
            "state",
            "partition",
            "source",
            "policy_version",
            "started_by",
            "with_guardrails",
            "clock",
            "started_at",
            "finished_at",
            "snapshot_at",
            "progress",
            "stage",
            "error",
            "plan_digest",
            "num_block_replicas",
            "protected_bytes",
            "kept_bytes",
            "deleted_bytes",
            "ignored_bytes",
            "num_deleted_replicas",
            "num_passes",
            "num_steps",
            "unknown_facts",
        ]


class CycleSiteSerializer(serializers.ModelSerializer[CycleSite]):
    class Meta:
        model = CycleSite
        fields = [
            "site_name",
            "quota_bytes",
            "bytes_before",
            "bytes_after",
            "protected_bytes",
            "kept_bytes",
            "deleted_bytes",
            "ignored_bytes",
            "is_triggered",
            "is_released",
        ]


class CycleRuleSerializer(serializers.ModelSerializer[CycleRule]):
    class Meta:
        model = CycleRule
        fields = ["line", "text", "num_replicas", "num_block_replicas", "size_bytes"]


class CycleDetailSerializer(CycleSerializer):
    sites = CycleSiteSerializer(many=True, read_only=True)
    rules = CycleRuleSerializer(many=True, read_only=True)
    text = serializers.CharField(read_only=True, help_text="The text that was evaluated.")

    class Meta(CycleSerializer.Meta):
        fields = [*CycleSerializer.Meta.fields, "text", "sites", "rules"]


class PlanSerializer(serializers.ModelSerializer[Plan]):
    partition = serializers.CharField(source="partition.name", read_only=True, allow_null=True, default=None)

    class Meta:
        model = Plan
        fields = [
            "id",
            "kind",
            "title",
            "cycle",
            "partition",
            "state",
            "digest",
            "frozen_at",
            "num_items",
            "size_bytes",
            "tripped",
            "decided_at",
            "decided_by",
            "decided_reason",
        ]


class PlanItemSerializer(serializers.ModelSerializer[PlanItem]):
    class Meta:
        model = PlanItem
        fields = [
            "id",
            "plan",
            "sequence",
            "action",
            "site_name",
            "dataset_name",
            "block_name",
            "size_bytes",
            "num_files",
            "line",
            "rule_text",
            "new_owner",
            "may_be_last_copy",
        ]
