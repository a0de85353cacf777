from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from campaigns.choices import NoticeKind
from campaigns.models.campaigns import Campaign


class Notice(models.Model):
    """One thing that one person is told of a campaign: a row of the inbox, and a mail where the account has an address."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="campaign_notices")
    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=32, choices=NoticeKind)
    key = models.CharField(max_length=128, help_text="What it is about: the same thing is told to the same person once.")
    subject = models.CharField(max_length=255)
    text = models.TextField()
    part = models.JSONField(default=dict, blank=True, help_text="What of the list concerns this person: bytes, replicas, why.")
    due_at = models.DateTimeField(null=True, blank=True, help_text="Until when it waits for an answer.")
    created_at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, blank=True)
    mailed_at = models.DateTimeField(null=True, blank=True)
    mail_attempts = models.PositiveSmallIntegerField(default=0)
    mail_not_before = models.DateTimeField(null=True, blank=True)
    mail_error = models.CharField(max_length=512, blank=True)

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["user", "read_at"], name="notice_inbox"),
            models.Index(fields=["mail_not_before"], name="notice_to_mail", condition=Q(mailed_at__isnull=True)),
        ]
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="notice_told_once")]

    def __str__(self) -> str:
        return self.subject
