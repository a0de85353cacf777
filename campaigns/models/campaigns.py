from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from campaigns.choices import ANNOUNCED_STATES, CampaignState


class Campaign(models.Model):
    """A one-time deletion that people agree on: a text, a time table, those who must sign, and what became of it."""

    title = models.CharField(max_length=200, unique=True)
    purpose = models.TextField(help_text="Why the data may go; everybody who is told of the campaign reads it.")
    coordinator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="coordinated_campaigns")
    partition = models.ForeignKey("policies.Partition", on_delete=models.PROTECT, related_name="campaigns")
    site_patterns = models.CharField(
        max_length=1024,
        default="*",
        help_text="Sites that it may touch, with blanks between; * and ? as in locks. A text that reaches further is refused.",
    )
    text = models.TextField(help_text="Policy text; granted exceptions are put on top of it when it is studied.")
    state = models.CharField(max_length=16, choices=CampaignState, default=CampaignState.DRAFT, editable=False)
    state_reason = models.TextField(blank=True, editable=False, help_text="Why it is where it is, where somebody had to say.")
    exceptions_close_at = models.DateTimeField(null=True, blank=True, help_text="Until then exceptions may be asked for.")
    earliest_start_at = models.DateTimeField(null=True, blank=True, help_text="Nothing is deleted before.")
    expires_at = models.DateTimeField(null=True, blank=True, help_text="Nothing is deleted afterwards.")
    announced_at = models.DateTimeField(null=True, blank=True, editable=False)
    notice_reason = models.CharField(
        max_length=512, blank=True, help_text="Why exceptions close sooner than the usual notice; shown to everybody."
    )
    starts_by_itself = models.BooleanField(default=False, help_text="Executes as soon as it may, without anybody.")
    site_bytes_per_day = models.BigIntegerField(
        null=True, blank=True, help_text="At most so many bytes go at a site in a day (UTC). Empty: no limit."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.CharField(max_length=150)
    started_at = models.DateTimeField(null=True, blank=True, editable=False)
    finished_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state"], name="campaign_by_state")]
        permissions = [
            ("propose_campaign", "Can propose the campaign"),
            ("approve_campaign", "Can sign the campaign"),
            ("pause_campaign", "Can pause the campaign"),
            ("execute_campaign", "Can execute and resume the campaign"),
            ("decide_exceptions", "Can decide exceptions from the campaign"),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=CampaignState.values), name="campaign_state_known"),
            models.CheckConstraint(condition=~Q(title="") & ~Q(purpose=""), name="campaign_has_title_and_purpose"),
            models.CheckConstraint(
                condition=(
                    Q(exceptions_close_at__isnull=True)
                    | Q(earliest_start_at__isnull=True)
                    | Q(exceptions_close_at__lte=F("earliest_start_at"))
                )
                & (Q(earliest_start_at__isnull=True) | Q(expires_at__isnull=True) | Q(earliest_start_at__lt=F("expires_at")))
                & (
                    Q(announced_at__isnull=True)
                    | Q(exceptions_close_at__isnull=True)
                    | Q(announced_at__lt=F("exceptions_close_at"))
                ),
                name="campaign_times_ordered",
                violation_error_message="The times must come in this order: announced, exceptions close, earliest start, expiry.",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=sorted(ANNOUNCED_STATES))
                | Q(
                    announced_at__isnull=False,
                    exceptions_close_at__isnull=False,
                    earliest_start_at__isnull=False,
                    expires_at__isnull=False,
                ),
                name="campaign_announced_with_times",
            ),
            models.CheckConstraint(
                condition=Q(site_bytes_per_day__isnull=True) | Q(site_bytes_per_day__gt=0), name="campaign_portion_positive"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class CampaignEvent(models.Model):
    """One act on a campaign, append-only; ``audit_event`` is the same act in the chain, so that no row can be altered unseen."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="events")
    at = models.DateTimeField()
    actor = models.CharField(max_length=150)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    action = models.CharField(max_length=32)
    from_state = models.CharField(max_length=16, choices=CampaignState)
    to_state = models.CharField(max_length=16, choices=CampaignState)
    reason = models.TextField(blank=True)
    details = models.JSONField(default=dict, blank=True)
    audit_event = models.OneToOneField("inventory.AuditEvent", on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["campaign_id", "pk"]

    def __str__(self) -> str:
        return f"{self.action} by {self.actor}"


class Comment(models.Model):
    """What somebody says about a campaign; it changes nothing."""

    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT, related_name="comments")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    author_name = models.CharField(max_length=150)
    text = models.TextField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["campaign_id", "pk"]
        constraints = [models.CheckConstraint(condition=~Q(text=""), name="comment_says_something")]

    def __str__(self) -> str:
        return f"{self.author_name}: {self.text[:60]}"
