"""Admin of the deletions: what is queued, under way and done, and why."""

from operations.admin import deletions, switches

__all__ = ["deletions", "switches"]
