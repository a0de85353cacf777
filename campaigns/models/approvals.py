from __future__ import annotations

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q

from campaigns.choices import Verdict
from campaigns.models.campaigns import Campaign
from campaigns.models.revisions import Revision


class Approval(models.Model):
    """What one person says about one revision, by its digest; it dies with the revision.

    ``requester`` is copied from the proposal, so that one CHECK refuses the proposer's signature to everybody, superusers too.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="approvals")
    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="approvals")
    digest = models.CharField(max_length=64, help_text="The digest that the approver had before the eyes.")
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="campaign_approvals")
    verdict = models.CharField(max_length=8, choices=Verdict)
    group_names = models.JSONField(default=list, help_text="Groups that must sign of which the approver was a member then.")
    comment = models.TextField(blank=True)
    address = models.CharField(max_length=64, blank=True, help_text="Network address that it came from, or 'shell'.")
    at = models.DateTimeField()

    class Meta:
        ordering = ["campaign_id", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(requester=F("approver")),
                name="approval_not_by_proposer",
                violation_error_message="Who proposed a revision never signs it.",
            ),
            models.UniqueConstraint(fields=["campaign", "revision", "approver"], name="approval_once_per_revision"),
            models.CheckConstraint(condition=Q(verdict__in=Verdict.values), name="approval_verdict_known"),
            models.CheckConstraint(condition=~Q(verdict=Verdict.REJECT) | ~Q(comment=""), name="rejection_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.approver}: {self.get_verdict_display()}"


class QuorumRule(models.Model):
    """Who must sign campaigns of a partition: how many in all, and how many of which groups."""

    partition = models.OneToOneField("policies.Partition", on_delete=models.CASCADE, related_name="quorum_rule")
    min_signatures = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1)],
        help_text="In all; two at least where tape, last copies or more than 1 % of the partition are concerned.",
    )

    class Meta:
        ordering = ["partition_id"]
        constraints = [models.CheckConstraint(condition=Q(min_signatures__gte=1), name="quorum_at_least_one")]

    def __str__(self) -> str:
        return f"quorum of {self.partition}"


class QuorumGroup(models.Model):
    """A group of accounts of which so many must sign."""

    rule = models.ForeignKey(QuorumRule, on_delete=models.CASCADE, related_name="groups")
    group = models.ForeignKey("auth.Group", on_delete=models.PROTECT, related_name="+")
    min_signatures = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])

    class Meta:
        ordering = ["rule_id", "group_id"]
        constraints = [
            models.UniqueConstraint(fields=["rule", "group"], name="quorum_group_unique"),
            models.CheckConstraint(condition=Q(min_signatures__gte=1), name="quorum_group_at_least_one"),
        ]

    def __str__(self) -> str:
        return f"{self.min_signatures} of {self.group}"
