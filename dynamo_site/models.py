"""What the API itself keeps: its tokens, and answers that a repeated request gets again."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from knox.models import AuthToken, AuthTokenManager


class ApiToken(AuthToken):  # type: ignore[misc] # knox has no types
    """A secret that opens the API to a program in the name of a user, for some scopes and until it expires.

    Only a hash of the text is kept. A token narrows the rights of its user and never adds any.
    """

    uid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False, help_text="Names the token where its text must not.")
    name = models.CharField(max_length=100, help_text="What it is for.")
    scopes = models.JSONField(default=list, help_text="Scopes that it opens (docs/api.md); none opens nothing.")
    issued_by = models.CharField(max_length=150)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To about a minute.")

    objects = AuthTokenManager()

    class Meta:
        verbose_name = "API token"
        ordering = ["-created"]
        permissions = [
            ("issue_apitoken", "Can issue API tokens for other users"),
            ("revoke_apitoken", "Can revoke API tokens of other users"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.user}"


class AnsweredRequest(models.Model):
    """A writing request with an idempotency key and what it was answered, kept so that the act is not done twice.

    Written in the transaction of the act: both are there, or neither.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    route = models.CharField(max_length=255, help_text="Method and address.")
    digest = models.CharField(max_length=64, help_text="SHA-256 of method, address with query, content type and body.")
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(null=True, help_text="JSON of the answer; null where it holds a secret.")
    headers = models.JSONField(default=dict)
    answered_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="one_answer_per_idempotency_key")]

    def __str__(self) -> str:
        return f"{self.route} ({self.key})"
