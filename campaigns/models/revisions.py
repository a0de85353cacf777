from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from campaigns.choices import StudyState
from campaigns.models.campaigns import Campaign


class Revision(models.Model):
    """What is proposed and signed: a text and the list that it gave, frozen, with its digest. It is never changed.

    Only ``is_current``, the proposal and what drops out are written later; another list is another revision.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="revisions")
    number = models.PositiveIntegerField()
    text = models.TextField(help_text="As it was evaluated: granted exceptions on top.")
    plan = models.OneToOneField("policies.Plan", on_delete=models.PROTECT, related_name="campaign_revision")
    cycle = models.OneToOneField(
        "policies.Cycle", on_delete=models.PROTECT, related_name="campaign_revision", help_text="Test run that decided."
    )
    digest = models.CharField(max_length=64, help_text="SHA-256 of the frozen list; that of the plan.")
    clock = models.DateTimeField(help_text="What the text's times are relative to.")
    snapshot_at = models.DateTimeField(help_text="When the inventory was read.")
    created_at = models.DateTimeField()
    created_by = models.CharField(max_length=150)
    num_items = models.PositiveIntegerField(help_text="Block replicas.")
    num_replicas = models.PositiveIntegerField(help_text="Dataset replicas.")
    num_datasets = models.PositiveIntegerField()
    num_files = models.PositiveBigIntegerField()
    size_bytes = models.BigIntegerField()
    partition_bytes = models.BigIntegerField(help_text="What the whole partition held then.")
    num_last_copies = models.PositiveIntegerField(help_text="Block replicas after which no complete copy is left anywhere.")
    last_copy_bytes = models.BigIntegerField()
    num_tape_items = models.PositiveIntegerField()
    tape_bytes = models.BigIntegerField()
    sums = models.JSONField(default=dict, help_text="By site, tier, era and group; last access; largest; what else touches it.")
    usual_status = models.CharField(max_length=16, blank=True, help_text="Status of each dataset without a StudiedStatus.")
    items_file = models.CharField(
        max_length=255, help_text="The list with what people ask of it: a Parquet file in the default storage."
    )
    told_at = models.DateTimeField(null=True, blank=True, help_text="When everybody concerned had been told of the proposal.")
    is_current = models.BooleanField(default=True)
    voided_at = models.DateTimeField(null=True, blank=True)
    voided_reason = models.CharField(max_length=512, blank=True)
    proposed_at = models.DateTimeField(null=True, blank=True)
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="proposed_revisions"
    )

    class Meta:
        ordering = ["campaign_id", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["campaign", "number"], name="revision_number_unique"),
            models.UniqueConstraint(fields=["campaign"], condition=Q(is_current=True), name="revision_one_current_per_campaign"),
            models.CheckConstraint(
                condition=Q(proposed_at__isnull=True, proposed_by__isnull=True)
                | Q(proposed_at__isnull=False, proposed_by__isnull=False),
                name="revision_proposed_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(is_current=True, voided_at__isnull=True) | Q(is_current=False, voided_at__isnull=False),
                name="revision_current_or_voided",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.campaign} r{self.number}"


class StudiedStatus(models.Model):
    """Status that a dataset of a revision had when it was studied, where it is not the usual one of the revision."""

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="statuses")
    dataset_name = models.CharField(max_length=512)
    status = models.CharField(max_length=16)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["revision", "dataset_name"], name="studied_status_unique")]

    def __str__(self) -> str:
        return f"{self.dataset_name}: {self.status}"


class StudiedTransfer(models.Model):
    """A copy of a dataset of a revision that was on its way to a site when it was studied."""

    revision = models.ForeignKey(Revision, on_delete=models.CASCADE, related_name="transfers")
    dataset_name = models.CharField(max_length=512)
    site_name = models.CharField(max_length=64, blank=True, help_text="Empty: asked for, no site takes it yet.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["revision", "dataset_name", "site_name"], name="studied_transfer_unique")]

    def __str__(self) -> str:
        return f"{self.dataset_name} to {self.site_name}"


class Study(models.Model):
    """The work of a worker that evaluates a campaign's text and saves the revision; how far it is, and why it failed."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="studies")
    state = models.CharField(max_length=16, choices=StudyState, default=StudyState.RUNNING)
    cycle = models.OneToOneField("policies.Cycle", null=True, on_delete=models.PROTECT, related_name="campaign_study")
    base_text = models.TextField(help_text="The campaign's text when it was started.")
    revision = models.OneToOneField(Revision, null=True, blank=True, on_delete=models.PROTECT, related_name="study")
    stage = models.CharField(max_length=64, blank=True)
    progress = models.FloatField(default=0, help_text="Part done, 0 to 1.")
    error = models.TextField(blank=True)
    started_by = models.CharField(max_length=150)
    started_at = models.DateTimeField()
    heartbeat_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]
        verbose_name_plural = "studies"
        constraints = [
            models.UniqueConstraint(
                fields=["campaign"], condition=Q(state=StudyState.RUNNING), name="study_one_running_per_campaign"
            ),
            models.CheckConstraint(
                condition=Q(state=StudyState.RUNNING, finished_at__isnull=True)
                | Q(~Q(state=StudyState.RUNNING), finished_at__isnull=False),
                name="study_finished_when_over",
            ),
        ]

    def __str__(self) -> str:
        return f"study {self.pk} of {self.campaign}"
