"""A clock of the site that a test moves."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone


class SiteClock:
    """The time that the site believes, once it stands for ``timezone.now``."""

    def __init__(self) -> None:
        self._real = timezone.now
        self.offset = timedelta(0)

    def __call__(self) -> datetime:
        return self._real() + self.offset
