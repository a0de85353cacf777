"""The queue of deletions and what became of them."""

from operations.models.deletions import Attempt, Deletion, DeletionFile
from operations.models.queued_plans import QueuedPlan
from operations.models.switches import PauseSwitch, SiteHealth

__all__ = ["Attempt", "Deletion", "DeletionFile", "PauseSwitch", "QueuedPlan", "SiteHealth"]
