from __future__ import annotations

from django.conf import settings
from django.db import models

from campaigns.models.campaigns import Campaign


class Look(models.Model):
    """When an account last had the page of a campaign before the eyes: what changed since is said at the next look."""

    campaign = models.ForeignKey(Campaign, on_delete=models.CASCADE, related_name="looks")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["campaign", "user"], name="look_unique")]

    def __str__(self) -> str:
        return f"{self.user} at {self.campaign}"
