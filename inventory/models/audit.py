from __future__ import annotations

from django.conf import settings
from django.db import models


class AuditEvent(models.Model):
    """One act that mattered: who, what, why, when. Append-only; each row carries the digest of the one before it."""

    at = models.DateTimeField(db_index=True)
    actor = models.CharField(max_length=150, help_text="Login, or the cycle, campaign or worker that acted.")
    # The digest holds the account: it stays as it was written, also when the account is removed.
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.DO_NOTHING, db_constraint=False, related_name="+"
    )
    action = models.CharField(max_length=64, db_index=True, help_text="Namespaced name, as inventory.inject.")
    subject = models.CharField(max_length=640, db_index=True, help_text="What was acted on.")
    reason = models.TextField(blank=True)
    details = models.JSONField(default=dict, blank=True)
    previous_digest = models.CharField(max_length=64)
    digest = models.CharField(max_length=64, unique=True)
    digest_version = models.PositiveSmallIntegerField(default=1, help_text="What the digest is made of; 2: the account, too.")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.action} {self.subject}"


class AuditHead(models.Model):
    """The end of the chain: one row, locked while an event is appended, so that the chain never forks."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    last_event = models.ForeignKey(AuditEvent, null=True, on_delete=models.PROTECT, related_name="+")
    digest = models.CharField(max_length=64, default="0" * 64)
    num_events = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="audit_has_one_head")]

    def __str__(self) -> str:
        return f"{self.num_events} events"
