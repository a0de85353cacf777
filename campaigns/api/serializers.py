"""What the API takes and gives of campaigns. Sizes are bytes, times are UTC."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from campaigns.choices import Verdict
from campaigns.constants import MAX_PATTERNS
from campaigns.models import Campaign, CampaignEvent, CampaignReport, Comment, ExceptionRequest, Notice, Revision, Study

#: As long as any policy text may be.
MAX_CHARACTERS = 6_000_000


class EditsSerializer(serializers.Serializer[Any]):
    title = serializers.CharField(max_length=200, required=False)
    purpose = serializers.CharField(required=False)
    text = serializers.CharField(max_length=MAX_CHARACTERS, trim_whitespace=False, required=False, help_text="Policy text.")
    site_patterns = serializers.CharField(max_length=1024, required=False, help_text="Sites that it may touch; blanks between.")
    exceptions_close_at = serializers.DateTimeField(required=False)
    earliest_start_at = serializers.DateTimeField(required=False)
    expires_at = serializers.DateTimeField(required=False)
    notice_reason = serializers.CharField(max_length=512, required=False, help_text="Why less than the usual notice is given.")
    starts_by_itself = serializers.BooleanField(required=False)
    site_bytes_per_day = serializers.IntegerField(min_value=1, required=False, help_text="Portion per site and day; bytes.")


class CreateSerializer(EditsSerializer):
    title = serializers.CharField(max_length=200)
    purpose = serializers.CharField()
    text = serializers.CharField(max_length=MAX_CHARACTERS, trim_whitespace=False, help_text="Policy text.")
    partition = serializers.CharField(help_text="Name of the partition.")
    coordinator = serializers.CharField(required=False, default="", help_text="Login; default: who creates it.")


class ReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(help_text="Why; shown to everybody and kept.")


class OptionalReasonSerializer(serializers.Serializer[Any]):
    reason = serializers.CharField(required=False, default="", allow_blank=True)


class ReviseSerializer(ReasonSerializer):
    text = serializers.CharField(max_length=MAX_CHARACTERS, required=False, trim_whitespace=False, help_text="The new text.")


class NothingSerializer(serializers.Serializer[Any]):
    """A body without fields."""


class SignSerializer(serializers.Serializer[Any]):
    verdict = serializers.ChoiceField(choices=Verdict.choices)
    digest = serializers.CharField(max_length=64, help_text="Of the list that you saw.")
    comment = serializers.CharField(required=False, default="", allow_blank=True, help_text="Required to reject.")


class CommentRequestSerializer(serializers.Serializer[Any]):
    text = serializers.CharField()


class DatasetPatternsSerializer(serializers.Serializer[Any]):
    patterns = serializers.ListField(
        child=serializers.CharField(max_length=512), max_length=MAX_PATTERNS, help_text="Names of datasets, * and ? allowed."
    )


class AskSerializer(DatasetPatternsSerializer):
    reason = serializers.CharField()
    until = serializers.DateField(help_text="Last day; at most a year from now.")
    group = serializers.CharField(max_length=64, help_text="Group that the data are kept for.")


class DecideSerializer(serializers.Serializer[Any]):
    is_granted = serializers.BooleanField()
    reason = serializers.CharField(required=False, default="", allow_blank=True, help_text="Required to refuse or shorten.")
    until = serializers.DateField(required=False, help_text="Earlier than what was asked: shortened.")
    becomes_lock = serializers.BooleanField(required=False, default=False, help_text="Outlives the campaign as a lock.")


class BulkDecideSerializer(serializers.Serializer[Any]):
    exceptions = serializers.ListField(child=serializers.IntegerField(), min_length=1, max_length=1000)
    is_granted = serializers.BooleanField()
    reason = serializers.CharField(required=False, default="", allow_blank=True)
    becomes_lock = serializers.BooleanField(required=False, default=False)


class ReadSerializer(serializers.Serializer[Any]):
    notices = serializers.ListField(child=serializers.IntegerField(), min_length=1, max_length=1000)


class RevisionSerializer(serializers.ModelSerializer[Revision]):
    proposed_by = serializers.CharField(source="proposed_by.username", allow_null=True, default=None)

    class Meta:
        model = Revision
        fields = [
            "number",
            "digest",
            "plan",
            "cycle",
            "snapshot_at",
            "clock",
            "created_at",
            "created_by",
            "num_items",
            "num_replicas",
            "num_datasets",
            "num_files",
            "size_bytes",
            "partition_bytes",
            "num_last_copies",
            "last_copy_bytes",
            "num_tape_items",
            "tape_bytes",
            "is_current",
            "voided_at",
            "voided_reason",
            "proposed_at",
            "proposed_by",
        ]


class RevisionDetailSerializer(RevisionSerializer):
    class Meta(RevisionSerializer.Meta):
        fields = [*RevisionSerializer.Meta.fields, "text", "sums"]


class CampaignSerializer(serializers.ModelSerializer[Campaign]):
    partition = serializers.CharField(source="partition.name")
    coordinator = serializers.CharField(source="coordinator.username")

    class Meta:
        model = Campaign
        fields = [
            "id",
            "title",
            "purpose",
            "state",
            "state_reason",
            "partition",
            "site_patterns",
            "coordinator",
            "announced_at",
            "exceptions_close_at",
            "earliest_start_at",
            "expires_at",
            "notice_reason",
            "starts_by_itself",
            "site_bytes_per_day",
            "created_at",
            "created_by",
            "started_at",
            "finished_at",
        ]


class CampaignDetailSerializer(CampaignSerializer):
    class Meta(CampaignSerializer.Meta):
        fields = [*CampaignSerializer.Meta.fields, "text"]


class StudySerializer(serializers.ModelSerializer[Study]):
    revision = serializers.IntegerField(source="revision.number", allow_null=True, default=None)

    class Meta:
        model = Study
        fields = ["id", "campaign", "state", "stage", "progress", "error", "revision", "started_by", "started_at", "finished_at"]


class EventSerializer(serializers.ModelSerializer[CampaignEvent]):
    class Meta:
        model = CampaignEvent
        fields = ["at", "actor", "action", "from_state", "to_state", "reason", "details"]


class CommentSerializer(serializers.ModelSerializer[Comment]):
    class Meta:
        model = Comment
        fields = ["author_name", "text", "at"]


class ExceptionSerializer(serializers.ModelSerializer[ExceptionRequest]):
    asked_by = serializers.CharField(source="asked_by.username")
    decided_by = serializers.CharField(source="decided_by.username", allow_null=True, default=None)
    patterns = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = ExceptionRequest
        fields = [
            "id",
            "campaign",
            "patterns",
            "reason",
            "until",
            "group_name",
            "state",
            "asked_by",
            "asked_at",
            "num_items",
            "size_bytes",
            "decided_by",
            "decided_at",
            "decision_reason",
            "granted_until",
            "becomes_lock",
            "rule_text",
        ]


class EffectSerializer(serializers.Serializer[Any]):
    num_items = serializers.IntegerField(help_text="Block replicas.")
    num_datasets = serializers.IntegerField()
    size_bytes = serializers.IntegerField()


class DecidedSerializer(serializers.Serializer[Any]):
    exception_id = serializers.IntegerField()
    state = serializers.CharField(help_text="Empty where it was not decided.")
    problem = serializers.CharField(help_text="Why not.")


class GroupNeedSerializer(serializers.Serializer[Any]):
    name = serializers.CharField()
    needed = serializers.IntegerField()
    given = serializers.IntegerField()
    num_others = serializers.IntegerField(help_text="Other members who could still sign.")


class SignatureSerializer(serializers.Serializer[Any]):
    approver = serializers.CharField()
    verdict = serializers.CharField()
    group_names = serializers.ListField(child=serializers.CharField())
    comment = serializers.CharField()
    digest = serializers.CharField()
    at = serializers.DateTimeField()
    lapsed = serializers.CharField(help_text="Why it does not count (for a group) any more; empty if it does.")


class QuorumSerializer(serializers.Serializer[Any]):
    digest = serializers.CharField(help_text="Of the list that is to be signed now.")
    needed = serializers.IntegerField()
    given = serializers.IntegerField()
    is_met = serializers.BooleanField()
    missing = serializers.ListField(child=serializers.CharField())
    two_because = serializers.ListField(child=serializers.CharField())
    groups = GroupNeedSerializer(many=True)
    signatures = SignatureSerializer(many=True)


class OfferSerializer(serializers.Serializer[Any]):
    action = serializers.CharField()
    is_possible = serializers.BooleanField()
    is_permitted = serializers.BooleanField()
    why_not = serializers.CharField()


class ItemsQuerySerializer(serializers.Serializer[Any]):
    after_sequence = serializers.IntegerField(required=False, default=-1, help_text="The last sequence seen; -1 to begin.")
    page_size = serializers.IntegerField(required=False, default=100, min_value=1, max_value=1000)


class ListedRowSerializer(serializers.Serializer[Any]):
    sequence = serializers.IntegerField()
    site_name = serializers.CharField()
    dataset_name = serializers.CharField()
    block_name = serializers.CharField()
    owner = serializers.CharField()
    size_bytes = serializers.IntegerField()
    num_files = serializers.IntegerField()
    line = serializers.IntegerField(allow_null=True)
    rule_text = serializers.CharField()
    dropped_because = serializers.CharField()


class ItemsPageSerializer(serializers.Serializer[Any]):
    next_after_sequence = serializers.IntegerField(allow_null=True, help_text="Ask with it for more; null at the end.")
    results = ListedRowSerializer(many=True)


class NoticeSerializer(serializers.ModelSerializer[Notice]):
    part = serializers.DictField(help_text="What of the list concerns you.")

    class Meta:
        model = Notice
        fields = ["id", "campaign", "kind", "subject", "text", "part", "due_at", "created_at", "read_at"]


class MarkedSerializer(serializers.Serializer[Any]):
    num_marked = serializers.IntegerField()


class ReportSerializer(serializers.ModelSerializer[CampaignReport]):
    files = serializers.DictField(help_text="By kind (json, html, csv, parquet): SHA-256 and bytes.")

    class Meta:
        model = CampaignReport
        fields = [
            "id",
            "campaign",
            "state",
            "stage",
            "progress",
            "error",
            "made_at",
            "made_by",
            "finished_at",
            "is_final",
            "files",
        ]
