"""The queue of deletions and what became of them."""

from operations.models.activity import ActivityClock, ActivityHour
from operations.models.deletions import Attempt, Deletion, DeletionFile
from operations.models.heartbeats import Heartbeat
from operations.models.invalidations import InvalidatedBlock, Invalidation
from operations.models.limits import SiteLimits, SitePace
from operations.models.queued_plans import QueuedPlan
from operations.models.requests import DeletionRequest
from operations.models.scans import CleanUp, ScanFinding, ScanFolder, ScanSeen, SiteScans, StorageScan
from operations.models.switches import PauseSwitch, SiteHealth
from operations.models.trash import Trash, TrashFile

__all__ = [
    "ActivityClock",
    "ActivityHour",
    "Attempt",
    "CleanUp",
    "Deletion",
    "DeletionFile",
    "DeletionRequest",
    "Heartbeat",
    "InvalidatedBlock",
    "Invalidation",
    "PauseSwitch",
    "QueuedPlan",
    "ScanFinding",
    "ScanFolder",
    "ScanSeen",
    "SiteHealth",
    "SiteLimits",
    "SitePace",
    "SiteScans",
    "StorageScan",
    "Trash",
    "TrashFile",
]
