from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from operations.choices import DeletionRequestState


class DeletionRequest(models.Model):
    """Somebody's wish that a dataset or block goes at some sites: a frozen list that somebody else approves or rejects."""

    state = models.CharField(max_length=16, choices=DeletionRequestState, default=DeletionRequestState.WAITING)
    dataset_pattern = models.CharField(max_length=512)
    block_pattern = models.CharField(max_length=128, default="*")
    site_pattern = models.CharField(max_length=128)
    allows_last_copy = models.BooleanField(
        default=False, help_text="Asked for by name: it goes even where no other complete copy is left anywhere."
    )
    reason = models.CharField(max_length=512)
    requested_at = models.DateTimeField(auto_now_add=True)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    requested_by_name = models.CharField("requested by", max_length=150)
    plan = models.OneToOneField("policies.Plan", on_delete=models.PROTECT, related_name="deletion_request")
    sites = models.JSONField(help_text="Sites where something would go, by name.")
    decided_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    decided_by_name = models.CharField("decided by", max_length=150, blank=True)
    decided_reason = models.CharField(max_length=512, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    report = models.JSONField(default=dict, blank=True, help_text="What became of the list: block replicas and bytes by outcome.")

    class Meta:
        ordering = ["-pk"]
        indexes = [
            models.Index(fields=["requested_at"], name="request_waiting", condition=Q(state=DeletionRequestState.WAITING)),
            models.Index(fields=["plan"], name="request_approved", condition=Q(state=DeletionRequestState.APPROVED)),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=DeletionRequestState.values), name="request_state_known"),
            models.CheckConstraint(condition=~Q(reason=""), name="request_has_reason"),
            models.CheckConstraint(
                condition=Q(state=DeletionRequestState.WAITING, decided_at__isnull=True)
                | (~Q(state=DeletionRequestState.WAITING) & Q(decided_at__isnull=False)),
                name="request_decided_unless_waiting",
            ),
            # Nobody approves what they asked for, whatever rights they have, by whatever way.
            models.CheckConstraint(
                condition=~Q(state__in=[DeletionRequestState.APPROVED, DeletionRequestState.DONE])
                | ~Q(decided_by_name=F("requested_by_name")),
                name="request_not_approved_by_requester",
            ),
        ]

    def __str__(self) -> str:
        return f"deletion request {self.pk}"

    @property
    def what(self) -> str:
        """Return what is to go, as people write it."""
        return self.dataset_pattern if self.block_pattern == "*" else f"{self.dataset_pattern}#{self.block_pattern}"
