from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q


class PauseSwitch(models.Model):
    """The one switch that stops every worker; who turned it and why. Its past is in the audit trail."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    is_paused = models.BooleanField(default=False)
    changed_at = models.DateTimeField(null=True)
    changed_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    changed_by_name = models.CharField("changed by", max_length=150, blank=True)
    reason = models.CharField(max_length=512, blank=True)

    class Meta:
        verbose_name_plural = "pause switches"
        permissions = [("pause_all", "Can pause all deletions"), ("resume_all", "Can let deletions go on")]
        constraints = [models.CheckConstraint(condition=Q(id=1), name="there_is_one_pause_switch")]

    def __str__(self) -> str:
        return "paused" if self.is_paused else "running"


class SiteHealth(models.Model):
    """What the error brake knows of a site: how its latest deletions went, and until when it backs off.

    The record starts afresh when the brake has paused the site.
    """

    site_name = models.CharField(max_length=64, primary_key=True)
    failures_in_row = models.PositiveIntegerField(default=0)
    recent_outcomes = models.CharField(
        max_length=200, blank=True, help_text="The last outcomes, oldest first: . fine, a nothing was there, x failed."
    )
    back_off_level = models.PositiveSmallIntegerField(default=0, help_text="Calls in a row that got nothing done.")
    back_off_until = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    last_failure_at = models.DateTimeField(null=True, blank=True)
    last_failure = models.CharField(max_length=1024, blank=True)

    def __str__(self) -> str:
        return self.site_name
