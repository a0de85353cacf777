from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from campaigns.choices import ExceptionState
from campaigns.models.campaigns import Campaign
from campaigns.models.revisions import Revision

_KEEPING = [ExceptionState.GRANTED, ExceptionState.SHORTENED]


class ExceptionRequest(models.Model):
    """Somebody's "keep mine, please": names or patterns, a reason, until when, for which group, and what was decided.

    A granted one is a labelled Protect rule on top of the campaign's text.
    """

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="exceptions")
    patterns = models.JSONField(help_text="Names of datasets, or patterns with * and ?.")
    reason = models.TextField()
    until = models.DateField(help_text="Last day on which the data are to be kept.")
    group_name = models.CharField(max_length=64, help_text="Group that the data are kept for.")
    state = models.CharField(max_length=16, choices=ExceptionState, default=ExceptionState.ASKED)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="exceptions_asked")
    asked_at = models.DateTimeField()
    revision = models.ForeignKey(
        Revision, on_delete=models.PROTECT, related_name="+", help_text="The list that the effect was taken of."
    )
    num_items = models.PositiveIntegerField(help_text="Block replicas of that list which it concerns.")
    size_bytes = models.BigIntegerField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="exceptions_decided"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(blank=True)
    granted_until = models.DateField(null=True, blank=True)
    becomes_lock = models.BooleanField(default=False, help_text="Outlives the campaign as a lock until its end.")

    class Meta:
        ordering = ["campaign_id", "pk"]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ExceptionState.values), name="exception_state_known"),
            models.CheckConstraint(condition=~Q(reason="") & ~Q(patterns=[]), name="exception_says_what_and_why"),
            models.CheckConstraint(
                condition=Q(state=ExceptionState.ASKED, decided_at__isnull=True, decided_by__isnull=True)
                | Q(~Q(state=ExceptionState.ASKED), decided_at__isnull=False, decided_by__isnull=False),
                name="exception_decided_by_somebody",
            ),
            models.CheckConstraint(
                condition=Q(state__in=_KEEPING, granted_until__isnull=False, granted_until__lte=F("until"))
                | Q(~Q(state__in=_KEEPING), granted_until__isnull=True),
                name="exception_granted_within_what_was_asked",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[ExceptionState.REFUSED, ExceptionState.SHORTENED]) | ~Q(decision_reason=""),
                name="exception_refused_with_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"exception {self.pk} for {self.group_name}"

    @property
    def rule_text(self) -> str:
        """The Protect rule that it is once granted, labelled with owner and end."""
        return protect_rule(self.pk, self.group_name, self.patterns, str(self.granted_until or self.until))


def protect_rule(number: int, group_name: str, patterns: list[str], until: str) -> str:
    """Return the labelled Protect rule of an exception."""
    named = f"== {patterns[0]}" if len(patterns) == 1 else f"in [{' '.join(patterns)}]"
    return f"Protect @exception-{number}(owner={group_name}, expires={until}) dataset.name {named}"


class DroppedItem(models.Model):
    """An item of a revision's list that stays after all: marked, so that the list and its digest remain what was signed."""

    revision = models.ForeignKey(Revision, on_delete=models.PROTECT, related_name="dropped")
    plan_item = models.OneToOneField("policies.PlanItem", on_delete=models.PROTECT, related_name="campaign_drop")
    exception = models.ForeignKey(ExceptionRequest, null=True, blank=True, on_delete=models.PROTECT, related_name="dropped")
    reason = models.CharField(max_length=512)
    size_bytes = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["revision_id", "plan_item_id"]

    def __str__(self) -> str:
        return self.reason


class GroupRepresentative(models.Model):
    """Who speaks for a group that owns data: is told of campaigns, and decides exceptions that are asked for it."""

    group = models.ForeignKey("inventory.Group", on_delete=models.CASCADE, related_name="representatives")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="represented_groups")

    class Meta:
        ordering = ["group_id", "user_id"]
        constraints = [models.UniqueConstraint(fields=["group", "user"], name="representative_unique")]

    def __str__(self) -> str:
        return f"{self.user} for {self.group}"
