"""Hypothesis without a limit on the time of one example: the machine of a test may be busy."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")
