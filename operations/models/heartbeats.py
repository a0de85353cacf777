from __future__ import annotations

from django.db import models
from django.db.models import Q


class Heartbeat(models.Model):
    """When a worker last did the periodic work that the scheduler asks for: one row, absent until the first time."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1)
    at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="there_is_one_heartbeat")]

    def __str__(self) -> str:
        return f"periodic work at {self.at}"
