"""Admin of the deletions: what is queued, under way and done, and why."""

from operations.admin import deletions, invalidations, limits, requests, scans, switches, trash

__all__ = ["deletions", "invalidations", "limits", "requests", "scans", "switches", "trash"]
